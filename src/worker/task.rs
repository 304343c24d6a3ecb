//! One job from its lease to its end: page after page fetched, credited and told, then done, failed or handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientError, Leased, Order, ids};
use crate::connectors::Page;
use crate::domain::job::{CONTINUATION_BYTES_MAX, JobBody, JobError, JobWord};
use crate::domain::{Reason, Timestamp};
use crate::telemetry::events::{JobEnded, RecordsCredited, RoundAnew};

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
/// Longest pause before a word is said again that the exchange could not take.
const AGAIN_MAX: Duration = Duration::from_secs(15);
/// How often a word is said again that is refused for another reason than a quota: each time the exchange keeps a dead letter of
/// what it fails on.
const AGAIN_TIMES: u32 = 3;
/// What a HAT that has too much open is given before the job comes again.
const OVER_QUOTA: Duration = Duration::from_secs(60);
/// Pause before a job comes again whose end could not be told.
const UNTOLD: Duration = Duration::from_secs(30);

/// How a job ended here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The round is over, or as much of it as one job may fetch.
    Done,
    /// It cannot go on.
    Failed(Fault),
    /// It is not ours any more: its time is over, or the exchange has another one.
    Over,
    /// Somebody else goes on with it, now or after a pause.
    HandedBack(Option<Duration>),
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
    /// Whether the exchange has no room for more of this HAT.
    full: bool,
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
            self.tell(end, &mut progress, drain).await
        };
        let end = tokio::select! {
            end = worked => end,
            () = lease.keep() => End::HandedBack(None),
            () = now.cancelled() => End::HandedBack(None),
        };
        let (result, fault) = match &end {
            End::Done => ("done", None),
            End::Failed(fault) => ("failed", Some(fault)),
            End::Over => ("over", None),
            End::HandedBack(_) => ("handed-back", None),
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
            // That a HAT is full says nothing of the source, and is no reason to hold the plug's other jobs.
            End::Failed(_) if progress.full => Ended::Elsewhere,
            End::Failed(fault) => Ended::Failed(fault.word),
            End::Over | End::HandedBack(_) => Ended::Elsewhere,
        };
        match end {
            End::HandedBack(pause) => lease.hand_back(pause).await,
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
        let mut begun_anew = false;
        loop {
            if drain.is_cancelled() {
                return End::HandedBack(None);
            }
            let page = match self.page(endpoint, progress.at.as_deref(), &mut tries).await {
                Ok(page) => page,
                Err(fault) => {
                    // What is credited already is not sent again. Once in a job, and once until a round is whole: a source whose
                    // later pages are never there would be asked for its first ones without end. The exchange keeps the place
                    // until a page has come.
                    let Some(at) = anew(endpoint, progress, &fault, ids::now()).filter(|_| !begun_anew) else {
                        return End::Failed(fault);
                    };
                    begun_anew = true;
                    RoundAnew { plug: self.plug.id.as_str(), endpoint: &self.job.endpoint, error: fault.word.as_str() }
                        .emit();
                    (progress.at, progress.moved) = (at, true);
                    continue;
                }
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
                && let Err(end) = self.progress(progress, drain).await
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
            if let Err(end) = self.send(body).await {
                // Only for want of room a time is said with it.
                progress.full = matches!(&end, End::Failed(fault) if fault.after.is_some());
                return Err(end);
            }
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
                // Not `rate-limited`, which is the source's word: of three HATs it holds all jobs of the plug.
                Reason::OverQuota | Reason::RecipientOverQuota => {
                    let fault = Fault::new(JobError::Refused, format!("the exchange: {}", refusal.reason));
                    return Err(End::Failed(Fault { after: Some(OVER_QUOTA), ..fault }));
                }
                reason => return Err(refused(reason)),
            }
        }
    }

    /// Tells the exchange how far it has come.
    async fn progress(&self, progress: &mut Progress, drain: &CancellationToken) -> Result<(), End> {
        if !progress.moved {
            return Ok(());
        }
        let Some(at) = &progress.at else { return Ok(()) };
        let word = JobWord { records: Some(progress.records), ..JobWord::progress(self.job.job, at.as_str()) };
        self.say(&word, drain).await?;
        progress.moved = false;
        Ok(())
    }

    /// Tells the exchange how it ended. Where that cannot be told, somebody is to try it again.
    async fn tell(&self, end: End, progress: &mut Progress, drain: &CancellationToken) -> End {
        if matches!(end, End::Failed(_)) && progress.pages > 0 {
            // The next attempt has no use for these pages again.
            match self.progress(progress, drain).await {
                // A place that is not taken keeps nobody from telling the end.
                Ok(()) | Err(End::Done | End::Failed(_)) => {}
                Err(other) => return other,
            }
        }
        let word = match &end {
            End::Over | End::HandedBack(_) => return end,
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
        match self.say(&word, drain).await {
            Ok(()) => end,
            Err(End::Failed(fault)) => {
                tracing::warn!(plug = %self.plug.id, job = %self.job.job, what = fault.what, "the end of a job could not be told, it is handed back");
                End::HandedBack(Some(UNTOLD))
            }
            Err(other) => other,
        }
    }

    /// Sends a word until it has an outcome, for as long as the job lives. Each time under an id of its own: said twice, a word of
    /// a job that is over changes nothing.
    async fn say(&self, word: &JobWord, drain: &CancellationToken) -> Result<(), End> {
        let (mut wait, mut times) = (AGAIN, 0);
        loop {
            let order = Order::job(&self.job.hat, &self.plug.id, word).wait(ASK);
            let pause = match self.plug.client.send(order).await {
                Ok(_) => return Ok(()),
                Err(ClientError::Refused(refusal)) if passes(refusal.reason, times) => {
                    if drain.is_cancelled() {
                        return Err(End::HandedBack(Some(UNTOLD)));
                    }
                    tracing::debug!(reason = %refusal.reason, "a word of a job is not taken now, it is said again");
                    let pause = wait;
                    wait = (wait * 2).min(AGAIN_MAX);
                    times += 1;
                    pause
                }
                Err(ClientError::Refused(refusal)) => return Err(refused(refusal.reason)),
                Err(error) => {
                    unanswered(&self.plug.client, &error)?;
                    AGAIN
                }
            };
            if ids::now() >= self.job.ends_at {
                return Err(End::Over);
            }
            // The drain ends the pause, not the word: it is said once more.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = drain.cancelled(), if pause > AGAIN => {}
            }
        }
    }
}

/// Where a round begins anew after the source refused a page for its place; none where that is of no use, or this one was
/// begun anew before: then its HAT is to hear that it comes no further.
fn anew(endpoint: &Endpoint, progress: &Progress, fault: &Fault, now: Timestamp) -> Option<Option<String>> {
    let at = progress.at.as_deref()?;
    // The source says itself that it knows the place no more.
    let gone = fault.word == JobError::Gone;
    // It may mean that by others as well, but only of a place that was kept: one that it has named a moment ago it knows.
    if !gone && (!fault.of_place || progress.pages > 0) {
        return None;
    }
    endpoint.connector.anew(at, gone, now)
}

/// Whether the exchange may take the same word a moment later, under another id; it was refused `times` before.
fn passes(reason: Reason, times: u32) -> bool {
    match reason {
        Reason::OverQuota | Reason::RecipientOverQuota => true,
        Reason::Internal | Reason::Stale | Reason::Conflict => times < AGAIN_TIMES,
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::FetchError;

    #[test]
    fn what_passes_is_said_again_and_what_nobody_waits_for_is_over() {
        for reason in [Reason::OverQuota, Reason::RecipientOverQuota] {
            assert!(passes(reason, 0) && passes(reason, 1000), "{reason}");
        }
        for reason in [Reason::Internal, Reason::Stale, Reason::Conflict] {
            assert!(passes(reason, 0) && !passes(reason, AGAIN_TIMES), "{reason}");
        }
        for reason in [Reason::WrongState, Reason::NotFound, Reason::NotConnected, Reason::Retired] {
            assert!(!passes(reason, 0), "{reason}");
            assert_eq!(refused(reason), End::Over, "{reason}");
        }
        assert!(!passes(Reason::NotApproved, 0));
        assert!(matches!(refused(Reason::NotApproved), End::Failed(_)));
    }

    #[test]
    fn a_kept_place_that_is_refused_is_given_up_and_what_earlier_rounds_brought_stays() {
        let settings = serde_json::json!({
            "kind": "http-json", "url": "https://api.example/walks", "timestamp": { "path": "t", "format": "unix" },
            "since": { "param": "since", "format": "unix" },
            "paging": { "kind": "cursor", "path": "next", "param": "after" },
        });
        let connector = crate::connectors::Connector::read(&settings, "c").expect("settings");
        let endpoint = Endpoint { whole: "fitbit/walks".into(), connector };
        let kept = r#"{"x":{"c":"old"},"n":3,"s":"2026-01-01T00:00:00Z","t":"2026-01-02T00:00:00Z"}"#;
        let now: Timestamp = "2026-01-03T00:00:00Z".parse().expect("a time");
        let anew = |endpoint: &Endpoint, progress: &Progress, fault: &Fault| anew(endpoint, progress, fault, now);
        let from_since = Some(Some(r#"{"s":"2026-01-01T00:00:00Z","a":"2026-01-03T00:00:00Z"}"#.to_owned()));
        let at = |at: Option<&str>, pages| Progress { at: at.map(str::to_owned), pages, ..Progress::default() };
        for status in [400, 422] {
            let fault = Fault::from(FetchError::Rejected { status });
            assert_eq!(anew(&endpoint, &at(Some(kept), 0), &fault), from_since, "{status}");
        }
        let absent = Fault::from(FetchError::NotFound);
        assert_eq!(anew(&endpoint, &at(Some(kept), 0), &absent), from_since);
        // A page that follows one of this job, a first page, a round that begins: the source means what it says.
        assert_eq!(anew(&endpoint, &at(Some(kept), 1), &absent), None);
        assert_eq!(anew(&endpoint, &at(None, 0), &absent), None);
        assert_eq!(anew(&endpoint, &at(Some(r#"{"s":"2026-01-01T00:00:00Z"}"#), 0), &absent), None);
        // So it does of the account, or when it is ill.
        for error in [FetchError::Unauthorized, FetchError::Timeout, FetchError::Refused("status 405".into())] {
            assert_eq!(anew(&endpoint, &at(Some(kept), 0), &Fault::from(error)), None);
        }
        let gone = Fault::from(FetchError::Gone);
        let from_nothing = Some(Some(r#"{"a":"2026-01-03T00:00:00Z"}"#.to_owned()));
        assert_eq!(anew(&endpoint, &at(Some(kept), 2), &gone), from_nothing, "it says so itself, wherever that is");
        assert_eq!(anew(&endpoint, &at(None, 0), &gone), None);
        // A round that was begun anew and has come to a place that is refused again fails, so that it is heard of.
        let again = r#"{"x":{"c":"old"},"n":3,"s":"2026-01-01T00:00:00Z","a":"2026-01-02T00:01:00Z"}"#;
        let long_ago = again.replace("01-02T00:01", "01-02T00:00");
        for fault in [absent, gone] {
            assert_eq!(anew(&endpoint, &at(Some(again), 0), &fault), None, "{}", fault.what);
            assert!(anew(&endpoint, &at(Some(&long_ago), 0), &fault).is_some(), "once a day: {}", fault.what);
        }
    }

    #[test]
    fn a_kind_without_places_in_a_round_forgets_what_is_gone() {
        let settings = serde_json::json!({ "kind": "feed", "url": "https://blog.example/feed" });
        let connector = crate::connectors::Connector::read(&settings, "c").expect("settings");
        let endpoint = Endpoint { whole: "blog/posts".into(), connector };
        let progress = Progress { at: Some("{}".into()), ..Progress::default() };
        assert_eq!(anew(&endpoint, &progress, &Fault::from(FetchError::Gone), ids::now()), Some(None));
        assert_eq!(anew(&endpoint, &progress, &Fault::from(FetchError::NotFound), ids::now()), None);
    }
}
