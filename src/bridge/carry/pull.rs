//! A client pulls: what the owner lets out is read from the HAT and released under the debit.

use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::bridge::hat::debit::Values;
use crate::bridge::hat::retry::retry;
use crate::bridge::hat::{Fault, HatError};
use crate::client::{ClientError, Order, Request, ids};
use crate::domain::Reason;
use crate::telemetry::events::Pulled;

use super::credit::why;
use super::worker::Worker;

/// Most records in one release.
const RECORDS_MAX: usize = 10_000;
/// Largest body of one release, bytes: what the protocol allows a message.
const BYTES_MAX: usize = 512 * 1024;

/// A record as a HAT shows it; what else it may show does not leave it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(borrow)]
    endpoint: &'a RawValue,
    #[serde(borrow, default)]
    record_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The body of the release: at most `limit` records. `Err` says why there is none.
fn body(values: &Values, limit: usize) -> Result<Vec<u8>, &'static str> {
    if values.conditions.values().any(|holds| !holds) {
        return Err("a condition of the debit does not hold at the HAT");
    }
    let mut out = vec![b'['];
    for raw in values.bundle.values().flatten().take(limit) {
        let shown: Shown<'_> = serde_json::from_str(raw.get()).map_err(|_| "the HAT shows what is no record")?;
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"endpoint\":");
        out.extend_from_slice(shown.endpoint.get().as_bytes());
        if let Some(id) = shown.record_id {
            out.extend_from_slice(b",\"recordId\":");
            out.extend_from_slice(id.get().as_bytes());
        }
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(shown.data.get().as_bytes());
        out.push(b'}');
        if out.len() >= BYTES_MAX {
            return Err("the values are more than one release may hold: pull with a limit");
        }
    }
    out.push(b']');
    if out.len() == 2 { Err("the debit selects nothing at the HAT") } else { Ok(out) }
}

impl Worker {
    /// Answers one pull. One that cannot be answered now is asked again by the exchange.
    pub(super) async fn pull(&mut self, request: &Request) {
        let result = match self.answer(request).await {
            Ok(true) => "released",
            Ok(false) => "refused",
            Err(error) => {
                tracing::debug!(%error, "a pull was not answered");
                "failed"
            }
        };
        Pulled { result }.emit();
    }

    /// Whether records were released.
    async fn answer(&mut self, request: &Request) -> Result<bool, ClientError> {
        if ids::now() >= request.deadline {
            return Ok(false);
        }
        if request.ask.since.is_some() {
            return self
                .refuse(request, "a HAT that speaks only HTTP does not tell since when records are there")
                .await;
        }
        // The exchange leaves the first ones out, of what it is sent.
        let skip = request.ask.skip.unwrap_or(0) as usize;
        if skip >= RECORDS_MAX {
            return self.refuse(request, "skip leaves out all that one release may hold").await;
        }
        let limit = request.ask.limit.map_or(RECORDS_MAX, |limit| (skip + limit as usize).min(RECORDS_MAX));
        let values = self.values(request).await;
        let values = match self.noted(values) {
            Ok(values) => values,
            Err(error) if error.fault.passes() => {
                return Err(ClientError::Form(error.to_string()));
            }
            Err(error) => {
                if error.fault == Fault::NotEnabled {
                    // The exchange has still to learn it.
                    self.watch.look_now(&request.debit);
                }
                return self.refuse(request, &why(&error)).await;
            }
        };
        let body = match body(&values, limit) {
            Ok(body) => body,
            Err(why) => return self.refuse(request, why).await,
        };
        let order = Order::release(self.hat(), &request.debit, body).answers(request.pull);
        match self.bridge().send(order).await {
            Ok(_) => Ok(true),
            // It was answered before.
            Err(error) if error.reason() == Some(Reason::NotFound) => Ok(true),
            Err(error) if error.reason() == Some(Reason::NothingSelected) => {
                self.refuse(request, "the debit selects nothing at the HAT").await
            }
            Err(error) => Err(error),
        }
    }

    async fn values(&mut self, request: &Request) -> Result<Values, HatError> {
        let common = std::sync::Arc::clone(&self.common);
        let _room = common.room.acquire().await;
        self.same_key().await?;
        let policy = crate::bridge::hat::retry::Retry::default();
        retry(&policy, &common.budget, rand::random, || self.session.values(&request.debit)).await
    }

    async fn refuse(&self, request: &Request, why: &str) -> Result<bool, ClientError> {
        let receipt = Self::refusal(request.id, SmolStr::new(why));
        let body = serde_json::to_vec(&receipt).expect("ids, digests and texts are JSON");
        let order = Order::new(&self.receipt_to(), &["receipt"], body);
        match self.bridge().send(order).await {
            Ok(_) => Ok(false),
            Err(error) if error.reason() == Some(Reason::WrongState) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Values {
        serde_json::from_str(text).expect("values")
    }

    #[test]
    fn a_release_holds_the_records_as_they_are_and_nothing_else() {
        let shown = r#"{"bundle":{"b":[{"endpoint":"a/b","recordId":"x","data":{"n": 1.0},"owner":"secret"}],
            "a":[{"endpoint":"a/c","data":[1]}]}}"#;
        let out = String::from_utf8(body(&values(shown), 10).expect("records")).expect("text");
        assert_eq!(out, r#"[{"endpoint":"a/c","data":[1]},{"endpoint":"a/b","recordId":"x","data":{"n": 1.0}}]"#);
        let one = body(&values(shown), 1).expect("records");
        assert_eq!(one, br#"[{"endpoint":"a/c","data":[1]}]"#);
        let held = r#"{"conditions":{"c":false},"bundle":{"a":[{"endpoint":"a/c","data":[1]}]}}"#;
        assert!(body(&values(held), 10).expect_err("held").contains("condition"));
        assert!(body(&values(r#"{"bundle":{"a":[]}}"#), 10).expect_err("none").contains("nothing"));
        let large = format!(r#"{{"bundle":{{"a":[{{"endpoint":"a/c","data":"{}"}}]}}}}"#, "x".repeat(BYTES_MAX));
        assert!(body(&values(&large), 10).expect_err("too many").contains("limit"));
    }
}
