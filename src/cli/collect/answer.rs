//! The receipt of a delivery that is kept: sent under its id until the exchange says how the delivery ended.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::piece::Piece;
use crate::client::{Client, ClientError, Order};
use crate::domain::event::Verdict;
use crate::domain::{Reason, Status};

/// How a delivery stands after its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Settled: its records stay.
    Settled,
    /// It has ended, and not by being settled.
    Ended(String),
    /// Not known: the same receipt is sent again.
    Unknown,
    /// The receipt was not taken for now: another message says the same.
    Again,
}

/// First and longest pause before a receipt is sent again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Tries after which a ledger that does not answer is not asked any more: the broker may not let us.
const ASKS: u32 = 6;

/// The pause before try `tries`, counted from 0.
fn pause(tries: u32) -> Duration {
    if tries == 0 { Duration::ZERO } else { (PAUSES.0 * 2_u32.saturating_pow(tries - 1)).min(PAUSES.1) }
}

/// Sends the receipt, after a pause that grows with the tries that there were.
pub async fn answer(client: Client, piece: Piece, verdict: Verdict, tries: u32) -> (Uuid, Fate) {
    tokio::time::sleep(pause(tries)).await;
    let order = Order::receipt(&piece.receipt_to, &piece.receipt(verdict)).id(piece.receipt);
    let fate = match client.send(order).await {
        Ok(outcome) => ended(outcome.outcome.status),
        Err(ClientError::Refused(refusal)) => match refusal.reason {
            Reason::OverQuota | Reason::RecipientOverQuota | Reason::Suspended | Reason::Internal => Fate::Again,
            // Too old to be sent again, or the exchange is final: what became of it is in the ledger.
            reason @ (Reason::Stale | Reason::WrongState) => traced(&client, piece.id, reason, tries).await,
            reason => Fate::Ended(reason.to_string()),
        },
        Err(error) => {
            tracing::debug!(delivery = %piece.id, %error, "no outcome of a receipt");
            Fate::Unknown
        }
    };
    (piece.id, fate)
}

fn ended(status: Status) -> Fate {
    match status {
        Status::Settled => Fate::Settled,
        Status::Accepted | Status::Pending => Fate::Unknown,
        other => Fate::Ended(other.to_string()),
    }
}

/// How the ledger says that a delivery has ended.
async fn traced(client: &Client, delivery: Uuid, refused: Reason, tries: u32) -> Fate {
    match client.query("exchange.trace", json!({ "id": delivery }).to_string()).await {
        Ok(told) => match told.get("status").and_then(Value::as_str) {
            Some("settled") => Fate::Settled,
            Some("accepted" | "pending") => Fate::Again,
            Some(other) => Fate::Ended(other.to_owned()),
            None => untold(refused),
        },
        // Under an offer without personal data nobody is told what leads to a HAT.
        Err(ClientError::Problem(problem)) if problem.reason == Reason::NotFound => untold(refused),
        Err(_) if tries >= ASKS => untold(refused),
        Err(_) => Fate::Unknown,
    }
}

/// What follows from the receipt's refusal alone.
fn untold(refused: Reason) -> Fate {
    match refused {
        // Another message says the same: it settles an exchange that is open.
        Reason::Stale => Fate::Again,
        _ => Fate::Ended("late".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(1), Duration::from_millis(500));
        assert_eq!(pause(4), Duration::from_secs(4));
        assert_eq!(pause(400), Duration::from_secs(30));
    }
}
