//! A recipient of the simulation: reads its inbox and does what the records' mark says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::client::{Client, ClientError, Delivery, Inbox, InboxOptions, Item, Request};
use crate::domain::event::Verdict;
use crate::domain::{Digest, Kind};

use super::acquired::ACQUIRER;
use super::drive::{Drive, PULL_SILENT};
use super::mistakes::{End, Mark};
use super::records;
use super::tally::Expect;
use crate::domain::Status;

/// Receipts of one recipient under way at a time.
const RECEIPTS: usize = 512;
/// Deliveries that wait for their recall at one recipient.
const HELD_MAX: usize = 4096;

/// Opens the inbox of a party. What came before the simulation is not read again.
///
/// # Errors
/// As [`Client::inbox`].
pub async fn open(client: &Client) -> Result<Inbox, ClientError> {
    let options = InboxOptions { durable: false, only_new: true, ..InboxOptions::default() };
    client.inbox_with(options).await
}

/// Reads until the simulation ends.
pub async fn run(drive: Arc<Drive>, client: Client, mut inbox: Inbox) {
    let room = Arc::new(Semaphore::new(RECEIPTS));
    let mut held: HashMap<Uuid, Delivery> = HashMap::new();
    while let Some(item) = inbox.next().await {
        match item {
            Ok(Item::Outcomes(outcomes)) => {
                for outcome in &outcomes {
                    drive.tally.outcome(outcome);
                }
            }
            Ok(Item::Delivery(delivery)) => {
                // What the worker acquires has ids that follow from its content.
                let acquired = delivery.source.kind == Kind::Plug && delivery.source.id.as_str() == ACQUIRER;
                let mark = acquired
                    .then_some(Mark::Accept)
                    .or_else(|| records::mark_of(delivery.records()).and_then(|mark| mark.parse::<Mark>().ok()));
                match mark {
                    None => drive.tally.stray(format!("a delivery that nobody planned: {delivery:?}")),
                    Some(Mark::Hold) if held.len() < HELD_MAX => {
                        held.insert(delivery.id, *delivery);
                    }
                    Some(mark) => {
                        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                        let drive = Arc::clone(&drive);
                        tokio::spawn(async move {
                            answer(&drive, *delivery, mark).await;
                            drop(place);
                        });
                    }
                }
            }
            Ok(Item::Recall(recall)) => {
                // A repeated request finds nothing: it was answered.
                if let Some(delivery) = held.remove(&recall.delivery) {
                    let drive = Arc::clone(&drive);
                    tokio::spawn(async move { drive.tally.answered(&delivery.give_back().await) });
                }
            }
            Ok(Item::Request(request)) => {
                if request.ask.limit != Some(PULL_SILENT) {
                    tokio::spawn(release(Arc::clone(&drive), client.clone(), request));
                }
            }
            Ok(Item::Notice(_) | Item::Connection(_) | Item::Other { .. }) => {}
            Err(error) => drive.tally.stray(error.to_string()),
        }
    }
}

async fn answer(drive: &Drive, delivery: Delivery, mark: Mark) {
    let mut receipt = delivery.receipt_of(Verdict::Accepted, None);
    match mark {
        Mark::Silent => {
            delivery.ignore().await;
            return;
        }
        Mark::Refuse => {
            drive.tally.answered(&delivery.refuse("not wanted by this simulation").await);
            return;
        }
        Mark::WrongDigest => receipt.digest = Digest::of(b"something else"),
        Mark::WrongCount => receipt.count += 1,
        Mark::Accept | Mark::Hold => {}
    }
    drive.tally.answered(&delivery.answer(receipt).await);
}

/// A HAT answers a pull.
async fn release(drive: Arc<Drive>, client: Client, request: Request) {
    static ANSWERS: AtomicU64 = AtomicU64::new(0);
    let Some(debit) = drive.stage.cast.debits.iter().find(|debit| debit.id == request.debit) else {
        drive.tally.stray(format!("a request under {}, which nobody has", request.debit));
        return;
    };
    // Requests may repeat: the answer of each leaves under one id.
    if !drive.first_request(request.pull) {
        return;
    }
    let mut rng = StdRng::seed_from_u64(ANSWERS.fetch_add(1, Ordering::Relaxed));
    let body = records::body(&mut rng, debit.endpoints, Mark::Accept.as_str());
    let id = client.message_id();
    drive.tally.begin(id, Expect { refusal: None, end: End(Status::Settled, None), mistake: None, parts: None });
    let order = request.order(body).id(id).settle_within(drive.settings.settle_within);
    drive.tally.first(id, &client.send(order).await);
}
