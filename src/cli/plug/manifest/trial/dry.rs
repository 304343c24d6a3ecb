//! What a worker would send of a page: the records under their ids, cut into messages.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::connectors::SourceRecord;
use crate::domain::job::ids;
use crate::domain::{Address, Id, Kind, Timestamp};
use crate::wire::subject;

/// Largest body of a message, bytes; an exchange takes as much by default.
const BODY_BYTES: usize = 512 * 1024;

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
        let mut dry = Dry { endpoint, records: Vec::new(), messages: Vec::new(), too_large: 0 };
        let mut open: Vec<Uuid> = Vec::new();
        let mut bytes = 2;
        let close = |open: &mut Vec<Uuid>, bytes: &mut usize, messages: &mut Vec<Message>| {
            if !open.is_empty() {
                let id = ids::page_id(now, plug, hat, name, open).to_string();
                messages.push(Message { subject: subject.clone(), id, count: open.len(), bytes: *bytes });
            }
            open.clear();
            *bytes = 2;
        };
        for record in records {
            let id = ids::record_id(plug, hat, name, &record.id, &ids::content_digest(&record.data));
            let mut value = json!({ "endpoint": dry.endpoint, "recordId": id, "sourceUniqueId": record.id });
            if let Some(at) = record.at {
                value["sourceTimestamp"] = json!(at);
            }
            value["data"] = record.data.clone();
            let size = value.to_string().len();
            dry.records.push(value);
            if size + 2 > BODY_BYTES {
                dry.too_large += 1;
                continue;
            }
            if bytes + size + 1 > BODY_BYTES {
                close(&mut open, &mut bytes, &mut dry.messages);
            }
            // A comma before all but the first.
            bytes += size + usize::from(!open.is_empty());
            open.push(id);
        }
        close(&mut open, &mut bytes, &mut dry.messages);
        dry
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
