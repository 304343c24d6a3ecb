//! What a HAT keeps of each endpoint that a plug fetches for it.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::event::{JobEvent, JobStep, JobsMoved};
use super::{JobBody, JobError};
use crate::domain::id::Id;
use crate::domain::time::Timestamp;

/// Most endpoints that are fetched for one HAT, of all plugs together; further ones are not planned.
pub const TRACKS_MAX: usize = 1024;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

// Names are short: there are millions of these on disk.
/// A job that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its id.
    #[serde(rename = "i")]
    pub job: Uuid,
    /// Which attempt.
    #[serde(rename = "a")]
    pub attempt: u32,
    /// When it was planned.
    #[serde(rename = "p")]
    pub planned: Timestamp,
    /// It has lapsed then.
    #[serde(rename = "e")]
    pub ends: Timestamp,
    /// Its lease, seconds.
    #[serde(rename = "l")]
    pub lease_seconds: u32,
}

/// One endpoint of one plug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// The plug.
    #[serde(rename = "p")]
    pub plug: Id,
    /// The endpoint, by its name below the plug's namespace.
    #[serde(rename = "e")]
    pub endpoint: SmolStr,
    /// When the next job is planned; none: when one is wanted.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// The job that is open.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<Current>>,
    /// When the newest round began.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Timestamp>,
    /// Attempts of it that failed, while it is not over.
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Where to go on.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<SmolStr>,
    /// When a job was last done.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
    /// When a job was last wanted.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Timestamp>,
    /// The source is not to be asked before.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Why the last attempt failed; none once one was done.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

impl Track {
    /// One of which nothing was ever planned.
    pub fn new(plug: Id, endpoint: SmolStr) -> Self {
        Track {
            plug,
            endpoint,
            next: None,
            job: None,
            round: None,
            failures: 0,
            continuation: None,
            done: None,
            wanted: None,
            not_before: None,
            error: None,
        }
    }

    /// When it is to be looked at: its job's end, or the time for the next one.
    pub fn due(&self) -> Option<Timestamp> {
        self.job.as_ref().map_or(self.next, |job| Some(job.ends))
    }

    /// What workers are told of the job that is open.
    pub fn body(&self, hat: &Id) -> Option<JobBody> {
        let job = self.job.as_ref()?;
        Some(JobBody {
            job: job.job,
            hat: hat.clone(),
            plug: self.plug.clone(),
            endpoint: self.endpoint.clone(),
            attempt: job.attempt,
            planned_at: job.planned,
            ends_at: job.ends,
            lease_seconds: job.lease_seconds,
            continuation: self.continuation.clone(),
            last_done_at: self.done,
        })
    }
}

/// Everything that is fetched for one HAT, in order of plug and endpoint; at most [`TRACKS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tracks(Vec<Track>);

impl Tracks {
    /// True when nothing is fetched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many endpoints.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Track> {
        self.0.iter()
    }

    /// Those of one plug, in order of their endpoints.
    pub fn of<'t>(&'t self, plug: &'t Id) -> impl Iterator<Item = &'t Track> {
        self.0.iter().filter(move |track| track.plug == *plug)
    }

    /// One endpoint of one plug.
    pub fn get(&self, plug: &Id, endpoint: &str) -> Option<&Track> {
        self.place(plug, endpoint).ok().map(|at| &self.0[at])
    }

    /// The track whose open job this is.
    pub fn with<'t>(&'t self, plug: &Id, job: Uuid) -> Option<(&'t Track, &'t Current)> {
        let of_plug = self.0.iter().filter(|track| track.plug == *plug);
        of_plug.filter_map(|track| Some((track, track.job.as_deref()?))).find(|(_, current)| current.job == job)
    }

    /// When anything is to be looked at.
    pub fn due(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(Track::due).min()
    }

    fn place(&self, plug: &Id, endpoint: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|track| track.plug.cmp(plug).then_with(|| track.endpoint.as_str().cmp(endpoint)))
    }

    fn made(&mut self, plug: &Id, endpoint: &SmolStr) -> &mut Track {
        let at = match self.place(plug, endpoint) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Track::new(plug.clone(), endpoint.clone()));
                at
            }
        };
        &mut self.0[at]
    }

    /// The plug was disconnected: what it fetched is forgotten.
    pub fn disconnect(&mut self, plug: &Id) {
        self.0.retain(|track| track.plug != *plug);
    }

    /// The HAT is not in force: no job is open any more. What was under way is due again, once it is.
    pub fn suspend(&mut self) {
        for track in &mut self.0 {
            let open = track.job.take().map(|job| job.planned);
            (track.next, track.failures) = (track.next.or(open), 0);
        }
    }

    /// Nothing is fetched any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Folds in when jobs are planned from now on.
    pub fn moved(&mut self, moved: &JobsMoved) {
        for (endpoint, at) in &moved.at {
            match at {
                Some(_) => self.made(&moved.plug, endpoint).next = *at,
                None => self.0.retain(|track| track.plug != moved.plug || track.endpoint != *endpoint),
            }
        }
    }

    /// Folds in what has happened to a job at `at`.
    pub fn apply(&mut self, event: &JobEvent, at: Timestamp) {
        let track = match (&event.step, self.place(&event.plug, &event.endpoint)) {
            (_, Ok(at)) => &mut self.0[at],
            (JobStep::Planned { .. }, Err(_)) => self.made(&event.plug, &event.endpoint),
            // Its plug was disconnected just before.
            _ => return,
        };
        if event.step.ends() {
            track.job = None;
        }
        match &event.step {
            JobStep::Planned { attempt, round, ends, lease_seconds, wanted } => {
                let (attempt, ends, lease_seconds) = (*attempt, *ends, *lease_seconds);
                track.job = Some(Box::new(Current { job: event.job, attempt, planned: at, ends, lease_seconds }));
                (track.next, track.round) = (None, Some(*round));
                track.failures = attempt.saturating_sub(1);
                if *wanted {
                    track.wanted = Some(at);
                }
            }
            JobStep::Progressed { continuation, .. } => track.continuation = Some(continuation.clone()),
            JobStep::Done { continuation, forget, not_before, next, .. } => {
                if *forget {
                    track.continuation = None;
                } else if continuation.is_some() {
                    track.continuation.clone_from(continuation);
                }
                (track.done, track.error, track.failures) = (Some(at), None, 0);
                (track.not_before, track.next) = (*not_before, *next);
            }
            JobStep::Failed { failure, next } => {
                track.failures = track.failures.saturating_add(1);
                (track.error, track.not_before, track.next) = (Some(failure.error), failure.not_before, *next);
            }
            JobStep::Dead { failure, next } => {
                track.failures = 0;
                (track.error, track.not_before, track.next) = (Some(failure.error), failure.not_before, *next);
            }
            JobStep::Lapsed { next } => (track.failures, track.next) = (0, *next),
            JobStep::Over => track.failures = 0,
        }
    }
}
