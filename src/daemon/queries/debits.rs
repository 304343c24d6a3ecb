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
    let revisions = (1u32..).zip(&found.revisions).map(|(number, it)| revision(number, it, now));
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

/// What is told of a debit in a list: `end` is that of the revision in force, else of the newest.
pub fn line(id: &Id, debit: &Debit, now: Timestamp) -> Value {
    let active = debit.active(now);
    let shown = active.or_else(|| debit.latest());
    json!({
        "debit": id,
        "client": debit.client(),
        "offer": debit.offer,
        "active": active.is_some(),
        "ended": debit.ended(now),
        "waits": debit.latest().is_some_and(|latest| latest.enabled_at.is_none()),
        "start": shown.and_then(Revision::starts),
        "end": shown.and_then(Revision::ends),
        "purpose": shown.map(|it| it.terms.purpose.clone()),
    })
}

fn revision(number: u32, it: &Revision, now: Timestamp) -> Value {
    let mut revision = json!({
        "revision": number,
        "terms": it.terms,
        "proposedAt": it.proposed_at,
        "enabledAt": it.enabled_at,
        "start": it.starts(),
        "end": it.ends(),
        "active": it.active(now),
    });
    if let Some((at, at_period_end)) = it.disabled {
        revision["disabledAt"] = json!(at);
        revision["atPeriodEnd"] = json!(at_period_end);
    }
    revision
}
