//! A recipient of a soak: applies by delivery id, and does what the records' mark says.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::client::{Client, ClientError, Delivery, Inbox, Item};
use crate::domain::Digest;
use crate::domain::event::Verdict;
use crate::simulation::drive::PULL_SILENT;
use crate::simulation::mistakes::Mark;
use crate::simulation::records;
use crate::wire::OutcomeOut;

use super::load::Load;

/// Receipts and releases of one recipient under way at a time.
const UNDER_WAY: usize = 512;
/// Deliveries that wait for their recall at one recipient; more are let go and come again.
const HELD_MAX: usize = 4096;

/// Reads until the soak ends.
pub async fn run(load: Arc<Load>, client: Client, mut inbox: Inbox) {
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    let mut held: HashMap<Uuid, Delivery> = HashMap::new();
    while let Some(item) = inbox.next().await {
        match item {
            Ok(Item::Outcomes(outcomes)) => outcomes.iter().for_each(|outcome| load.witness.told(outcome)),
            Ok(Item::Delivery(delivery)) => {
                let Some(mark) = records::mark_of(delivery.records()).and_then(|mark| mark.parse::<Mark>().ok()) else {
                    load.witness.stray(format!("a delivery that nobody planned: {delivery:?}"));
                    continue;
                };
                if mark == Mark::Hold {
                    if held.len() < HELD_MAX {
                        held.insert(delivery.id, *delivery);
                    }
                    continue;
                }
                let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                let load = Arc::clone(&load);
                let party = client.party().clone();
                tokio::spawn(async move {
                    if mark == Mark::Accept {
                        load.witness.delivered(&party, &delivery);
                    }
                    answer(&load, *delivery, mark).await;
                    drop(place);
                });
            }
            Ok(Item::Recall(recall)) => {
                // A repeated request finds nothing: it was answered.
                if let Some(delivery) = held.remove(&recall.delivery) {
                    let load = Arc::clone(&load);
                    tokio::spawn(async move { said(&load, &delivery.give_back().await) });
                }
            }
            Ok(Item::Request(request)) => {
                if request.ask.limit != Some(PULL_SILENT) {
                    let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                    let (load, client) = (Arc::clone(&load), client.clone());
                    tokio::spawn(async move {
                        load.release(&client, request).await;
                        drop(place);
                    });
                }
            }
            Ok(Item::Notice(_) | Item::Connection(_) | Item::Other { .. }) => {}
            Err(error) => load.witness.stray(error.to_string()),
        }
    }
}

async fn answer(load: &Load, delivery: Delivery, mark: Mark) {
    let mut receipt = delivery.receipt_of(Verdict::Accepted, None);
    match mark {
        Mark::Silent => return delivery.ignore().await,
        Mark::Refuse => return said(load, &delivery.refuse("not wanted by this soak").await),
        Mark::WrongDigest => receipt.digest = Digest::of(b"something else"),
        Mark::WrongCount => receipt.count += 1,
        Mark::Accept | Mark::Hold => {}
    }
    said(load, &delivery.answer(receipt).await);
}

/// What a receipt was answered. Without an answer the delivery comes again, and so does its receipt.
fn said(load: &Load, answer: &Result<OutcomeOut, ClientError>) {
    match answer {
        Ok(outcome) => load.witness.told(outcome),
        Err(ClientError::Refused(refusal)) => match &refusal.outcome {
            Some(outcome) => load.witness.told(outcome),
            None => load.witness.stray(format!("a receipt was refused as {}", refusal.reason)),
        },
        Err(ClientError::Timeout { .. } | ClientError::Broker(_)) => {}
        Err(error) => load.witness.stray(format!("a receipt: {error}")),
    }
}
