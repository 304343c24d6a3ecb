//! What holds for all jobs of a plug: decided by the plug, read by the HATs in its registration.

use serde::{Deserialize, Serialize};

use super::WAIT_SECONDS_MAX;
use super::event::HoldReason;
use super::word::PlugSchedule;
use crate::domain::entity::Draft;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::Id;
use crate::domain::plug::health::Standing;
use crate::domain::registration::{Profile, Registration};
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::verdict::Reason;

/// HATs whose source must want to be left alone before all jobs are held.
const REFUSED_FROM: usize = 3;
/// Within how long, nanoseconds.
const REFUSED_WITHIN: i64 = 60 * SECOND;
/// First hold of a plug whose jobs fail, nanoseconds; it doubles each time.
const FAILING_HOLD: i64 = 300 * SECOND;
/// Longest such hold, nanoseconds: an hour.
const FAILING_HOLD_MAX: i64 = 3600 * SECOND;

/// Whether, and until when, no job of a plug is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hold {
    /// Until it is said otherwise.
    #[serde(default)]
    pub paused: bool,
    /// Until then; once it is past, that is when jobs went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<HoldReason>,
    /// How often it was held in a row because its jobs fail.
    #[serde(default)]
    pub times: u32,
}

impl Hold {
    /// Whether jobs are planned at `at`.
    pub fn open(&self, at: Timestamp) -> bool {
        !self.paused && self.until.is_none_or(|until| until <= at)
    }

    /// Folds in that jobs are paused, or go on.
    pub fn pause(&mut self, paused: bool, at: Timestamp) {
        self.paused = paused;
        if !paused {
            // What should have been planned meanwhile is spread from here on.
            self.until = Some(self.until.map_or(at, |until| until.max(at)));
        }
    }

    /// Folds in that jobs are held until then.
    pub fn hold(&mut self, until: Timestamp, why: HoldReason, at: Timestamp) {
        (self.until, self.why) = (Some(until), Some(why));
        self.times = match why {
            HoldReason::Failing if until > at => self.times.saturating_add(1),
            HoldReason::Failing => 0,
            HoldReason::Asked | HoldReason::RateLimited => self.times,
        };
    }
}

/// HATs whose jobs were told to come later: the newest, at most three.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refusals(Vec<(Id, Timestamp, u32)>);

impl Refusals {
    /// True when none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Folds one more in.
    pub fn add(&mut self, hat: &Id, at: Timestamp, seconds: u32) {
        self.0.retain(|(known, since, _)| known != hat && at.since(*since) <= REFUSED_WITHIN);
        if self.0.len() >= REFUSED_FROM {
            self.0.remove(0);
        }
        self.0.push((hat.clone(), at, seconds));
    }

    /// For how long all jobs are to be held, when enough HATs were refused.
    fn seconds(&self) -> Option<u32> {
        let shortest = self.0.iter().map(|(_, _, seconds)| *seconds).min();
        shortest.filter(|_| self.0.len() >= REFUSED_FROM)
    }

    /// Forgets them: a hold came of it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn held(at: Timestamp, seconds: u32, why: HoldReason) -> Event {
    Event::JobsHeld { until: at.plus(i64::from(seconds.min(WAIT_SECONDS_MAX)) * SECOND), why }
}

/// Decides `plug.<plug>.schedule`.
pub(crate) fn schedule(
    own: &Registration,
    refusals: &Refusals,
    case: &Case<'_>,
    said: &PlugSchedule,
) -> Result<Vec<Draft>, Reason> {
    own.active()?;
    let hold = own.jobs.unwrap_or_default();
    if let Some(hat) = &said.hat {
        permit(case.is_dex())?;
        let seconds = said.hold_seconds.ok_or(Reason::Malformed)?;
        if !hold.open(case.at()) {
            return Err(Reason::WrongState);
        }
        let mut drafts = vec![Draft::caused(Event::JobRefused { hat: hat.clone(), seconds })];
        let mut refusals = refusals.clone();
        refusals.add(hat, case.at(), seconds);
        let all = refusals.seconds().map(|seconds| held(case.at(), seconds, HoldReason::RateLimited));
        drafts.extend(all.map(Draft::further));
        return Ok(drafts);
    }
    permit(case.is_self() || case.is_operator())?;
    case.sender_approved()?;
    let paused = said.pause.filter(|pause| *pause != hold.paused).map(|paused| Event::JobsPaused { paused });
    let held = said.hold_seconds.map(|seconds| held(case.at(), seconds, HoldReason::Asked));
    let mut drafts: Vec<Draft> = paused.into_iter().chain(held).map(Draft::further).collect();
    let first = drafts.first_mut().ok_or(Reason::AlreadyExists)?;
    first.with_cause = true;
    first.basis = case.key_basis().into_iter().collect();
    Ok(drafts)
}

/// What follows for all jobs when the plug does like this at `at` by its own report.
pub(crate) fn after_report(own: &Registration, standing: Standing, at: Timestamp) -> Option<Draft> {
    let profile = own.profile.as_ref().and_then(Profile::plug_manifest)?;
    let hold = own.jobs.unwrap_or_default();
    let until = match standing {
        _ if !profile.has_jobs() => return None,
        Standing::Failing if hold.open(at) => {
            let pause = FAILING_HOLD.saturating_mul(1 << hold.times.min(10));
            at.plus(pause.min(FAILING_HOLD_MAX))
        }
        Standing::Healthy if hold.why == Some(HoldReason::Failing) && hold.times > 0 => at,
        _ => return None,
    };
    Some(Draft::further(Event::JobsHeld { until, why: HoldReason::Failing }))
}
