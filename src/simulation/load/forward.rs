//! What the broker alone can do: a forwarder that moves the messages of an exchange by the same client and
//! does nothing else. Nothing is verified, decided, ledgered or signed.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::LoadError;
use crate::domain::{Address, Digest, Id, Kind};
use crate::nats::streams::DEX_IN;
use crate::nats::{
    BatchPublisher, Connect, HeaderView, Intake, IntakeOptions, Outgoing, PublisherOptions, Raw, header_map,
};
use crate::wire::{HeaderSource, header, subject};

const WHO: &str = "forwarder";

/// What is the same for all partitions.
struct Forward {
    url: String,
    origin: String,
}

/// Forwards all partitions of the streams at `url` on `threads` threads until told to stop.
///
/// # Errors
/// [`LoadError`] of the first partition that failed.
pub fn run(url: &str, origin: &str, partitions: u32, threads: u32, stop: &CancellationToken) -> Result<(), LoadError> {
    let all = Arc::new(Forward { url: url.into(), origin: origin.into() });
    let workers: Vec<_> = (0..threads.clamp(1, partitions))
        .map(|thread| {
            let (all, stop) = (Arc::clone(&all), stop.clone());
            let mine: Vec<u32> = (thread..partitions).step_by(threads as usize).collect();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|e| LoadError::new(WHO, e))?;
                let done = runtime.block_on(async {
                    let parts = mine.into_iter().map(|partition| partition_loop(&all, partition, &stop));
                    futures_util::future::try_join_all(parts).await.map(|_| ())
                });
                if done.is_err() {
                    stop.cancel();
                }
                done
            })
        })
        .collect();
    workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(LoadError::new(WHO, "panicked"))))
}

async fn partition_loop(all: &Forward, partition: u32, stop: &CancellationToken) -> Result<(), LoadError> {
    let fail = |e: &dyn std::fmt::Display| LoadError::new(WHO, e);
    let link = Connect::new(&all.url, format!("{WHO} {partition}")).open().await.map_err(|e| fail(&e))?;
    let publisher = BatchPublisher::start(&link.client, PublisherOptions::default()).await.map_err(|e| fail(&e))?;
    let options = IntakeOptions { idle: std::time::Duration::from_millis(50), ..IntakeOptions::default() };
    let mut intake =
        Intake::open(&link.jetstream, &link.client, DEX_IN, partition, 0, options).await.map_err(|e| fail(&e))?;
    while !stop.is_cancelled() {
        let batch = intake.next_batch(512, std::time::Duration::from_millis(2)).await.map_err(|e| fail(&e))?;
        let mut told = Vec::new();
        let mut plug = None;
        for raw in &batch {
            if let Some(out) = all.moved(raw, &mut told, &mut plug) {
                publisher.publish(out).await.map_err(|e| fail(&e))?;
            }
        }
        if let (Some(plug), false) = (plug, told.is_empty()) {
            publisher.publish(all.outcomes(&plug, &told)).await.map_err(|e| fail(&e))?;
        }
    }
    Ok(())
}

impl Forward {
    /// What leaves for one message: a delivery for a credit, an outcome for a receipt. What the plug is told
    /// is gathered, as an exchange does.
    fn moved(&self, raw: &Raw, told: &mut Vec<(String, &'static str)>, plug: &mut Option<Address>) -> Option<Outgoing> {
        let view = HeaderView::of(raw.headers.as_ref());
        let one = |name| view.all(name).next().unwrap_or("").to_owned();
        let mut tokens = raw.subject.split('.').skip(4);
        let (kind, id, verb) = (tokens.next()?, tokens.next()?, tokens.next()?);
        let from: Address = one(header::FROM).parse().ok()?;
        if kind == "hat" && verb == "credit" {
            let exchange = one(header::ID);
            let hat = Address::new(Kind::Hat, Id::from_token(id).ok()?);
            let headers = [
                (header::ID, exchange.clone()),
                (header::FROM, format!("dex:{}", self.origin)),
                (header::DEADLINE, "2100-01-01T00:00:00Z".to_owned()),
                (header::SOURCE, from.to_string()),
                (header::AUTHORITY, from.to_string()),
                (header::COUNT, "1".to_owned()),
                (header::RECEIPT_TO, subject::published(&hat, &["receipt"])),
                (header::DIGEST, Digest::of(&raw.payload).to_string()),
            ];
            told.push((exchange, "accepted"));
            *plug = Some(from);
            let ttl = Some(std::time::Duration::from_secs(3600));
            return Some(Outgoing {
                subject: subject::delivery(&hat, None).into(),
                headers: header_map(&headers),
                payload: raw.payload.clone(),
                ttl,
            });
        }
        #[derive(serde::Deserialize)]
        struct Receipt {
            delivery: String,
        }
        let receipt: Receipt = serde_json::from_slice(&raw.payload).ok()?;
        plug.get_or_insert_with(|| Address::new(Kind::Plug, Id::new("load").expect("an id")));
        told.push((receipt.delivery, "settled"));
        Some(self.outcomes(&from, &[(one(header::ID), "settled")]))
    }

    /// Outcomes of the size that an exchange's have.
    fn outcomes(&self, to: &Address, told: &[(String, &'static str)]) -> Outgoing {
        let digest = Digest([0x5a; 32]);
        let all: Vec<String> = told
            .iter()
            .map(|(exchange, status)| {
                format!(
                    r#"{{"exchange":"{exchange}","status":"{status}","delivery":"{exchange}","digestIn":"{digest}","digestOut":"{digest}","count":1,"at":"2026-01-01T00:00:00.000000000Z","leaf":{{"log":"{}","index":1000000}},"treeSize":1000000}}"#,
                    self.origin
                )
            })
            .collect();
        Outgoing {
            subject: subject::outcome(to).into(),
            headers: header_map(&[(header::CONTENT_TYPE, "application/json".to_owned())]),
            payload: Bytes::from(format!("[{}]", all.join(","))),
            ttl: None,
        }
    }
}
