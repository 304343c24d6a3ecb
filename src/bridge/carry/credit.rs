//! A delivery into a HAT: posted to its data API, once in effect however often it comes, and answered for
//! with what the HAT really holds.
//!
//! Records go with `skipErrors=true`: one bad record holds back no other. The answer shows only what was
//! stored now, so each record that it does not show is posted once more alone, which tells a duplicate (the
//! HAT refuses content that it holds: it is there, from this delivery's first coming or from before) from a
//! refusal. The receipt counts both stored and held.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::bridge::hat::data::Kept;
use crate::bridge::hat::{Fault, HatError};
use crate::client::{Delivery, Order, Recall, ids};
use crate::domain::command::Receipt;
use crate::domain::event::{Authority, Verdict};
use crate::domain::{Address, Digest, Id, Kind};
use crate::telemetry::events::{BridgeFault, Carried, RecordsPosted};

use super::worker::Worker;

/// Most records in one POST.
const CHUNK: usize = 500;
/// Most plugs and apps of one HAT remembered as set up.
const SET_UP_MAX: usize = 256;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    endpoint: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow, default)]
    links: Option<&'a RawValue>,
}

/// Why a delivery is refused, for people: at most 256 bytes, and never the HAT's own words.
pub(super) fn why(error: &HatError) -> SmolStr {
    SmolStr::new(format!("{}: {}", error.call, error.fault))
}

impl Worker {
    /// Carries one delivery to its end: answered for, or its deadline has passed.
    pub(super) async fn credit(&mut self, delivery: Delivery) {
        let result = match self.carry(&delivery).await {
            Some((receipt, result)) => match delivery.answer(receipt).await {
                Ok(_) => result,
                Err(error) => {
                    // It comes again, unless the exchange has closed it.
                    tracing::debug!(%error, "a receipt was not taken");
                    "unanswered"
                }
            },
            None => {
                delivery.ignore().await;
                "expired"
            }
        };
        Carried { result }.emit();
    }

    /// The receipt to answer with; none when the deadline has passed.
    async fn carry(&mut self, delivery: &Delivery) -> Option<(Receipt, &'static str)> {
        let refused = |reason: SmolStr| Some((delivery.receipt_of(Verdict::Refused, Some(reason)), "refused"));
        let (Authority::Plug(by) | Authority::App(by)) = &delivery.authority else {
            return refused("a HAT that speaks only HTTP takes records from plugs and apps".into());
        };
        let body = delivery.body.clone();
        let Some(records) = read(&body) else {
            return refused("the delivery holds what is no record".into());
        };
        let mut kept = vec![Kept::Unknown; records.len()];
        loop {
            let left = delivery.deadline.since(ids::now());
            let left = Duration::from_nanos(u64::try_from(left).unwrap_or(0));
            if left.is_zero() || !self.may_ask(left).await {
                return None;
            }
            match self.attempt(delivery, by, &records, &mut kept).await {
                Ok(()) => break,
                Err(error) if error.fault.passes() => {}
                Err(error) => return refused(why(&error)),
            }
        }
        let count = |fate| kept.iter().filter(|kept| **kept == fate).count();
        let (stored, held, not) = (count(Kept::Stored), count(Kept::Held), count(Kept::Refused));
        RecordsPosted { stored, held, refused: not }.emit();
        if stored + held == 0 {
            return refused("the HAT takes none of the records".into());
        }
        let mut receipt = delivery.receipt_of(Verdict::Accepted, None);
        if not > 0 {
            receipt.count = u32::try_from(stored + held).unwrap_or(u32::MAX);
            receipt.reason = Some(SmolStr::new(format!("the HAT refuses {not} of {} records", kept.len())));
            return Some((receipt, "short"));
        }
        Some((receipt, "kept"))
    }

    /// One attempt at all that is not known yet, with one place among the HATs that are worked on.
    async fn attempt(
        &mut self,
        delivery: &Delivery,
        by: &Id,
        records: &[Record<'_>],
        kept: &mut [Kept],
    ) -> Result<(), HatError> {
        let common = std::sync::Arc::clone(&self.common);
        let room = common.room.acquire().await;
        let done = match self.ready(by, &delivery.authority).await {
            Ok(()) => self.post(by, records, kept).await,
            Err(error) => Err(error),
        };
        drop(room);
        if done.as_ref().is_err_and(|error| error.fault == Fault::Status(403)) && self.set_up.remove(by) {
            // Its owner may have disabled it since: seen when it is looked at anew.
            let done = self.ready(by, &delivery.authority).await;
            let done = match done {
                Ok(()) => self.post(by, records, kept).await,
                Err(error) => Err(error),
            };
            return self.noted(done);
        }
        self.noted(done)
    }

    /// The HAT is the one that was registered, and the plug or app is set up there.
    async fn ready(&mut self, by: &Id, authority: &Authority) -> Result<(), HatError> {
        self.same_key().await?;
        if self.set_up.contains(by) {
            return Ok(());
        }
        let standing = self.session.application(by).await?;
        if standing.setup && !standing.enabled {
            self.tell_disabled(by, authority).await;
            let fault = Fault::Status(403);
            return Err(HatError {
                hat: self.hat().clone(),
                call: "the owner has disabled the plug or app at the HAT",
                fault,
                after: None,
            });
        }
        if !standing.setup {
            self.session.set_up(by).await?;
        }
        if self.set_up.len() >= SET_UP_MAX {
            self.set_up.clear();
        }
        self.set_up.insert(by.clone());
        Ok(())
    }

    /// What its owner did at the HAT is said in the exchange.
    async fn tell_disabled(&self, by: &Id, authority: &Authority) {
        let order = match authority {
            Authority::App(_) => Order::app_disable(self.hat(), by),
            _ => Order::plug_disconnect(self.hat(), by),
        };
        if let Err(error) = self.bridge().send(order).await {
            tracing::debug!(%error, "the exchange was not told that a plug or app is disabled");
        }
    }

    /// Posts what is not known yet, endpoint by endpoint.
    async fn post(&self, by: &Id, records: &[Record<'_>], kept: &mut [Kept]) -> Result<(), HatError> {
        for (record, kept) in records.iter().zip(&mut *kept) {
            // The call for single endpoints cannot link records: to store them without is not what was sent.
            if record.links.is_some() {
                *kept = Kept::Refused;
            }
        }
        let mut endpoints: Vec<&str> = Vec::new();
        for record in records {
            if !endpoints.contains(&&*record.endpoint) {
                endpoints.push(&record.endpoint);
            }
        }
        for endpoint in endpoints {
            let unknown: Vec<usize> = (0..records.len())
                .filter(|at| kept[*at] == Kept::Unknown && records[*at].endpoint == endpoint)
                .collect();
            for chunk in unknown.chunks(CHUNK) {
                let datas: Vec<&RawValue> = chunk.iter().map(|at| records[*at].data).collect();
                let mut fates = vec![Kept::Unknown; chunk.len()];
                self.session.post_many(by, endpoint, &datas, &mut fates).await?;
                for (at, fate) in chunk.iter().zip(fates) {
                    kept[*at] = fate;
                }
                for at in chunk.iter().filter(|at| kept[**at] == Kept::Unknown).copied().collect::<Vec<_>>() {
                    kept[at] = self.session.post_one(by, endpoint, records[at].data).await?;
                }
            }
        }
        Ok(())
    }

    /// A sender wants a delivery back. What a HAT holds it does not give back over HTTP: an answer would say
    /// that nothing was kept, so there is none, and the exchange goes its way.
    pub(super) async fn recall(&self, recall: Recall) {
        let none = Fault::Form("records are not given back over HTTP");
        BridgeFault { kind: none.kind(), call: "recall", fault: &none }.emit();
        drop(recall);
    }

    /// A receipt that refuses a request.
    pub(super) fn refusal(delivery: uuid::Uuid, reason: SmolStr) -> Receipt {
        let digest = Digest::of(&[]);
        Receipt { delivery, digest, count: 0, verdict: Verdict::Refused, reason: Some(reason) }
    }

    /// The subject of receipts for this HAT.
    pub(super) fn receipt_to(&self) -> Address {
        Address::new(Kind::Hat, self.hat().clone())
    }
}

/// The records of a body; none when it is not records.
fn read(body: &[u8]) -> Option<Vec<Record<'_>>> {
    let text = std::str::from_utf8(body).ok()?;
    if text.trim_start().starts_with('[') {
        serde_json::from_str(text).ok()
    } else {
        Some(vec![serde_json::from_str(text).ok()?])
    }
}
