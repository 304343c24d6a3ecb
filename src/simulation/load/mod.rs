//! Load without surprises: one plug credits many HATs as fast as it may, all of them receipt at once. What
//! `dex bench` measures with; speaks the protocol over as few connections as it can and keeps only counts.

pub mod books;
pub mod crowd;
pub mod forward;
pub mod outcomes;
pub mod recipients;
pub mod sender;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::Key;
use crate::nats::streams::DEX_OUT;
use crate::nats::{BatchPublisher, Connect, Intake, IntakeOptions, Link, PublisherOptions, lookup};

pub use books::Books;
pub use crowd::Crowd;
pub use sender::Pace;

/// What kind of exchange the load speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every message is signed and every delivery verified.
    Signed,
    /// The broker's authentication stands for signatures.
    Unsigned,
    /// No exchange at all: a forwarder moves the same messages ([`forward`]).
    Raw,
}

/// What every part of the load knows.
pub struct Load {
    /// Who takes part.
    pub crowd: Crowd,
    /// Address of the broker.
    pub url: String,
    /// The exchange's origin.
    pub origin: String,
    /// The exchange's key; none without signatures.
    pub key: Option<Key>,
    /// What it speaks to.
    pub mode: Mode,
    /// Bytes of each credit's content.
    pub content: usize,
    /// What is under way and what came of it.
    pub books: Books,
    /// Readers that are in place: nothing may be sent before both are.
    pub listening: AtomicU32,
}

/// Load that cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{who} of the load: {detail}")]
pub struct LoadError {
    who: &'static str,
    detail: String,
}

impl LoadError {
    fn new(who: &'static str, detail: impl ToString) -> Self {
        LoadError { who, detail: detail.to_string() }
    }
}

impl Load {
    /// True once deliveries and outcomes are read.
    pub fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire) >= 2
    }

    fn listens(&self) {
        self.listening.fetch_add(1, Ordering::Release);
    }

    async fn link(&self, who: &'static str) -> Result<Link, LoadError> {
        Connect::new(&self.url, format!("dex-bench {who}")).open().await.map_err(|e| LoadError::new(who, e))
    }
}

/// A publisher into a stream over this connection.
async fn publisher(link: &Link, who: &'static str) -> Result<BatchPublisher, LoadError> {
    let options = PublisherOptions { max_messages: 8192, ..PublisherOptions::default() };
    BatchPublisher::start(&link.client, options).await.map_err(|e| LoadError::new(who, e))
}

/// Everything on `DEX_OUT` under `filter` from now on. A reader that keeps its own place needs no acks.
async fn reader(link: &Link, who: &'static str, filter: &str) -> Result<Intake, LoadError> {
    let fail = |e: &dyn std::fmt::Display| LoadError::new(who, e);
    let stream = lookup::identity(&link.jetstream, DEX_OUT).await.map_err(|e| fail(&e))?;
    let options = IntakeOptions { idle: Duration::from_millis(50), ..IntakeOptions::default() };
    let (name, first) = (format!("load_{who}"), stream.last_sequence + 1);
    Intake::open_on(&link.jetstream, &link.client, DEX_OUT, name, filter.to_owned(), first, options)
        .await
        .map_err(|e| fail(&e))
}

/// Runs a part of the load on a thread of its own until it ends.
///
/// # Errors
/// When the system gives no thread.
pub fn thread<F>(
    name: &'static str,
    load: &Arc<Load>,
    stop: &CancellationToken,
    part: impl FnOnce(Arc<Load>, CancellationToken) -> F + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<Result<(), LoadError>>>
where
    F: Future<Output = Result<(), LoadError>>,
{
    let (load, stop) = (Arc::clone(load), stop.clone());
    std::thread::Builder::new().name(name.into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| LoadError::new(name, error))?;
        let ended = runtime.block_on(part(Arc::clone(&load), stop.clone()));
        if ended.is_err() {
            // One part without the others would wait for ever.
            stop.cancel();
        }
        ended
    })
}
