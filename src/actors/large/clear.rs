//! Removes what no open exchange needs any more: both objects and the file when one is final, and whatever an
//! interruption has left.

use super::desk::Turn;
use super::{End, Mover, failed};
use crate::domain::Event;
use crate::nats::objects::{self, ObjectError};
use crate::telemetry::events::LargeMoved;
use crate::wire::object::{BUCKET_IN, BUCKET_OUT, party_of, place};

impl Mover {
    pub(super) async fn clear(&self, turn: &Turn) -> End {
        let Some(sealed) = self.shared.entry(turn.leaf) else { return End::Again };
        let event = &sealed.entry.event;
        let (by, object, to) = match event {
            Event::Fetching(fetching) => (&fetching.by, fetching.object.id, &fetching.to),
            _ => match event.began().or(event.left()) {
                Some(opened) => match &opened.large {
                    Some(upload) => (&upload.by, upload.object, &opened.to),
                    None => return End::Done,
                },
                None => return End::Done,
            },
        };
        let js = &self.link.jetstream;
        let objects = async {
            objects::purge(js, BUCKET_OUT, &place(BUCKET_OUT, to, turn.delivery)).await?;
            objects::purge(js, BUCKET_IN, &place(BUCKET_IN, by, object)).await?;
            Ok::<(), ObjectError>(())
        };
        if let Err(error) = objects.await {
            failed("clearing", &error);
            return End::Again;
        }
        if let Err(error) = self.files.remove(turn.delivery) {
            failed("clearing", &error);
            return End::Again;
        }
        LargeMoved { what: "cleared" }.emit();
        End::Done
    }

    /// Removes files and deliveries' objects of exchanges that are not open: what was not cleared before a stop. Uploads
    /// that no message named go by their age. True when all was looked at.
    pub(super) async fn sweep(&self) -> bool {
        let (js, desk) = (&self.link.jetstream, &self.shared.large);
        // The first chunk of each: an object is stored from there on.
        let first = format!("$O.{BUCKET_OUT}.C.*.*.*.0");
        let listed = match objects::list(js, BUCKET_OUT, &first).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(%error, "the bucket of deliveries could not be swept");
                return false;
            }
        };
        let mut whole = true;
        for (to, delivery) in listed.iter().filter_map(|subject| party_of(BUCKET_OUT, subject)) {
            if desk.holds(&delivery) {
                continue;
            }
            match objects::purge(js, BUCKET_OUT, &place(BUCKET_OUT, &to, delivery)).await {
                Ok(_) => LargeMoved { what: "swept" }.emit(),
                Err(error) => {
                    failed("sweep", &error);
                    whole = false;
                }
            }
        }
        let files = match self.files.list() {
            Ok(files) => files,
            Err(error) => {
                failed("sweep", &error);
                return false;
            }
        };
        for delivery in files.into_keys().filter(|delivery| !desk.holds(delivery)) {
            match self.files.remove(delivery) {
                Ok(()) => LargeMoved { what: "swept" }.emit(),
                Err(error) => failed("sweep", &error),
            }
        }
        whole
    }
}
