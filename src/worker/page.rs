//! A fetched page as bodies of credits: records under ids that follow from what they are, cut to what one message holds.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::connectors::SourceRecord;
use crate::domain::job::{JobBody, ids};
use crate::domain::{MessageId, Timestamp};

/// Largest body, bytes: what an exchange takes by default.
const BODY_BYTES: usize = 512 * 1024;
/// Most records in a body, by default.
const BODY_RECORDS: usize = 10_000;
/// How far back the time of a message's id may lie, nanoseconds; an exchange takes an hour by default.
const ID_BACK: i64 = 50 * 60 * 1_000_000_000;

/// One message's worth of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// A JSON array of records.
    pub text: Vec<u8>,
    /// Their ids, in their order.
    pub ids: Vec<Uuid>,
}

/// What a page comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bodies {
    /// What is to be sent, in order.
    pub bodies: Vec<Body>,
    /// Records that were credited before.
    pub known: usize,
    /// Records that are larger than a body and are left out.
    pub too_large: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    endpoint: &'a str,
    record_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_timestamp: Option<Timestamp>,
    source_unique_id: &'a str,
    data: &'a Value,
}

/// Writes the records of a page for `endpoint`, the whole name with its namespace, without those that `known` knows.
pub fn bodies(job: &JobBody, endpoint: &str, records: &[SourceRecord], known: impl Fn(Uuid) -> bool) -> Bodies {
    let mut out = Bodies::default();
    let mut text = Vec::new();
    let mut ids: Vec<Uuid> = Vec::new();
    let mut here = HashSet::with_capacity(records.len());
    let mut record = Vec::new();
    for source in records {
        let digest = ids::content_digest(&source.data);
        let id = ids::record_id(&job.plug, &job.hat, &job.endpoint, &source.id, &digest);
        if known(id) || !here.insert(id) {
            out.known += 1;
            continue;
        }
        record.clear();
        let shown = Shown {
            endpoint,
            record_id: id,
            source_timestamp: source.at,
            source_unique_id: &source.id,
            data: &source.data,
        };
        serde_json::to_writer(&mut record, &shown).expect("a record is plain JSON, and memory takes all of it");
        if record.len() + 2 > BODY_BYTES {
            out.too_large += 1;
            continue;
        }
        if text.len() + record.len() + 2 > BODY_BYTES || ids.len() >= BODY_RECORDS {
            close(&mut out, &mut text, &mut ids);
        }
        text.push(if text.is_empty() { b'[' } else { b',' });
        text.extend_from_slice(&record);
        ids.push(id);
    }
    close(&mut out, &mut text, &mut ids);
    out
}

fn close(out: &mut Bodies, text: &mut Vec<u8>, ids: &mut Vec<Uuid>) {
    if !ids.is_empty() {
        text.push(b']');
        out.bodies.push(Body { text: std::mem::take(text), ids: std::mem::take(ids) });
    }
}

/// The id under which a body is sent: the same from whoever sends it for this job, while the time at which the job was planned
/// can still be an id's.
pub fn message_id(job: &JobBody, body: &Body, now: Timestamp) -> MessageId {
    let at = if now.since(job.planned_at) < ID_BACK { job.planned_at.min(now) } else { now };
    ids::page_id(at, &job.plug, &job.hat, &job.endpoint, &body.ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job() -> JobBody {
        serde_json::from_value(json!({
            "job": "019b76da-a800-8111-9111-111111111101", "hat": "bob.hubat.net", "plug": "fitbit", "endpoint": "activity",
            "attempt": 1, "plannedAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T01:00:00Z", "leaseSeconds": 120,
        }))
        .expect("a job")
    }

    fn record(id: &str, data: Value) -> SourceRecord {
        SourceRecord { id: id.to_owned(), at: None, data }
    }

    #[test]
    fn a_page_is_written_once_and_the_same_by_everybody() {
        let at = Timestamp::from_unix_ms(1_767_225_600_000);
        let mut page =
            vec![record("a", json!({ "n": 1 })), record("b", json!({ "n": 1 })), record("a", json!({ "n": 1 }))];
        page[0].at = Some(at);
        let one = bodies(&job(), "fitbit/activity", &page, |_| false);
        assert_eq!((one.bodies.len(), one.known), (1, 1), "a is there twice");
        let read: Value = serde_json::from_slice(&one.bodies[0].text).expect("JSON");
        assert_eq!(read[0]["endpoint"], "fitbit/activity");
        assert_eq!(read[0]["sourceTimestamp"], "2026-01-01T00:00:00Z");
        assert_eq!(read[1]["sourceUniqueId"], "b");
        assert_eq!(read[1]["recordId"], json!(one.bodies[0].ids[1]));
        assert_ne!(one.bodies[0].ids[0], one.bodies[0].ids[1], "the same content of two things is two records");
        let two = bodies(&job(), "fitbit/activity", &page, |_| false);
        assert_eq!(one, two);
        let (now, later) = (job().planned_at.plus(1_000_000_000), job().planned_at.plus(2 * ID_BACK));
        assert_eq!(message_id(&job(), &one.bodies[0], now), message_id(&job(), &two.bodies[0], now.plus(77)));
        assert_eq!(message_id(&job(), &one.bodies[0], later).unix_ms(), later.unix_ms(), "its time is out of reach");

        let changed = bodies(&job(), "fitbit/activity", &[record("b", json!({ "n": 2 }))], |_| false);
        assert_ne!(changed.bodies[0].ids[0], one.bodies[0].ids[1], "changed content is another record");
        let none = bodies(&job(), "fitbit/activity", &page, |id| one.bodies[0].ids.contains(&id));
        assert_eq!((none.bodies.len(), none.known), (0, 3));
    }

    #[test]
    fn bodies_are_cut_and_what_no_body_holds_is_left_out() {
        let text = "x".repeat(200_000);
        let page: Vec<SourceRecord> = (0..5)
            .map(|n| record(&n.to_string(), json!({ "text": text })))
            .chain([record("big", json!("y".repeat(BODY_BYTES)))])
            .collect();
        let cut = bodies(&job(), "fitbit/activity", &page, |_| false);
        assert_eq!(cut.bodies.iter().map(|body| body.ids.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(cut.too_large, 1);
        assert!(
            cut.bodies
                .iter()
                .all(|body| body.text.len() <= BODY_BYTES && serde_json::from_slice::<Value>(&body.text).is_ok())
        );
        let many: Vec<SourceRecord> = (0..BODY_RECORDS + 1).map(|n| record(&n.to_string(), json!(n))).collect();
        let cut = bodies(&job(), "fitbit/activity", &many, |_| false);
        assert_eq!(cut.bodies.iter().map(|body| body.ids.len()).sum::<usize>(), BODY_RECORDS + 1);
        assert!(cut.bodies.len() > 1 && cut.bodies.iter().all(|body| body.text.len() <= BODY_BYTES));
    }
}
