//! `exchange.explain`: why a message would be accepted or refused now, by the very decision, which is then thrown away.
//!
//! What the exchange knows of others is told only for a message that its sender has signed; else only what is wrong with
//! the message itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::entity::{Ask, judge};
use crate::actors::shared::Shared;
use crate::domain::explain::{Explained, Rule, Verdict, explain as told, hint};
use crate::domain::fact::Fact;
use crate::domain::hat::Hat;
use crate::domain::member::Member;
use crate::domain::offer::Offer;
use crate::domain::plug::Plug;
use crate::domain::{Basis, Command, Entity, Kind, Known, Reason, Status, Timestamp};
use crate::store::{IndexKey, load};
use crate::wire::{HeaderList, Problem, Raw, decode, subject, verify};

use super::ask::{Answer, malformed, question_within, unreadable, unreadable_entry};
use super::history;

/// Longest message that is explained, with its headers, bytes.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Explanations in a second, by whomever asked: each costs about what deciding the message does.
const PER_SECOND: u32 = 20;

/// How many explanations were given in this second.
#[derive(Default)]
pub struct Rate(Mutex<Option<(Instant, u32)>>);

impl Rate {
    fn take(&self, now: Instant) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, given) =
            window.filter(|(since, _)| now.duration_since(*since) < Duration::from_secs(1)).unwrap_or((now, 0));
        *window = Some((since, given + 1));
        given < PER_SECOND
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    subject: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

/// The checks in their order, the verdict, the reason, what to do.
pub fn explain(shared: &Shared, rate: &Rate, body: &[u8]) -> Answer {
    if !rate.take(Instant::now()) {
        let detail = format!("more than {PER_SECOND} explanations were asked for in this second: ask again");
        return Err(Problem::new(Reason::OverQuota, detail, None));
    }
    let Question { subject: published, headers, body } = question_within(body, MESSAGE_BYTES_MAX)?;
    let now = shared.clock.now();
    let stored = subject::stored_of_published(&published, 0)
        .ok_or_else(|| malformed(format!("{published:?} is no subject of a message to the exchange")))?;
    let headers: HeaderList = headers.into_iter().collect();
    let raw = Raw {
        stored_subject: &stored,
        header_bytes: headers.wire_bytes(),
        headers: &headers,
        payload: Bytes::from(body),
        stored_at: now,
    };
    let incoming = match decode(&raw, &shared.limits.load(), &shared.origin, false) {
        Ok(incoming) => incoming,
        Err(refused) => {
            let check = json!({ "rule": Rule::Form.as_str(), "passed": false, "detail": refused.detail });
            return Ok(answer(now, "rejected", Some(refused.reason), vec![check]));
        }
    };
    let form = json!({ "rule": Rule::Form.as_str(), "passed": true, "detail": Rule::Form.about() });
    let Some((key, signature, text)) = incoming.to_verify() else {
        let sender = json!({ "rule": Rule::Sender.as_str(), "passed": null, "detail": "the message is not signed: the rest is told to its sender alone" });
        return Ok(answer(now, "unknown", None, vec![form, sender]));
    };
    if !verify(&key, &signature, text) {
        let detail = "the signature is not that key's over these headers, this subject and this body";
        let sender = json!({ "rule": Rule::Sender.as_str(), "passed": false, "detail": detail });
        return Ok(answer(now, "rejected", Some(Reason::BadSignature), vec![form, sender]));
    }
    let command = incoming.command;
    let explained = match command.addressed.kind {
        Kind::Hat => decided::<Hat>(shared, &command, now)?,
        Kind::Plug => decided::<Plug>(shared, &command, now)?,
        Kind::Offer => decided::<Offer>(shared, &command, now)?,
        Kind::Lane => {
            return Err(malformed("what is addressed to a lane is not explained: address the HAT itself".to_owned()));
        }
        _ => decided::<Member>(shared, &command, now)?,
    };
    full(shared, &command, &explained, now)
}

fn decided<E: Entity>(shared: &Shared, command: &Command, now: Timestamp) -> Result<Explained, Problem> {
    let entity = &command.addressed;
    let known = known(shared, command)?;
    let state: E = load(&shared.db, &shared.tail, entity).map_err(|error| unreadable(&error))?;
    let ask = Ask { command: command.clone(), known };
    let decision = judge(shared, entity, &state, &ask, now);
    Ok(told(entity, state.n(), command, decision))
}

/// Whether the id is known, by what is committed.
fn known(shared: &Shared, command: &Command) -> Result<Known, Problem> {
    let Some(cause) = &command.cause else { return Ok(Known::New) };
    // The tail first: what a snapshot moves meanwhile is then in the index.
    let mut first: Vec<_> = shared.tail.of(&command.addressed);
    let key = IndexKey::message(&command.addressed, &cause.from, cause.id);
    let found = shared.db.index(&[key]).map_err(|error| unreadable(&error))?;
    let mut unread = false;
    for leaf in found.into_iter().flatten().flatten() {
        match shared.entry(leaf) {
            Some(sealed) => first.push(sealed),
            None => unread = true,
        }
    }
    let mut seen = first
        .iter()
        .filter_map(|it| it.entry.cause.as_ref())
        .filter(|it| it.id == cause.id && it.from == cause.from)
        .peekable();
    let any = seen.peek().is_some();
    if seen.any(|first| first.tells_of(&cause.subject, &cause.body)) {
        Ok(Known::Same)
    } else if unread {
        // It may be the one that tells.
        Err(unreadable_entry())
    } else {
        Ok(if any { Known::Other } else { Known::New })
    }
}

fn full(shared: &Shared, command: &Command, explained: &Explained, now: Timestamp) -> Answer {
    let (verdict, reason) = match explained.verdict {
        Verdict::Outcome(status, reason) => (status.as_str(), reason),
        Verdict::Anonymous(reason) => (Status::Rejected.as_str(), Some(reason)),
        Verdict::Repeat => ("repeat", None),
        Verdict::Nothing => ("nothing", None),
    };
    let mut checks = Vec::new();
    for rule in Rule::of(&command.action) {
        let passed = match (&explained.verdict, explained.failed) {
            (Verdict::Repeat, _) => (*rule <= Rule::Sender).then_some(true),
            (_, Some(failed)) if *rule == failed => Some(false),
            (_, Some(failed)) => (*rule < failed).then_some(true),
            (_, None) => Some(true),
        };
        let detail = match (passed, reason, &explained.verdict) {
            (Some(false), Some(reason), _) => reason.explanation(),
            (None, _, Verdict::Repeat) if *rule == Rule::Id => {
                "this message was decided before: its first outcome would be told again"
            }
            _ => rule.about(),
        };
        checks.push(json!({ "rule": rule.as_str(), "passed": passed, "detail": detail }));
    }
    let mut answer = answer(now, verdict, reason, checks);
    if !explained.basis.is_empty() {
        let located = explained.basis.iter().map(|basis| locate(shared, basis));
        answer["basis"] = Value::Array(located.collect::<Result<_, _>>()?);
    }
    Ok(answer)
}

/// An authority entry with its leaf, as far as the history of its party knows it.
fn locate(shared: &Shared, basis: &Basis) -> Result<Value, Problem> {
    let mut leaf = None;
    for fact in [Fact::Registration, Fact::Connection, Fact::Debit] {
        let places = history::places(shared, &basis.entity, fact)?;
        leaf = leaf.or(places.iter().find(|place| place.n == basis.n).map(|place| place.leaf));
    }
    Ok(json!({ "entity": basis.entity, "n": basis.n, "leaf": leaf }))
}

fn answer(now: Timestamp, verdict: &str, reason: Option<Reason>, checks: Vec<Value>) -> Value {
    let mut answer = json!({ "verdict": verdict, "refused": verdict == "rejected", "checks": checks, "at": now });
    if let Some(reason) = reason {
        answer["reason"] = json!(reason);
        answer["detail"] = json!(reason.explanation());
        answer["hint"] = json!(hint(reason));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_second_and_no_more() {
        let (rate, start) = (Rate::default(), Instant::now());
        let given = (0..100).filter(|_| rate.take(start)).count();
        assert_eq!(given, PER_SECOND as usize);
        assert!(rate.take(start + Duration::from_secs(1)));
    }
}
