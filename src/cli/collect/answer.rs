//! The receipt of a delivery that is kept: sent under its id until the exchange says how the delivery ended.

use std::sync::Once;
use std::time::Duration;

use uuid::Uuid;

use super::piece::Piece;
use super::standing::{is_open, standing};
use crate::cli::out;
use crate::client::{Client, ClientError, Order, Refusal};
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
    /// It was refused, and the ledger, which says how the delivery stands, did not answer: sent again, and asked again.
    Untraced,
    /// The exchange does not take the key that signs receipts: they are sent again until it does.
    Untaken {
        /// Whether an entry says so: the next one is another message then.
        fresh: bool,
    },
    /// The receipt was not taken for now: another message says the same. Whether this one, or one before it, has settled
    /// the delivery all the same is not known for certain where it is `doubted`.
    Again {
        /// Whether that is so.
        doubted: bool,
    },
    /// The receipt came too late, and one that left before under another id may have settled the delivery: what the
    /// exchange told of that one says it.
    Doubted,
}

/// First and longest pause before a receipt is sent again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Asked so often without an answer, a ledger is not waited for any more: the broker may not let us.
const ASKS: u32 = 6;

/// Said once that receipts are not taken at all: what is wrong is wrong with all of them.
static SAID: Once = Once::new();

/// The pause before try `tries`, counted from 0.
fn pause(tries: u32) -> Duration {
    if tries == 0 { Duration::ZERO } else { (PAUSES.0 * 2_u32.saturating_pow(tries - 1)).min(PAUSES.1) }
}

/// Sends the receipt, after a pause that grows with the tries that there were; `asks`: how often the ledger was silent.
pub async fn answer(client: Client, piece: Piece, verdict: Verdict, tries: u32, asks: u32) -> (Uuid, Fate) {
    tokio::time::sleep(pause(tries)).await;
    let order = Order::receipt(&piece.receipt_to, &piece.receipt(verdict)).id(piece.receipt);
    let fate = match client.send(order).await {
        Ok(outcome) => ended(outcome.outcome.status),
        Err(ClientError::Refused(refusal)) => refused(&client, &piece, &refusal, asks).await,
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

/// What follows from a refusal.
async fn refused(client: &Client, piece: &Piece, refusal: &Refusal, asks: u32) -> Fate {
    let reason = refusal.reason;
    let Some(fate) = by_itself(reason, refusal.outcome.is_some(), piece.doubted) else {
        return traced(client, piece, reason, asks).await;
    };
    if matches!(fate, Fate::Unknown | Fate::Untaken { .. }) {
        SAID.call_once(|| {
            out::note(format_args!("receipts are not taken: {reason}: what came is kept, and they are sent again"));
        });
    }
    fate
}

/// What a refusal says by itself; nothing where the ledger is to be asked. `entry`: one says that it was refused.
fn by_itself(reason: Reason, entry: bool, doubted: bool) -> Option<Fate> {
    match reason {
        // Never ours, or not any more, or not yet: the exchange looks no further, so it says nothing of the delivery.
        Reason::BadSignature | Reason::RevokedKey => Some(Fate::Untaken { fresh: entry }),
        // What the ledger has of this id, or of the delivery, is not known by it.
        _ if !entry => Some(Fate::Unknown),
        Reason::OverQuota | Reason::RecipientOverQuota | Reason::Suspended | Reason::Internal => {
            Some(Fate::Again { doubted: false })
        }
        // Too old to be sent again, another one under its id, or the exchange is final: what became of it is in the ledger.
        Reason::Stale | Reason::Conflict | Reason::WrongState => None,
        _ if doubted => None,
        reason => Some(Fate::Ended(reason.to_string())),
    }
}

/// How the ledger says that a delivery has ended.
async fn traced(client: &Client, piece: &Piece, refused: Reason, asks: u32) -> Fate {
    match standing(client, piece.id).await {
        Ok(Some(status)) if status == "settled" => Fate::Settled,
        Ok(Some(status)) if is_open(&status) => Fate::Again { doubted: false },
        Ok(Some(other)) => Fate::Ended(other),
        Ok(None) => untold(refused, piece.doubted),
        // Under an offer without personal data nobody is told what leads to a HAT.
        Err(ClientError::Problem(problem)) if problem.reason == Reason::NotFound => untold(refused, piece.doubted),
        Err(_) if asks >= ASKS => untold(refused, piece.doubted),
        Err(_) => Fate::Untraced,
    }
}

/// What follows from the receipt's refusal alone; `doubted`: one may have been taken that left before under another id.
fn untold(refused: Reason, doubted: bool) -> Fate {
    match refused {
        // Neither says anything of an earlier message with that id. Another one settles an exchange that is open.
        Reason::Stale | Reason::Conflict => Fate::Again { doubted: true },
        _ if doubted => Fate::Doubted,
        Reason::WrongState => Fate::Ended("late".to_owned()),
        other => Fate::Ended(other.to_string()),
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

    #[test]
    fn no_is_no_only_when_no_receipt_that_left_before_may_have_been_a_yes() {
        assert_eq!(untold(Reason::WrongState, false), Fate::Ended("late".into()));
        for before in [false, true] {
            // The protocol: `stale` says nothing of an earlier message with that id.
            assert_eq!(untold(Reason::Stale, before), Fate::Again { doubted: true });
            assert_eq!(untold(Reason::Conflict, before), Fate::Again { doubted: true });
        }
        assert_eq!(untold(Reason::WrongState, true), Fate::Doubted);
        assert_eq!(untold(Reason::NotPermitted, true), Fate::Doubted);
    }

    #[test]
    fn a_key_that_is_not_taken_ends_nothing_and_asks_nobody() {
        for doubted in [false, true] {
            // One that was ours once: the refusal has an entry, so its id is used up.
            assert_eq!(by_itself(Reason::RevokedKey, true, doubted), Some(Fate::Untaken { fresh: true }));
            assert_eq!(by_itself(Reason::BadSignature, false, doubted), Some(Fate::Untaken { fresh: false }));
            assert_eq!(by_itself(Reason::UnknownParty, false, doubted), Some(Fate::Unknown));
            assert_eq!(by_itself(Reason::Suspended, true, doubted), Some(Fate::Again { doubted: false }));
            assert_eq!(by_itself(Reason::Stale, true, doubted), None);
        }
        assert_eq!(by_itself(Reason::NotPermitted, true, false), Some(Fate::Ended("not-permitted".into())));
        assert_eq!(by_itself(Reason::NotPermitted, true, true), None);
    }
}
