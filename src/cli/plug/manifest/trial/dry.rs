//! What a worker would send of a page: the records under their ids, cut into messages.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::connectors::SourceRecord;
use crate::domain::job::{JobBody, ids};
use crate::domain::{Address, Id, Kind, Timestamp};
use crate::wire::subject;
use crate::worker::page::{Bodies, Body, bodies, message_id};

/// A message that would be sent.
#[derive(Debug, Serialize)]
pub struct Message {
    pub subject: String,
    /// Its `Dex-Id`, were its job planned now.
    pub id: String,
    pub count: usize,
    pub bytes: usize,
}

/// All that would be sent.
#[derive(Debug)]
pub struct Dry {
    /// The whole name of the endpoint.
    pub endpoint: String,
    pub records: Vec<Value>,
    pub messages: Vec<Message>,
    pub too_large: usize,
}

impl Dry {
    pub fn of(plug: &Id, hat: &Id, namespace: &str, name: &str, records: &[SourceRecord], now: Timestamp) -> Dry {
        let endpoint = format!("{namespace}/{name}");
        let subject = subject::published(&Address::new(Kind::Hat, hat.clone()), &["credit", plug.as_str()]);
        let shown = records.iter().map(|record| {
            let id = ids::record_id(plug, hat, name, &record.id, &ids::content_digest(&record.data));
            let mut value = json!({ "endpoint": endpoint, "recordId": id, "sourceUniqueId": record.id });
            if let Some(at) = record.at {
                value["sourceTimestamp"] = json!(at);
            }
            value["data"] = record.data.clone();
            value
        });
        let shown = shown.collect();
        // The worker's own cutting, for a job that is planned now.
        let job = JobBody {
            job: Uuid::nil(),
            hat: hat.clone(),
            plug: plug.clone(),
            endpoint: name.into(),
            attempt: 1,
            planned_at: now,
            ends_at: now,
            lease_seconds: 0,
            continuation: None,
            last_done_at: None,
        };
        let Bodies { bodies, too_large, .. } = bodies(&job, &endpoint, records, |_| false);
        let message = |body: &Body| Message {
            subject: subject.clone(),
            id: message_id(&job, body, now).to_string(),
            count: body.ids.len(),
            bytes: body.text.len(),
        };
        let messages = bodies.iter().map(message).collect();
        Dry { endpoint, records: shown, messages, too_large }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).expect("an id")
    }

    #[test]
    fn a_page_is_cut_into_messages_that_an_exchange_takes() {
        let record = |n: u32, size: usize| SourceRecord {
            id: n.to_string(),
            at: Some(Timestamp(0)),
            data: json!({ "x": "y".repeat(size) }),
        };
        let records = [record(1, 300_000), record(2, 300_000), record(3, 10), record(4, 600_000)];
        let dry = Dry::of(&id("fitbit"), &id("bob.hubat.net"), "fitbit", "steps", &records, Timestamp(0));
        assert_eq!(dry.messages.iter().map(|message| message.count).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(dry.too_large, 1);
        assert_eq!(dry.messages[0].subject, "dex.v1.in.hat.bob_hubat_net.credit.fitbit");
        for (message, part) in dry.messages.iter().zip([&dry.records[..1], &dry.records[1..3]]) {
            assert_eq!(message.bytes, serde_json::to_string(part).expect("JSON").len());
        }
        assert_eq!(dry.records[0]["endpoint"], "fitbit/steps");
        assert_eq!(dry.records[0]["sourceTimestamp"], "1970-01-01T00:00:00Z");
    }
}
