//! Removes what no open exchange needs any more: both objects and the file when one is final, and whatever an
//! interruption has left.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::desk::Turn;
use super::{End, Mover, failed};
use crate::domain::{Address, Event};
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
        // What was written for debits that take no part after all.
        for part in turn.parts.iter().filter(|part| !self.shared.large.holds(part)) {
            if let Err(error) = self.files.remove(*part) {
                failed("clearing", &error);
            }
        }
        LargeMoved { what: "cleared" }.emit();
        End::Done
    }

    /// Removes files and deliveries' objects of exchanges that are not open: what was not cleared before a stop. Uploads
    /// that no message named go by their age. True when all was looked at.
    pub(super) async fn sweep(&self) -> bool {
        let (js, desk) = (&self.link.jetstream, &self.shared.large);
        // All chunks are looked at: of an object that was left half removed, or that was cancelled while it was handed out,
        // the first may be missing.
        let mut unowned: BTreeSet<(Address, Uuid)> = BTreeSet::new();
        let all = format!("$O.{BUCKET_OUT}.C.*.*.*.*");
        let looked = objects::look(js, BUCKET_OUT, &all, |subject| {
            unowned.extend(party_of(BUCKET_OUT, subject).filter(|(_, delivery)| !desk.holds(delivery)));
        });
        if let Err(error) = looked.await {
            tracing::debug!(%error, "the bucket of deliveries could not be swept");
            return false;
        }
        let mut whole = true;
        for (to, delivery) in unowned {
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
