//! The HATs: read their deliveries as one platform's server would, verify them, receipt at once.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Load, LoadError, Mode, publisher, reader};
use crate::client::ids::{Ids, now};
use crate::domain::{Address, Id, Kind};
use crate::nats::intake::MAX_BATCH;
use crate::nats::{HeaderView, Outgoing, Raw, header_map};
use crate::wire::received::{Delivery, Trust, deliveries};
use crate::wire::{MessageOptions, outgoing};

const WHO: &str = "recipients";
/// How long a batch is waited for, so that signatures are checked together.
const LINGER: Duration = Duration::from_millis(1);

/// Receipts until told to stop.
///
/// # Errors
/// [`LoadError`] when the broker gives or takes no more, or a delivery is not what it should be.
pub async fn run(load: Arc<Load>, stop: CancellationToken) -> Result<(), LoadError> {
    let link = load.link(WHO).await?;
    let publisher = publisher(&link, WHO).await?;
    let mut reader = reader(&link, WHO, "dex.v1.out.hat.*.delivery").await?;
    let ids = Ids::default();
    load.listens();
    while !stop.is_cancelled() {
        let batch = reader.next_batch(MAX_BATCH, LINGER).await.map_err(|e| LoadError::new(WHO, e))?;
        for (hat, delivery) in read(&load, &batch)? {
            let message = receipt(&load, &ids, &hat, &delivery)?;
            publisher.publish(message).await.map_err(|e| LoadError::new(WHO, e))?;
        }
    }
    Ok(())
}

/// The deliveries of a batch, verified, with whose they are.
fn read(load: &Load, batch: &[Raw]) -> Result<Vec<(Address, Delivery)>, LoadError> {
    let views: Vec<HeaderView<'_>> = batch.iter().map(|raw| HeaderView::of(raw.headers.as_ref())).collect();
    let came = batch.iter().zip(&views).map(|(raw, view)| (raw.subject.as_str(), view, raw.payload.clone())).collect();
    let keys: Vec<_> = load.key.into_iter().collect();
    let trust = if load.mode == Mode::Signed { Trust::Keys(&keys) } else { Trust::Broker };
    let read = deliveries(came, &load.origin, trust, &mut rand::thread_rng());
    let hat = |raw: &Raw| {
        let token = raw.subject.split('.').nth(4)?;
        Some(Address::new(Kind::Hat, Id::from_token(token).ok()?))
    };
    batch
        .iter()
        .zip(read)
        .map(|(raw, delivery)| {
            let delivery = delivery.map_err(|e| LoadError::new(WHO, format!("{}: {e}", raw.subject)))?;
            let hat = hat(raw).ok_or_else(|| LoadError::new(WHO, format!("{} is no HAT's", raw.subject)))?;
            Ok((hat, delivery))
        })
        .collect()
}

fn receipt(load: &Load, ids: &Ids, hat: &Address, delivery: &Delivery) -> Result<Outgoing, LoadError> {
    let id = ids.next(now().unix_ms(), &mut rand::thread_rng());
    let body = format!(
        r#"{{"delivery":"{}","digest":"{}","count":{},"verdict":"accepted"}}"#,
        delivery.id, delivery.digest, delivery.count
    );
    let signer = match load.mode {
        Mode::Signed => {
            Some(load.crowd.key_of(&hat.id).ok_or_else(|| LoadError::new(WHO, "a delivery for a stranger"))?)
        }
        Mode::Unsigned | Mode::Raw => None,
    };
    let to = delivery.receipt_to.clone();
    let options = MessageOptions::default();
    let out = outgoing::message_on(signer, &load.origin, hat, to, id, &options, body.into());
    Ok(Outgoing { subject: out.subject.into(), headers: header_map(&out.headers), payload: out.payload, ttl: None })
}
