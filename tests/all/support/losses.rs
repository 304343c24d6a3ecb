//! Ways in which a stream is lost, and what is looked at afterwards.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::client::Client;
use dex::domain::Entry;
use dex::ledger::{CheckpointVerifier, check, offline};
use dex::wire::Signer;
use futures_util::StreamExt;
use uuid::Uuid;

use super::exchange::Exchange;
use super::nats_server::TestServer;

/// What becomes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Deleted,
    Truncated,
    RolledBack,
    Refilled,
}

impl Way {
    /// Labels under which it may be counted: what was stored again before it was seen makes a stream that was put back look refilled.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Way::Deleted => &["replaced"],
            Way::Truncated => &["truncated"],
            Way::RolledBack => &["rolled-back", "refilled"],
            Way::Refilled => &["refilled"],
        }
    }

    /// Does it to `stream`, of which a copy was saved. A refill publishes on `subject` until the stream goes further than it did.
    pub async fn happen(self, broker: &mut TestServer, stream: &str, subject: &str) {
        let link = broker.link("damage").await;
        let last = async |link: &dex::nats::Link| {
            dex::nats::lookup::identity(&link.jetstream, stream).await.expect("there").last_sequence
        };
        match self {
            Way::Deleted => drop(link.jetstream.delete_stream(stream).await.expect("deleted")),
            Way::Truncated => {
                let there = link.jetstream.get_stream(stream).await.expect("there");
                there.purge().await.expect("purged");
            }
            Way::RolledBack => {
                broker.put_back(stream);
                broker.restart();
            }
            Way::Refilled => {
                let before = last(&link).await;
                broker.put_back(stream);
                broker
                    .elsewhere(async |broker| {
                        let link = broker.link("filling").await;
                        let back = last(&link).await;
                        assert!(back < before, "it was rolled back: {back} of {before}");
                        for _ in back..before + 20 {
                            let stored = link.jetstream.publish(subject.to_owned(), "rubbish".into()).await;
                            stored.expect("sent").await.expect("stored");
                        }
                    })
                    .await;
                broker.restart();
            }
        }
    }
}

/// The sum of a metric's series that have one of these labels.
pub fn counted(page: &str, name: &str, labels: &[&str]) -> u64 {
    let mut sum = 0;
    for line in page.lines().filter(|line| line.starts_with(name)) {
        if labels.is_empty() || labels.iter().any(|label| line.contains(&format!("=\"{label}\"}}"))) {
            sum += line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0);
        }
    }
    sum
}

/// Waits until a metric has counted something under one of these labels.
pub async fn noticed(exchange: &Exchange, name: &str, labels: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let page = exchange.metrics().await;
        if counted(&page, name, labels) > 0 {
            return;
        }
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with(name)).collect();
        assert!(Instant::now() < deadline, "not noticed as {labels:?}: {lines:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Takes every delivery of a HAT, answers it, and keeps the ids.
pub fn receive(hat: Client, taken: Arc<Mutex<Vec<Uuid>>>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut deliveries = hat.deliveries().await.expect("an inbox");
        while let Some(delivery) = deliveries.next().await {
            let Ok(delivery) = delivery else { continue };
            taken.lock().expect("not poisoned").push(delivery.id);
            // While the exchange is away the receipt is repeated; it may still time out, and comes again.
            tokio::spawn(async move { delivery.accept().await });
        }
    })
}

/// The entries of a stopped exchange, once its ledger was checked.
pub fn checked_entries(state: &Path) -> Vec<Entry> {
    let seed = std::fs::read_to_string(state.join("dex.seed")).expect("made at the first start");
    let public = Signer::from_seed_text(seed.trim()).expect("a seed").public();
    let verifier = CheckpointVerifier::new("dex.test", public.0).expect("a key");
    let report = check(state, &verifier).expect("readable");
    assert!(report.is_sound(), "{:?}", report.findings);
    let reader = offline::read(state, &verifier).expect("readable");
    reader.scan(0).map(|stored| rmp_serde::from_slice(&stored.expect("readable").entry).expect("an entry")).collect()
}
