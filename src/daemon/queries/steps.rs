//! One entry as a step of a trace: when, where, what; digests and counts, never content.

use serde_json::{Map, Value, json};

use crate::domain::event::{Closed, Opened};
use crate::domain::job::JobStep;
use crate::domain::{Event, Reason, Status};
use crate::store::Sealed;
use crate::wire::outgoing::authority_text;

/// How the exchange (or registry message) stands after this event; none when it says nothing about that.
pub fn status(event: &Event) -> Option<(Status, Option<Reason>)> {
    Some(match event {
        Event::Opened(_) | Event::Released(_) | Event::Fetched(_) | Event::Fanned { .. } => (Status::Accepted, None),
        Event::Fetching(_) => (Status::Pending, None),
        Event::Held { reason, .. } => (Status::Pending, Some(*reason)),
        Event::OfferPulled { .. } => (Status::Accepted, None),
        Event::Rejected { reason } | Event::Dropped { reason, .. } | Event::PullRefused { reason, .. } => {
            (Status::Rejected, Some(*reason))
        }
        Event::Disputed { reason, .. } => (Status::Disputed, Some(*reason)),
        Event::Expired(_) => (Status::Expired, Some(Reason::DeadlinePassed)),
        Event::Recalled(_) => (Status::Recalled, Some(Reason::RecalledBySender)),
        Event::DeadLetter { reason, .. } => (Status::Rejected, Some(*reason)),
        Event::RecallRequested { .. } | Event::LateReceipt { .. } | Event::RefusedUnauthenticated { .. } => {
            return None;
        }
        // Registry actions are done when they are recorded.
        _ => (Status::Settled, None),
    })
}

/// The step that a committed entry is.
pub fn step(sealed: &Sealed) -> Value {
    let entry = &sealed.entry;
    let mut step = json!({
        "leaf": sealed.leaf,
        "at": entry.at,
        "entity": entry.entity,
        "n": entry.n,
        "event": name(&entry.event),
    });
    if let Some((status, reason)) = status(&entry.event) {
        step["status"] = json!(status);
        if let Some(reason) = reason {
            step["reason"] = json!(reason);
        }
    }
    if let Some(cause) = &entry.cause {
        step["message"] = json!(cause.id);
        step["from"] = json!(cause.from);
        step["subject"] = json!(cause.subject);
        step["digestIn"] = json!(cause.body);
    }
    if !entry.basis.is_empty() {
        step["basis"] = json!(entry.basis);
    }
    if let Value::Object(step) = &mut step {
        details(step, &entry.event);
    }
    step
}

fn details(step: &mut Map<String, Value>, event: &Event) {
    let mut say = |name: &str, value: Value| {
        step.insert(name.to_owned(), value);
    };
    match event {
        Event::Opened(opened) | Event::Held { opened, .. } | Event::Released(opened) | Event::Fetched(opened) => {
            opened_details(&mut say, opened)
        }
        Event::Fetching(fetching) => {
            say("exchange", json!(fetching.exchange));
            say("direction", json!(fetching.direction));
            say("authority", json!(authority_text(&fetching.authority)));
            say("to", json!(fetching.to));
            say("delivery", json!(fetching.delivery));
            say("deadline", json!(fetching.deadline));
            say("digestIn", json!(fetching.object.digest));
            say("countIn", json!(fetching.object.count));
            say("bytesIn", json!(fetching.object.size));
        }
        Event::Settled(closed)
        | Event::Disputed { closed, .. }
        | Event::Expired(closed)
        | Event::Dropped { closed, .. }
        | Event::Recalled(closed) => {
            closed_details(&mut say, closed);
        }
        Event::Fanned { digest, count, parts, .. } => {
            say("digestIn", json!(digest));
            say("countIn", json!(count));
            say("parts", json!(parts));
        }
        Event::RecallRequested { exchange, delivery, to, .. } => {
            say("exchange", json!(exchange));
            say("delivery", json!(delivery));
            say("to", json!(to));
        }
        Event::Reported(added) => {
            say("kinds", json!(added.kinds));
            say("repeated", json!(added.repeated));
            say("unreadable", json!(added.unreadable));
        }
        Event::Job(event) => {
            say("plug", json!(event.plug));
            say("endpoint", json!(event.endpoint));
            say("job", json!(event.job));
            job_details(&mut say, &event.step);
        }
        Event::JobsHeld { until, why } => {
            say("until", json!(until));
            say("why", json!(why));
        }
        Event::LateReceipt { delivery, verdict } => {
            say("delivery", json!(delivery));
            say("verdict", json!(verdict));
        }
        _ => {}
    }
}

fn job_details(say: &mut impl FnMut(&str, Value), step: &JobStep) {
    match step {
        JobStep::Planned { attempt, ends, .. } => {
            say("attempt", json!(attempt));
            say("endsAt", json!(ends));
        }
        // What a continuation says is between the plug and its source.
        JobStep::Progressed { records, .. } => say("records", json!(records)),
        JobStep::Done { records, next, .. } => {
            say("records", json!(records));
            say("nextAt", json!(next));
        }
        JobStep::Failed { failure, next } | JobStep::Dead { failure, next } => {
            say("error", json!(failure.error));
            say("records", json!(failure.records));
            say("nextAt", json!(next));
        }
        JobStep::Lapsed { next } => say("nextAt", json!(next)),
        JobStep::Over => {}
    }
}

fn opened_details(say: &mut impl FnMut(&str, Value), opened: &Opened) {
    say("exchange", json!(opened.exchange));
    say("direction", json!(opened.direction));
    say("authority", json!(authority_text(&opened.authority)));
    say("to", json!(opened.to));
    say("delivery", json!(opened.delivery));
    say("deadline", json!(opened.deadline));
    say("digestIn", json!(opened.digest_in));
    say("digestOut", json!(opened.digest_out));
    say("countIn", json!(opened.count_in));
    say("countOut", json!(opened.count_out));
    say("bytesIn", json!(opened.bytes_in));
    say("bytesOut", json!(opened.bytes_out));
    if !opened.dropped.is_empty() {
        say("dropped", json!(opened.dropped));
    }
    if let Some(job) = opened.job {
        say("job", json!(job));
    }
    if let Some(parent) = opened.parent {
        say("parent", json!(parent));
    }
    if let Some(pull) = opened.pull {
        say("pull", json!(pull));
    }
}

fn closed_details(say: &mut impl FnMut(&str, Value), closed: &Closed) {
    say("exchange", json!(closed.exchange));
    say("delivery", json!(closed.delivery));
    say("to", json!(closed.to));
    say("digestOut", json!(closed.digest_out));
    say("countOut", json!(closed.count));
    say("openedAt", json!(closed.opened_at));
}

fn step_of(step: &JobStep) -> &'static str {
    match step {
        JobStep::Planned { .. } => "job-planned",
        JobStep::Progressed { .. } => "job-progressed",
        JobStep::Done { .. } => "job-done",
        JobStep::Failed { .. } => "job-failed",
        JobStep::Dead { .. } => "job-dead",
        JobStep::Lapsed { .. } => "job-lapsed",
        JobStep::Over => "job-over",
    }
}

/// The event's name.
pub fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened(_) => "opened",
        Event::Held { .. } => "held",
        Event::Fetching(_) => "fetching",
        Event::Fetched(_) => "fetched",
        Event::Released(_) => "released",
        Event::Dropped { .. } => "dropped",
        Event::Fanned { .. } => "fanned-out",
        Event::Rejected { .. } => "rejected",
        Event::Settled(_) => "settled",
        Event::Disputed { .. } => "disputed",
        Event::Expired(_) => "expired",
        Event::RecallRequested { .. } => "recall-requested",
        Event::Recalled(_) => "recalled",
        Event::LateReceipt { .. } => "late-receipt",
        Event::Registered { .. } => "registered",
        Event::Approved { .. } => "approved",
        Event::Seconded { .. } => "approved-by-one",
        Event::Declined { .. } => "declined",
        Event::Classified { .. } => "classified",
        Event::ClassesAllowed { .. } => "classes-allowed",
        Event::Suspended => "suspended",
        Event::Resumed => "resumed",
        Event::Retired => "retired",
        Event::KeyRotated { .. } => "key-rotated",
        Event::KeyRevoked { .. } => "key-revoked",
        Event::OperatorDeclared { .. } => "operator-declared",
        Event::PlugAsked { .. } => "plug-asked",
        Event::PlugAskedAgain { .. } => "plug-asked-again",
        Event::PlugReported { .. } => "plug-reported",
        Event::PlugStale { .. } => "plug-stale",
        Event::Job(event) => step_of(&event.step),
        Event::JobsMoved(_) => "jobs-moved",
        Event::JobsPaused { paused: true } => "jobs-paused",
        Event::JobsPaused { paused: false } => "jobs-resumed",
        Event::JobsHeld { .. } => "jobs-held",
        Event::JobRefused { .. } => "job-refused",
        Event::PlugUnanswered { .. } => "plug-unanswered",
        Event::PlugConnected { .. } => "plug-connected",
        Event::PlugDisconnected { .. } => "plug-disconnected",
        Event::AppSetUp { .. } => "app-set-up",
        Event::AppDisabled { .. } => "app-disabled",
        Event::Reported(_) => "reported",
        Event::DebitProposed { .. } => "debit-proposed",
        Event::DebitEnabled { .. } => "debit-enabled",
        Event::DebitDisabled { .. } => "debit-disabled",
        Event::DebitRolled { .. } => "debit-rolled",
        Event::DebitEnded { .. } => "debit-ended",
        Event::Claimed { .. } => "claimed",
        Event::ClaimRefused { .. } => "claim-refused",
        Event::ClaimReleased { .. } => "claim-released",
        Event::ClaimLapsed { .. } => "claim-lapsed",
        Event::ClaimWithdrawn { .. } => "claim-withdrawn",
        Event::OfferPaid => "offer-paid",
        Event::OfferSatisfied => "offer-satisfied",
        Event::OfferOversubscribed => "offer-oversubscribed",
        Event::OfferReopened => "offer-reopened",
        Event::OfferExpired => "offer-expired",
        Event::OfferReleased { .. } => "offer-released",
        Event::OfferLapsed { .. } => "offer-lapsed",
        Event::OfferLeft { .. } => "offer-left",
        Event::OfferRegistered { .. } => "offer-registered",
        Event::OfferRejected => "offer-rejected",
        Event::OfferClosed => "offer-closed",
        Event::OfferReserved { .. } => "offer-reserved",
        Event::OfferRefused { .. } => "offer-refused",
        Event::OfferConfirmed { .. } => "offer-confirmed",
        Event::OfferPulled { .. } => "offer-pulled",
        Event::PullRefused { .. } => "pull-refused",
        Event::RefusedUnauthenticated { .. } => "refused-unauthenticated",
        Event::PinChanged { .. } => "pin-changed",
        Event::Entrusted { .. } => "entrusted",
        Event::AccountChanged { .. } => "account-changed",
        Event::DeadLetter { .. } => "dead-letter",
        Event::NoticePosted(_) => "notice-posted",
        Event::NoticeTold { .. } => "notice-told",
        Event::NoticeEnded { .. } => "notice-ended",
    }
}
