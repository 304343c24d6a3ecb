//! How publishing goes, told to operators: a full or unreachable `DEX_OUT` makes the exchange wait.

use std::sync::Arc;

use tokio::sync::watch;

use crate::nats::publish::PublishStatus;
use crate::telemetry::Health;
use crate::telemetry::events::PublishingStalled;

/// Watches until the publisher is gone.
pub async fn watch(mut status: watch::Receiver<PublishStatus>, health: Arc<Health>) {
    loop {
        let now = *status.borrow_and_update();
        let why = match now {
            PublishStatus::Healthy => None,
            PublishStatus::Full => {
                Some(("full", "DEX_OUT is full: it frees by age alone, give it room by streams.out_max_bytes"))
            }
            PublishStatus::Busy => Some(("busy", "the broker has too much to do")),
            PublishStatus::Unreachable => Some(("unreachable", "the broker does not answer to what is published")),
        };
        match why {
            None => health.set("publishing", true, "acknowledged"),
            Some((why, detail)) => {
                health.set("publishing", false, detail);
                PublishingStalled { why, detail }.emit();
            }
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[actix::test]
    async fn a_full_stream_makes_the_daemon_unready_until_it_drains() {
        let health = Arc::new(Health::default());
        let (told, status) = watch::channel(PublishStatus::Healthy);
        let watching = actix::spawn(watch(status, Arc::clone(&health)));
        for (status, ready) in [
            (PublishStatus::Healthy, true),
            (PublishStatus::Full, false),
            (PublishStatus::Unreachable, false),
            (PublishStatus::Healthy, true),
        ] {
            told.send_replace(status);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            assert_eq!(health.ready(Instant::now()), ready, "{status:?}");
        }
        drop(told);
        watching.await.expect("it ends with its publisher");
    }
}
