//! Jobs of the plugs that are connected: planned by the clock or because somebody wants one, and how they end.

use std::sync::Arc;

use smol_str::SmolStr;

use super::state::Hat;
use crate::domain::entity::{Context, Draft};
use crate::domain::entry::Basis;
use crate::domain::event::Event;
use crate::domain::exchange::check::{Case, permit};
use crate::domain::id::{Address, Id, Kind};
use crate::domain::job::schedule::{self, LATE_MAX, Place};
use crate::domain::job::{
    Current, JobError, JobEvent, JobFailure, JobStatus, JobStep, JobWord, JobsMoved, TRACKS_MAX, Track, ids,
};
use crate::domain::plug::Manifest;
use crate::domain::registration::{Profile, Registration};
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::verdict::Reason;

/// Most entries made at one look at the time; what is left comes at the next.
const AT_ONCE: usize = 64;
/// How often a HAT looks again whether a plug that is paused, held or not in force is so no longer, nanoseconds. HATs do
/// it at different moments, each once for all endpoints of the plug.
const ASK_AGAIN: i64 = 300 * SECOND;
/// How often somebody may want the same endpoint, nanoseconds.
const WANTED_EVERY: i64 = 60 * SECOND;
/// Over the fourth part of what an endpoint's jobs are spread that is read only when it is wanted, seconds.
const UNSCHEDULED: u32 = 3600;

/// What the clock makes of jobs.
pub(super) struct Woken {
    /// Entries.
    pub drafts: Vec<Draft>,
    /// When to ask again what cannot be done now.
    pub wait: Option<Timestamp>,
    /// Endpoints among the entries that the HAT does not have yet.
    new: usize,
}

/// The registration of a plug, and its manifest.
fn plug_of(ctx: &Context<'_>, plug: &Id) -> Option<(Arc<Registration>, Option<Arc<Manifest>>)> {
    let registration = ctx.registry.registration(&Address::new(Kind::Plug, plug.clone()))?;
    let manifest = registration.profile.as_ref().and_then(Profile::plug_manifest).cloned();
    Some((registration, manifest))
}

fn place(hat: &Id, track: &Track, round: Timestamp) -> Place {
    Place::of(hat, &track.plug, &track.endpoint, round)
}

fn moved(plug: &Id, at: Vec<(SmolStr, Option<Timestamp>)>) -> Draft {
    Draft::further(Event::JobsMoved(Box::new(JobsMoved { plug: plug.clone(), at })))
}

fn draft(track: &Track, job: uuid::Uuid, step: JobStep) -> Draft {
    let (plug, endpoint) = (track.plug.clone(), track.endpoint.clone());
    Draft::further(Event::Job(Box::new(JobEvent { plug, endpoint, job, step })))
}

/// The first jobs of endpoints that nothing was planned of yet. `drafted`: endpoints of other plugs that the same turn adds.
fn fresh(
    hat: &Hat,
    ctx: &Context<'_>,
    plug: &Id,
    manifest: &Manifest,
    now: Timestamp,
    drafted: usize,
) -> Vec<(SmolStr, Option<Timestamp>)> {
    let room = TRACKS_MAX.saturating_sub(hat.jobs.len() + drafted);
    let new = manifest.scheduled().filter(|(endpoint, _)| hat.jobs.get(plug, &endpoint.name).is_none());
    let first = |name: &SmolStr, refresh| schedule::first(now, refresh, Place::of(&ctx.entity.id, plug, name, now));
    new.take(room).map(|(endpoint, refresh)| (endpoint.name.clone(), Some(first(&endpoint.name, refresh)))).collect()
}

/// The plan for a plug that is connected now.
pub(super) fn begin(hat: &Hat, ctx: &Context<'_>, plug: &Id, now: Timestamp) -> Option<Draft> {
    let manifest = plug_of(ctx, plug)?.1?;
    let at = fresh(hat, ctx, plug, &manifest, now, 0);
    (!at.is_empty()).then(|| moved(plug, at))
}

/// The jobs that are open among these are over.
pub(super) fn over<'t>(tracks: impl Iterator<Item = &'t Track>) -> Vec<Draft> {
    tracks.filter_map(|track| Some(draft(track, track.job.as_ref()?.job, JobStep::Over))).collect()
}

/// A job for this endpoint, now. `n`: the number that its entry will have.
fn plan(ctx: &Context<'_>, track: &Track, manifest: &Manifest, now: Timestamp, n: u64, wanted: bool) -> Draft {
    let limits = manifest.jobs.unwrap_or_default();
    let refresh = manifest.endpoint(&track.endpoint).and_then(|endpoint| endpoint.refresh_seconds);
    let again = if wanted { 0 } else { track.failures };
    let round = track.round.filter(|_| again > 0).unwrap_or(now);
    let job = ids::job_id(ctx.origin, &ctx.entity.id, &track.plug, &track.endpoint, now, n);
    draft(
        track,
        job,
        JobStep::Planned {
            attempt: again.saturating_add(1),
            round,
            ends: now.plus(limits.life(refresh)),
            lease_seconds: limits.lease_seconds,
            wanted,
        },
    )
}

/// When the next round begins after the one of `track`, seen from `now`: never in a crowd of those that are late.
fn next_round(hat: &Id, track: &Track, refresh: Option<u32>, now: Timestamp) -> Option<Timestamp> {
    let refresh = refresh?;
    let round = track.round.unwrap_or(now);
    let next = schedule::next_round(round, refresh, place(hat, track, round));
    Some(if next > now { next } else { schedule::overdue(now, refresh, place(hat, track, now)) })
}

fn later(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.map(|a| b.map_or(a, |b| a.max(b)))
}

fn refresh_of(manifest: Option<&Manifest>, endpoint: &str) -> Option<u32> {
    manifest.and_then(|manifest| manifest.endpoint(endpoint)).and_then(|endpoint| endpoint.refresh_seconds)
}

/// What is due by the clock.
pub(super) fn wake(hat: &Hat, ctx: &Context<'_>, now: Timestamp) -> Woken {
    let mut woken = Woken { drafts: Vec::new(), wait: None, new: 0 };
    if hat.registration.active().is_err() {
        return woken;
    }
    for plug in hat.plugs.keys() {
        of_plug(hat, ctx, plug, now, &mut woken);
        if woken.drafts.len() >= AT_ONCE {
            break;
        }
    }
    woken
}

fn of_plug(hat: &Hat, ctx: &Context<'_>, plug: &Id, now: Timestamp, woken: &mut Woken) {
    let Some((registration, manifest)) = plug_of(ctx, plug) else { return };
    let own = &ctx.entity.id;
    let mut at = Vec::new();
    if let (Some(manifest), true) = (&manifest, registration.active().is_ok()) {
        at = fresh(hat, ctx, plug, manifest, now, woken.new);
        woken.new += at.len();
    }
    for track in hat.jobs.of(plug) {
        let due = track.due().is_some_and(|due| due <= now);
        if let Some(later) = track.due().filter(|_| !due) {
            wait(woken, later);
        }
        if !due || woken.drafts.len() >= AT_ONCE {
            continue;
        }
        if let Some(job) = &track.job {
            let next = next_round(own, track, refresh_of(manifest.as_deref(), &track.endpoint), now);
            woken.drafts.push(draft(track, job.job, JobStep::Lapsed { next }));
            continue;
        }
        let Some(manifest) = manifest.as_deref().filter(|manifest| manifest.endpoint(&track.endpoint).is_some()) else {
            // The plug's newest manifest does not have it.
            at.push((track.endpoint.clone(), None));
            continue;
        };
        match turn(own, track, manifest, &registration, now) {
            Turn::Wait(until) => wait(woken, until),
            Turn::Move(next) => at.push((track.endpoint.clone(), Some(next))),
            Turn::Plan => {
                let n = hat.n + 1 + woken.drafts.len() as u64;
                woken.drafts.push(plan(ctx, track, manifest, now, n, false));
            }
        }
    }
    if !at.is_empty() {
        woken.drafts.push(moved(plug, at));
    }
}

fn wait(woken: &mut Woken, until: Timestamp) {
    woken.wait = Some(woken.wait.map_or(until, |wait| wait.min(until)));
}

/// What is to be done about an endpoint whose time has come.
enum Turn {
    /// Nothing before then.
    Wait(Timestamp),
    /// It is planned then: now it would come together with many others.
    Move(Timestamp),
    /// A job, now.
    Plan,
}

fn turn(hat: &Id, track: &Track, manifest: &Manifest, plug: &Registration, now: Timestamp) -> Turn {
    let refresh = refresh_of(Some(manifest), &track.endpoint).unwrap_or(UNSCHEDULED);
    let hold = plug.jobs.unwrap_or_default();
    // At a moment of its own in every span, so that HATs do not all come at once.
    let phase = Place::of(hat, &track.plug, "", Timestamp(0)).within(ASK_AGAIN);
    let ask_again = now.plus(ASK_AGAIN - now.plus(-phase).0.rem_euclid(ASK_AGAIN));
    if plug.active().is_err() || hold.paused {
        return Turn::Wait(ask_again);
    }
    let next = track.next.unwrap_or(now);
    let due = match hold.until {
        Some(until) if next < until => until.plus(place(hat, track, until).within(schedule::spread(refresh))),
        _ => next,
    };
    match now.since(due) {
        // A hold may be over before its time.
        early if early < 0 => Turn::Wait(due.min(ask_again)),
        late if late > LATE_MAX => Turn::Move(schedule::overdue(now, refresh, place(hat, track, now))),
        _ => Turn::Plan,
    }
}

/// Decides `hat.<hat>.job.<plug>`.
pub(super) fn word(hat: &Hat, case: &Case<'_>, plug: &Id, word: &JobWord) -> Result<Vec<Draft>, Reason> {
    let by_plug = case.from().kind == Kind::Plug && case.from().id == *plug;
    permit(by_plug || (word.status == JobStatus::Wanted && case.is_owner()))?;
    hat.registration.active()?;
    case.sender_standing()?;
    let mut basis = Vec::with_capacity(3);
    if by_plug {
        let approved = case.sender_approved()?;
        basis.push(Basis { entity: case.from().clone(), n: approved });
        if case.key_n != Some(approved) {
            basis.extend(case.key_basis());
        }
    } else {
        basis.extend(case.key_basis());
    }
    let connected = *hat.plugs.get(plug).ok_or(Reason::NotConnected)?;
    basis.push(Basis { entity: case.ctx.entity.clone(), n: connected });
    hat.quota(case, 0)?;
    let mut drafts = match word.job {
        Some(job) => {
            let (track, current) = hat.jobs.with(plug, job).ok_or(Reason::WrongState)?;
            if case.at() >= current.ends {
                return Err(Reason::WrongState);
            }
            vec![draft(track, job, step(case, track, current, word)?)]
        }
        None => wanted(hat, case, plug, word.endpoint.as_deref())?,
    };
    if let Some(first) = drafts.first_mut() {
        (first.with_cause, first.basis) = (true, basis);
    }
    Ok(drafts)
}

/// What a worker's word makes of its job.
fn step(case: &Case<'_>, track: &Track, job: &Current, word: &JobWord) -> Result<JobStep, Reason> {
    let (own, now) = (&case.ctx.entity.id, case.at());
    let manifest = case.sender.profile.as_ref().and_then(Profile::plug_manifest);
    let refresh = refresh_of(manifest.map(|manifest| &**manifest), &track.endpoint);
    let spot = place(own, track, now);
    let records = word.records.unwrap_or(0);
    let not_before = word.retry_after_seconds.map(|seconds| schedule::not_before(now, seconds, spot));
    match (word.status, word.error) {
        (JobStatus::Progress, _) => {
            let continuation = word.continuation.clone().flatten().ok_or(Reason::Malformed)?;
            Ok(JobStep::Progressed { continuation, records })
        }
        (JobStatus::Done, _) => Ok(JobStep::Done {
            continuation: word.continuation.clone().flatten(),
            forget: word.continuation == Some(None),
            records,
            not_before,
            next: later(next_round(own, track, refresh, now), not_before),
        }),
        (JobStatus::Failed, Some(error)) => {
            let limits = manifest.and_then(|manifest| manifest.jobs).unwrap_or_default();
            let tell = word.retry_after_seconds.filter(|_| error == JobError::RateLimited && is_open(case));
            let failure = JobFailure { error, records, not_before, tell };
            if error == JobError::Unauthorized || job.attempt >= limits.attempts {
                let next = later(next_round(own, track, refresh, now), not_before);
                return Ok(JobStep::Dead { failure, next });
            }
            let next = Some(schedule::retry(now, job.attempt, word.retry_after_seconds, spot));
            Ok(JobStep::Failed { failure, next })
        }
        _ => Err(Reason::Malformed),
    }
}

/// Whether the sender's jobs are not held already.
fn is_open(case: &Case<'_>) -> bool {
    case.sender.jobs.is_none_or(|hold| hold.open(case.at()))
}

/// Jobs that somebody wants now, of one endpoint or of all that are read at intervals.
fn wanted(hat: &Hat, case: &Case<'_>, plug: &Id, named: Option<&str>) -> Result<Vec<Draft>, Reason> {
    let (registration, manifest) = plug_of(case.ctx, plug).ok_or(Reason::UnknownParty)?;
    registration.active()?;
    let manifest = manifest.ok_or(Reason::NotFound)?;
    let endpoints: Vec<&SmolStr> = match named {
        Some(name) => manifest.endpoint(name).map(|endpoint| &endpoint.name).into_iter().collect(),
        None => manifest.scheduled().map(|(endpoint, _)| &endpoint.name).collect(),
    };
    if endpoints.is_empty() {
        return Err(Reason::NotFound);
    }
    let now = case.at();
    if !registration.jobs.is_none_or(|hold| hold.open(now)) {
        return Err(Reason::WrongState);
    }
    let (mut drafts, mut refused) = (Vec::new(), None);
    for endpoint in endpoints {
        let known = hat.jobs.get(plug, endpoint);
        let reason = match known {
            Some(Track { job: Some(_), .. }) => Some(Reason::AlreadyExists),
            Some(Track { wanted: Some(at), .. }) if now.since(*at) < WANTED_EVERY => Some(Reason::OverQuota),
            Some(Track { not_before: Some(at), .. }) if now < *at => Some(Reason::WrongState),
            None if hat.jobs.len() + drafts.len() >= TRACKS_MAX => Some(Reason::RecipientOverQuota),
            _ => None,
        };
        if reason.is_some() {
            refused = refused.or(reason);
            continue;
        }
        let new = Track::new(plug.clone(), endpoint.clone());
        let n = hat.n + 1 + drafts.len() as u64;
        drafts.push(plan(case.ctx, known.unwrap_or(&new), &manifest, now, n, true));
    }
    match refused {
        Some(reason) if drafts.is_empty() => Err(reason),
        _ => Ok(drafts),
    }
}
