//! One plug of this worker: asks for its manifest, takes its jobs while there is room, and reports how they ended.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientError, Jobs, Leased};
use crate::domain::Id;
use crate::telemetry::Health;

use super::Common;
use super::account::Accounts;
use super::known::Known;
use super::report::Report;
use super::task::Task;

/// Most jobs asked for by one call.
const CALL_MAX: usize = 256;
/// First pause after the broker or the exchange did not answer, or has no jobs yet; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Pause between two questions for another manifest.
const ASK_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// One plug.
pub struct Plug {
    /// Its place among the worker's plugs.
    number: usize,
    /// Its id.
    pub id: Id,
    /// Its voice.
    pub client: Client,
    /// Its accounts at the source.
    pub accounts: Accounts,
    /// What is known of it.
    known: ArcSwap<Known>,
    /// A manifest in the place of the exchange's.
    own: Option<Value>,
    /// Its jobs under way.
    seats: Arc<Semaphore>,
    /// Most seats that one call for jobs holds while it is open.
    share: usize,
    report: Report,
    /// When a job last asked for another manifest.
    asked: Mutex<Option<Instant>>,
}

impl Plug {
    /// One that nothing is known of yet, the worker's `number`th. `at_once`: most jobs under way; `share`: most jobs that one
    /// call asks for.
    pub fn new(
        number: usize,
        client: Client,
        accounts: Option<PathBuf>,
        own: Option<Value>,
        at_once: usize,
        share: usize,
    ) -> Arc<Plug> {
        let id = client.party().id.clone();
        let seats = Arc::new(Semaphore::new(at_once.max(1)));
        let accounts = Accounts::new(accounts);
        let (known, report, asked) = (ArcSwap::default(), Report::default(), Mutex::default());
        let share = share.clamp(1, CALL_MAX);
        Arc::new(Plug { number, id, client, accounts, known, own, seats, share, report, asked })
    }

    /// How its check stands; its name has no id in it, for it becomes a metric's label.
    fn stands(&self, health: &Health, ok: bool, what: &str) {
        health.set(&format!("jobs-{}", self.number), ok, &format!("{}: {what}", self.id));
    }

    /// Learns the manifest in force.
    ///
    /// # Errors
    /// A sentence.
    pub async fn learn(&self) -> Result<Arc<Known>, String> {
        let before = self.known.load_full();
        let known = Known::ask(&self.client, self.own.as_ref(), &before).await?;
        if !Arc::ptr_eq(&before, &known) {
            for fault in &known.faults {
                tracing::warn!(plug = %self.id, %fault, "an endpoint is not fetched");
            }
            tracing::info!(plug = %self.id, endpoints = known.endpoints.len(), "the manifest is read");
            self.known.store(Arc::clone(&known));
        }
        Ok(known)
    }

    /// What is known of the plug, asked for anew when this endpoint is not in it: its manifest may be newer than what was read.
    async fn known_with(&self, endpoint: &str) -> Arc<Known> {
        let known = self.known.load_full();
        if known.endpoints.contains_key(endpoint) {
            return known;
        }
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.is_some_and(|asked| asked.elapsed() < ASK_PAUSE) {
                return known;
            }
            *asked = Some(Instant::now());
        }
        self.learn().await.unwrap_or(known)
    }

    /// Works until `drain`, and until what is under way has ended or `now` is said.
    pub async fn run(self: Arc<Self>, common: Arc<Common>, drain: CancellationToken, now: CancellationToken) {
        let mut tasks = JoinSet::new();
        let keep_learning = async {
            loop {
                tokio::time::sleep(common.config.worker.manifest_every.0).await;
                if let Err(what) = self.learn().await {
                    tracing::warn!(plug = %self.id, what, "the manifest could not be asked for, the one before stays");
                }
            }
        };
        let keep_reporting = self.report.run(&self.client);
        tokio::select! {
            () = self.take(&common, &mut tasks, &drain, &now) => {}
            () = keep_learning => {}
            () = keep_reporting => {}
            () = now.cancelled() => {}
        }
        while tasks.join_next().await.is_some() {}
        tokio::select! {
            () = self.report.send(&self.client) => {}
            () = now.cancelled() => {}
        }
    }

    /// Takes jobs while there is room for them.
    async fn take(
        self: &Arc<Self>,
        common: &Arc<Common>,
        tasks: &mut JoinSet<()>,
        drain: &CancellationToken,
        now: &CancellationToken,
    ) {
        let mut pause = PAUSE_FIRST;
        while !drain.is_cancelled() {
            let bound = tokio::select! {
                bound = self.bind(&common.health) => bound,
                () = drain.cancelled() => return,
            };
            let result = match bound {
                Ok(Some(jobs)) => self.pull(&jobs, common, tasks, drain, now, &mut pause).await,
                Ok(None) => Ok(()),
                Err(what) => Err(what),
            };
            if let Err(what) = result {
                self.stands(&common.health, false, &what);
                tracing::warn!(plug = %self.id, what, "no jobs are taken, it is tried again");
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The plug's queue; none while there is none.
    async fn bind(&self, health: &Health) -> Result<Option<Jobs>, String> {
        if self.known.load().endpoints.is_empty() {
            self.learn().await?;
        }
        let jobs = self.client.jobs().await.map_err(|error| error.to_string())?;
        let detail = if jobs.is_some() { "takes jobs" } else { "no job was ever planned: is a HAT connected?" };
        self.stands(health, true, detail);
        Ok(jobs)
    }

    /// Pulls until the broker fails or `drain` is said.
    async fn pull(
        self: &Arc<Self>,
        jobs: &Jobs,
        common: &Arc<Common>,
        tasks: &mut JoinSet<()>,
        drain: &CancellationToken,
        now: &CancellationToken,
        pause: &mut Duration,
    ) -> Result<(), String> {
        let (into, mut came) = mpsc::channel(CALL_MAX);
        while !drain.is_cancelled() {
            let mut seats = tokio::select! {
                seats = self.seats(common) => seats,
                () = drain.cancelled() => return Ok(()),
            };
            while tasks.try_join_next().is_some() {}
            let call = jobs.pull(seats.len(), &into, drain);
            let mut call = std::pin::pin!(call);
            let pulled = loop {
                tokio::select! {
                    biased;
                    Some(leased) = came.recv() => self.begin(leased, &mut seats, common, tasks, drain, now),
                    pulled = &mut call => break pulled,
                }
            };
            // What came with the end of the call.
            while let Ok(leased) = came.try_recv() {
                self.begin(leased, &mut seats, common, tasks, drain, now);
            }
            pulled.map_err(|error| error.to_string())?;
            *pause = PAUSE_FIRST;
        }
        Ok(())
    }

    /// Room for at least one job, and for as many as there is up to the plug's share: what a call holds while nothing comes
    /// is kept from all other plugs.
    async fn seats(&self, common: &Common) -> Vec<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let mut seats = Vec::new();
        // Closed by nobody.
        let (Ok(own), Ok(all)) =
            (Arc::clone(&self.seats).acquire_owned().await, Arc::clone(&common.seats).acquire_owned().await)
        else {
            return std::future::pending().await;
        };
        seats.push((own, all));
        while seats.len() < self.share
            && let Ok(own) = Arc::clone(&self.seats).try_acquire_owned()
            && let Ok(all) = Arc::clone(&common.seats).try_acquire_owned()
        {
            seats.push((own, all));
        }
        seats
    }

    /// Begins one job.
    fn begin(
        self: &Arc<Self>,
        leased: Result<Leased, ClientError>,
        seats: &mut Vec<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
        common: &Arc<Common>,
        tasks: &mut JoinSet<()>,
        drain: &CancellationToken,
        now: &CancellationToken,
    ) {
        let seat = seats.pop();
        let leased = match leased {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(plug = %self.id, %error, "a job was not taken");
                return;
            }
        };
        let (common, plug) = (Arc::clone(common), Arc::clone(self));
        let (drain, now) = (drain.clone(), now.clone());
        tasks.spawn(async move {
            let known = plug.known_with(&leased.job.endpoint).await;
            let task = Task { common, plug: Arc::clone(&plug), known, job: leased.job.clone() };
            let ended = task.run(leased, &drain, &now).await;
            plug.report.note(ended);
            drop(seat);
        });
    }
}
