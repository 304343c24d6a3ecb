//! One job from its lease to its end: page after page fetched, credited and told, then done, failed or handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientError, Leased, Order, ids};
use crate::connectors::Page;
use crate::domain::Reason;
use crate::domain::job::{CONTINUATION_BYTES_MAX, JobBody, JobError, JobWord};
use crate::telemetry::events::{JobEnded, RecordsCredited};

use super::Common;
use super::fault::Fault;
use super::fetch::Tries;
use super::known::{Endpoint, Known};
use super::page::{self, Body};
use super::plug::Plug;
use super::report::Ended;

/// How long one message waits for its outcome before it is sent again under the same id.
const ASK: Duration = Duration::from_secs(15);
/// Pause before a message is sent again that nobody answered, or that the exchange has no room for.
const AGAIN: Duration = Duration::from_secs(1);
/// What a job keeps of its time to tell its end.
const TELL: Duration = Duration::from_secs(5);
/// What a HAT that has too much open is given before the job comes again.
const OVER_QUOTA: Duration = Duration::from_secs(60);

/// How a job ended here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The round is over, or as much of it as one job may fetch.
    Done,
    /// It cannot go on.
    Failed(Fault),
    /// It is not ours any more: its time is over, or the exchange has another one.
    Over,
    /// Somebody else goes on with it.
    HandedBack,
}

/// One job under way.
pub struct Task {
    /// What all jobs share.
    pub common: Arc<Common>,
    /// Whose it is.
    pub plug: Arc<Plug>,
    /// What is known of the plug now.
    pub known: Arc<Known>,
    /// The job.
    pub job: JobBody,
}

/// How far it has come.
#[derive(Debug, Default)]
struct Progress {
    /// Where the next page begins.
    at: Option<String>,
    /// Whether that is another place than the exchange knows.
    moved: bool,
    /// Records credited.
    records: u32,
    /// Pages whose records are all credited.
    pages: u32,
}

impl Task {
    /// Works on it until it has ended or is handed back, and keeps its lease meanwhile. `drain`: it is handed back after the page
    /// that is under way; `now`: at once.
    pub async fn run(self, lease: Leased, drain: &CancellationToken, now: &CancellationToken) -> Ended {
        let began = Instant::now();
        let mut progress =
            Progress { at: self.job.continuation.as_ref().map(ToString::to_string), ..Progress::default() };
        let worked = async {
            let end = self.bounded(&mut progress, drain, lease.times).await;
            self.tell(end, &mut progress).await
        };
        let end = tokio::select! {
            end = worked => end,
            () = lease.keep() => End::HandedBack,
            () = now.cancelled() => End::HandedBack,
        };
        let (result, fault) = match &end {
            End::Done => ("done", None),
            End::Failed(fault) => ("failed", Some(fault)),
            End::Over => ("over", None),
            End::HandedBack => ("handed-back", None),
        };
        JobEnded {
            result,
            plug: self.plug.id.as_str(),
            endpoint: &self.job.endpoint,
            attempt: self.job.attempt,
            pages: progress.pages,
            records: progress.records,
            fault: fault.map(|fault| (fault.word.as_str(), fault.what.as_str())),
            took: began.elapsed(),
        }
        .emit();
        let ended = match &end {
            End::Done => Ended::Done,
            End::Failed(fault) => Ended::Failed(fault.word),
            End::Over | End::HandedBack => Ended::Elsewhere,
        };
        match end {
            End::HandedBack => lease.hand_back(None).await,
            _ => lease.end().await,
        }
        ended
    }

    /// The pages, for as long as the job lives.
    async fn bounded(&self, progress: &mut Progress, drain: &CancellationToken, times: i64) -> End {
        let left = self.job.ends_at.since(ids::now());
        let left = Duration::from_nanos(u64::try_from(left).unwrap_or(0));
        if left <= TELL {
            return End::Over;
        }
        let ended = tokio::time::timeout(left - TELL, self.pages(progress, drain, times)).await;
        match ended {
            Ok(end) => end,
            // What was credited is kept, and the next round goes on there.
            Err(_) if progress.pages > 0 => End::Done,
            Err(_) => End::Failed(Fault::new(JobError::Timeout, "the job's time was over before its first page")),
        }
    }

    async fn pages(&self, progress: &mut Progress, drain: &CancellationToken, times: i64) -> End {
        let Some(endpoint) = self.known.endpoints.get(&self.job.endpoint) else {
            let what = "the manifest has no working connector for the endpoint";
            return End::Failed(Fault::new(JobError::Refused, what));
        };
        if times > 1 {
            // Somebody had it before: the exchange may know how far that went.
            self.catch_up(progress).await;
        }
        let mut tries = Tries { left: self.common.config.source.retries_per_job };
        loop {
            if drain.is_cancelled() {
                return End::HandedBack;
            }
            let page = match self.page(endpoint, progress.at.as_deref(), &mut tries).await {
                Ok(page) => page,
                Err(fault) if fault.word == JobError::Gone && progress.at.is_some() => {
                    // The source knows this place no more. What is credited already is not sent again.
                    (progress.at, progress.moved) = (None, true);
                    continue;
                }
                Err(fault) => return End::Failed(fault),
            };
            let credited = match self.credit(endpoint, &page, progress).await {
                Ok(credited) => credited,
                Err(end) => return end,
            };
            progress.pages = progress.pages.saturating_add(1);
            let stands = page.continuation.is_none() || page.continuation == progress.at;
            if let Some(continuation) = page.continuation.filter(|it| Some(it) != progress.at.as_ref()) {
                if continuation.len() > CONTINUATION_BYTES_MAX {
                    let what = format!("a continuation of more than {CONTINUATION_BYTES_MAX} bytes");
                    return End::Failed(Fault::new(JobError::TooLarge, what));
                }
                (progress.at, progress.moved) = (Some(continuation), true);
            }
            if !page.more {
                return End::Done;
            }
            if stands {
                return End::Failed(Fault::new(
                    JobError::Malformed,
                    "the source says that there is more, and not where",
                ));
            }
            if progress.pages >= self.common.config.worker.pages_per_job {
                return End::Done;
            }
            if credited > 0
                && let Err(end) = self.progress(progress).await
            {
                return end;
            }
        }
    }

    /// Goes on where the worker before this one came to, if the exchange can say where that is.
    async fn catch_up(&self, progress: &mut Progress) {
        let question = serde_json::json!({ "plug": self.job.plug, "hat": self.job.hat }).to_string();
        let Ok(told) = self.plug.client.query("plug.jobs", question).await else { return };
        let ours =
            told["items"].as_array().into_iter().flatten().find(|item| item["job"] == serde_json::json!(self.job.job));
        if let Some(continuation) = ours.and_then(|item| item["continuation"].as_str()) {
            progress.at = Some(continuation.to_owned());
        }
    }

    /// Sends what of a page is not known to be credited; how many records that was.
    async fn credit(&self, endpoint: &Endpoint, fetched: &Page, progress: &mut Progress) -> Result<usize, End> {
        let memory = &self.common.memory;
        let page = page::bodies(&self.job, &endpoint.whole, &fetched.records, |id| memory.knows(id));
        let mut credited = 0;
        for body in page.bodies {
            let count = body.ids.len();
            let ids = body.ids.clone();
            self.send(body).await?;
            memory.note(ids);
            credited += count;
            progress.records = progress.records.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        let unreadable = fetched.skipped as usize;
        RecordsCredited { credited, known: page.known, too_large: page.too_large, unreadable }.emit();
        Ok(credited)
    }

    /// Sends one body until it has an outcome.
    async fn send(&self, body: Body) -> Result<(), End> {
        let mut id = page::message_id(&self.job, &body, ids::now());
        let text = bytes::Bytes::from(body.text);
        let mut fresh = false;
        loop {
            let order = Order::credit(&self.job.hat, &self.plug.id, text.clone());
            let sent = self.plug.client.send(order.of_job(self.job.job).id(id).wait(ASK)).await;
            let refusal = match sent {
                Ok(_) => return Ok(()),
                Err(ClientError::Refused(refusal)) => refusal,
                Err(error) => {
                    unanswered(&self.plug.client, &error)?;
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            match refusal.reason {
                // The time of the planning is out of reach, or another body has this id: once more under one of its own.
                Reason::Stale | Reason::Conflict if !fresh => {
                    fresh = true;
                    id = self.plug.client.message_id();
                }
                Reason::OverQuota | Reason::RecipientOverQuota => {
                    let fault = Fault::new(JobError::RateLimited, format!("the exchange: {}", refusal.reason));
                    return Err(End::Failed(Fault { after: Some(OVER_QUOTA), ..fault }));
                }
                reason => return Err(refused(reason)),
            }
        }
    }

    /// Tells the exchange how far it has come.
    async fn progress(&self, progress: &mut Progress) -> Result<(), End> {
        if !progress.moved {
            return Ok(());
        }
        let Some(at) = &progress.at else { return Ok(()) };
        let word = JobWord { records: Some(progress.records), ..JobWord::progress(self.job.job, at.as_str()) };
        self.say(&word).await?;
        progress.moved = false;
        Ok(())
    }

    /// Tells the exchange how it ended.
    async fn tell(&self, end: End, progress: &mut Progress) -> End {
        if matches!(end, End::Failed(_))
            && progress.pages > 0
            && let Err(end) = self.progress(progress).await
        {
            // The next attempt would have had no use for these pages again.
            return end;
        }
        let word = match &end {
            End::Over | End::HandedBack => return end,
            End::Done => {
                let continuation = progress.moved.then(|| progress.at.as_deref().map(Into::into));
                JobWord { records: Some(progress.records), ..JobWord::done(self.job.job, continuation) }
            }
            End::Failed(fault) => {
                let after =
                    fault.after.map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX).saturating_add(1));
                let failed = JobWord::failed(self.job.job, fault.word);
                JobWord { records: Some(progress.records), retry_after_seconds: after, ..failed }
            }
        };
        match self.say(&word).await {
            Ok(()) => end,
            Err(_) => End::Over,
        }
    }

    /// Sends a word until it has an outcome, for as long as the job lives.
    async fn say(&self, word: &JobWord) -> Result<(), End> {
        loop {
            let order = Order::job(&self.job.hat, &self.plug.id, word).wait(ASK);
            match self.plug.client.send(order).await {
                Ok(_) => return Ok(()),
                Err(ClientError::Refused(refusal)) => return Err(refused(refusal.reason)),
                Err(error) => unanswered(&self.plug.client, &error)?,
            }
            if ids::now() >= self.job.ends_at {
                return Err(End::Over);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What a refusal means for the job.
fn refused(reason: Reason) -> End {
    match reason {
        // It is not the current job, the HAT is not connected to the plug any more, or is no more: nobody waits for a word.
        Reason::WrongState | Reason::NotFound | Reason::NotConnected | Reason::Retired => End::Over,
        Reason::Internal => End::Failed(Fault::new(JobError::Internal, "the exchange failed on a message")),
        reason => End::Failed(Fault::new(JobError::Refused, format!("the exchange: {reason}"))),
    }
}

/// Nobody answered: it is sent again, unless that is of no use.
fn unanswered(client: &Client, error: &ClientError) -> Result<(), End> {
    match error {
        ClientError::Timeout { .. }
        | ClientError::NoAnswer { .. }
        | ClientError::Broker(_)
        | ClientError::Connect(_) => {
            tracing::debug!(%error, connected = client.is_connected(), "a message of a job has no outcome yet, it is sent again");
            Ok(())
        }
        other => Err(End::Failed(Fault::new(JobError::Internal, other.to_string()))),
    }
}
