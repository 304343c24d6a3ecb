//! What the exchange has told of receipts: whether one that left before under another id has settled a delivery. Asked
//! where the ledger does not say it, under an offer without personal data.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::known::SKEW;
use super::piece::Piece;
use crate::client::{Client, InboxOptions, Item, Topic};
use crate::domain::{MessageId, Outcome, Status, Timestamp};

/// What was told of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A receipt has settled it.
    Settled,
    /// None has: all that was told is read, from before it came until the last receipt's outcome.
    Not,
    /// Outcomes cannot be read, not so far, or what was told when it came may have gone from the stream.
    Nothing,
}

/// A delivery that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Which.
    pub delivery: Uuid,
    /// Its last receipt, whose outcome is known to be a no.
    pub receipt: MessageId,
    /// When it came here: no receipt left before.
    pub received: Timestamp,
}

impl Question {
    /// About a delivery that is kept.
    pub fn of(piece: &Piece) -> Self {
        Question { delivery: piece.id, receipt: piece.receipt, received: piece.received }
    }
}

/// Outcomes that are there come one after the other: after so long none is left.
const SILENCE: Duration = Duration::from_secs(10);
/// How long outcomes are read for.
const READS: Duration = Duration::from_secs(300);

/// Reads this party's outcomes, the oldest first. They are told in their order, so what an earlier receipt of a delivery did
/// stands before the outcome of its last one.
pub async fn look(client: Client, asked: Vec<Question>) -> Vec<(Uuid, Told)> {
    let mut reading = Reading::of(asked);
    let options = InboxOptions { topic: Topic::Outcomes, durable: false, ..InboxOptions::default() };
    match client.inbox_with(options).await {
        Ok(mut inbox) => {
            let end = Instant::now() + READS;
            while !reading.open.is_empty() && Instant::now() < end {
                match tokio::time::timeout_at((Instant::now() + SILENCE).min(end), inbox.next()).await {
                    Ok(Some(Ok(Item::Outcomes(outcomes)))) => outcomes.iter().for_each(|it| reading.read(&it.outcome)),
                    Ok(Some(Ok(_))) => {}
                    Ok(Some(Err(error))) => {
                        tracing::debug!(%error, "an outcome cannot be read");
                        reading.whole = false;
                    }
                    Ok(None) | Err(_) => break,
                }
            }
        }
        Err(error) => tracing::debug!(%error, "outcomes cannot be read"),
    }
    reading.end()
}

/// What is not known yet, and what is. Bounded by what is asked for.
struct Reading {
    receipts: HashMap<MessageId, Question>,
    open: HashSet<Uuid>,
    found: Vec<(Uuid, Told)>,
    /// The oldest outcome so far.
    oldest: Option<Timestamp>,
    /// Whether every message so far could be read.
    whole: bool,
}

impl Reading {
    fn of(asked: Vec<Question>) -> Self {
        let open = asked.iter().map(|question| question.delivery).collect();
        let receipts = asked.into_iter().map(|question| (question.receipt, question)).collect();
        Reading { receipts, open, found: Vec::new(), oldest: None, whole: true }
    }

    /// Whether nothing is missing that was told after `received`. What is old goes from the stream first, so all is there
    /// where something older is, by this clock and the exchange's.
    fn reaches(&self, received: Timestamp) -> bool {
        self.whole && self.oldest.is_some_and(|oldest| received.since(oldest) > SKEW)
    }

    fn read(&mut self, outcome: &Outcome) {
        self.oldest = Some(self.oldest.map_or(outcome.at, |oldest| oldest.min(outcome.at)));
        if outcome.status == Status::Settled {
            if let Some(delivery) = outcome.delivery.filter(|delivery| self.open.remove(delivery)) {
                self.found.push((delivery, Told::Settled));
            }
        } else if let Some(Question { delivery, received, .. }) = self.receipts.get(&outcome.exchange).copied()
            && self.open.remove(&delivery)
        {
            let told = if self.reaches(received) { Told::Not } else { Told::Nothing };
            self.found.push((delivery, told));
        }
    }

    fn end(self) -> Vec<(Uuid, Told)> {
        let Reading { open, mut found, .. } = self;
        found.extend(open.into_iter().map(|delivery| (delivery, Told::Nothing)));
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    /// About delivery `n`, whose last receipt is 100 + `n`.
    fn question(n: u128, received: &str) -> Question {
        let received = received.parse().expect("a time");
        Question { delivery: id(n), receipt: MessageId(id(100 + n)), received }
    }

    fn outcome(message: u128, status: &str, delivery: Option<u128>) -> Outcome {
        let mut told = json!({
            "exchange": id(message), "status": status, "digestIn": "00".repeat(32), "count": 1,
            "at": "2026-01-01T01:00:00Z",
        });
        if let Some(delivery) = delivery {
            told["delivery"] = json!(id(delivery));
        }
        serde_json::from_value(told).expect("an outcome")
    }

    #[test]
    fn a_no_counts_only_once_all_is_read_that_was_told_before_it() {
        let mut reading = Reading::of((1..=4).map(|n| question(n, "2026-01-01T00:00:00Z")).collect());
        // One from long before, somebody else's, and one of a message that has no delivery.
        let before = Outcome { at: "2025-12-31T20:00:00Z".parse().expect("a time"), ..outcome(6, "settled", Some(8)) };
        reading.read(&before);
        reading.read(&outcome(7, "settled", Some(9)));
        reading.read(&outcome(8, "settled", None));
        // The receipt that left before, then the one that came too late; of the second delivery only that.
        reading.read(&outcome(201, "settled", Some(1)));
        reading.read(&outcome(101, "rejected", Some(1)));
        reading.read(&outcome(102, "rejected", Some(2)));
        // Refused for another reason an outcome names no delivery.
        reading.read(&outcome(103, "rejected", None));
        let mut found = reading.end();
        found.sort_by_key(|(delivery, _)| *delivery);
        let told = [Told::Settled, Told::Not, Told::Not, Told::Nothing];
        assert_eq!(found, (1..).map(id).zip(told).collect::<Vec<_>>());
    }

    #[test]
    fn a_no_does_not_count_where_what_was_told_before_may_have_gone_or_cannot_be_read() {
        let told = |received: &str, whole: bool| {
            let mut reading = Reading::of(vec![question(1, received)]);
            reading.whole = whole;
            reading.read(&outcome(7, "settled", Some(9)));
            reading.read(&outcome(101, "rejected", Some(1)));
            reading.end()[0].1
        };
        // The oldest that is there is of 01:00.
        assert_eq!(told("2026-01-01T01:10:01Z", true), Told::Not);
        assert_eq!(told("2026-01-01T01:10:01Z", false), Told::Nothing);
        // By clocks that differ it is not older.
        assert_eq!(told("2026-01-01T01:09:00Z", true), Told::Nothing);
        assert_eq!(told("2026-01-01T00:00:00Z", true), Told::Nothing);
        // A yes counts all the same.
        let mut reading = Reading::of(vec![question(1, "2026-01-01T00:00:00Z")]);
        reading.whole = false;
        reading.read(&outcome(201, "settled", Some(1)));
        assert_eq!(reading.end()[0].1, Told::Settled);
    }
}
