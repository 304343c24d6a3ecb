//! `debit.show` and `debit.list`: a HAT's data debits, their revisions, and which is in force.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::debit::{Debit, Revision};
use crate::domain::{Id, Timestamp};

use super::ask::{Answer, malformed, not_found, question};
use super::hats;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    hat: Id,
    debit: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct All {
    hat: Id,
    after: Option<Id>,
    limit: Option<usize>,
}

/// Most debits on one page: a debit's line is below 1 KiB.
pub const PAGE_MAX: usize = 400;

/// One debit with all its revisions.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let One { hat: id, debit } = question(body)?;
    let (address, hat) = hats::hat(shared, id)?;
    let Some(found) = hat.debits.get(&debit) else {
        return Err(not_found(format!("{address} has no debit {debit}")));
    };
    let now = shared.clock.now();
    let mut answer = line(&debit, found, now);
    answer["hat"] = json!(address.id);
    let revisions = (1u32..).zip(&found.revisions).map(|(number, it)| revision(number, it, found));
    answer["revisions"] = Value::Array(revisions.collect());
    Ok(answer)
}

/// The debits of a HAT by pages, in the order of their ids, each as one line: `{items: […], next?}`.
pub fn list(shared: &Shared, body: &[u8]) -> Answer {
    let All { hat: id, after, limit } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    let (address, hat) = hats::hat(shared, id)?;
    let now = shared.clock.now();
    let mut page = hat.debits.iter().filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
    let mut last = None;
    let items: Vec<Value> = page
        .by_ref()
        .take(limit)
        .map(|(id, debit)| {
            last = Some(id);
            line(id, debit, now)
        })
        .collect();
    let mut answer = json!({ "hat": address.id, "items": items });
    if page.next().is_some() {
        answer["next"] = json!(last);
    }
    Ok(answer)
}

/// What is told of a debit in a list: `start` and `end` are those of the accepted revision, `period` the one
/// that runs, `rolled` the roll-overs that the ledger tells of, `waits` is true while the newest revision
/// waits for the owner.
pub fn line(id: &Id, debit: &Debit, now: Timestamp) -> Value {
    let accepted = debit.accepted().map(|(revision, _)| revision);
    let shown = accepted.or_else(|| debit.revisions.last());
    let running = debit.in_force(now).is_ok().then(|| {
        let rolls = debit.rolls(now);
        let (starts, next) = (debit.period_start(rolls), debit.period_start(rolls.saturating_add(1)));
        let ends = debit.end().map_or(next, |end| end.min(next));
        json!({ "number": rolls.saturating_add(1), "starts": starts, "ends": ends })
    });
    json!({
        "standing": debit.standing(now),
        "period": running,
        "rolled": debit.rolled,
        "toldEnd": debit.told_end,
        "revision": debit.enabled.map(|enabled| enabled.revision),
        "revisions": debit.newest(),
        "debit": id,
        "client": debit.client,
        "offer": debit.offer,
        "place": debit.place,
        "active": debit.in_force(now).is_ok(),
        "ended": debit.ended(now),
        "waits": debit.enabled.is_none_or(|enabled| enabled.revision < debit.newest()),
        "start": debit.start(),
        "end": debit.end(),
        "purpose": shown.map(|revision| revision.terms.purpose.clone()),
    })
}

fn revision(number: u32, it: &Revision, debit: &Debit) -> Value {
    let mut revision = json!({ "revision": number, "terms": it.terms, "proposedAt": it.at });
    if let Some(enabled) = debit.enabled.filter(|enabled| enabled.revision == number) {
        revision["enabledAt"] = json!(enabled.at);
        if let Some(cancelled) = debit.cancelled {
            revision["disabledAt"] = json!(cancelled.at);
            revision["atPeriodEnd"] = json!(cancelled.at_period_end);
        }
    }
    revision
}
