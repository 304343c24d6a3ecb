//! Exchanges one by one, as the ledger gets them: read from the folder of an exchange on this machine.

use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::filter::Filter;
use crate::cli::args::Globals;
use crate::cli::fail::Failure;
use crate::cli::folder::Folder;
use crate::cli::{ledger, out};
use crate::daemon::queries::steps;
use crate::domain::event::Closed;
use crate::domain::{Entry, Event, Id, MessageId, Reason, Status};
use crate::ledger::{LedgerError, offline};
use crate::wire::outgoing::authority_text;
use crate::wire::subject;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Open exchanges whose rights are remembered; of more, the oldest are forgotten and have none in their last line.
const RIGHTS_MAX: usize = 65_536;

/// One line: an exchange and what has just become of it. Facts of the ledger, which holds no content.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its leaf.
    pub leaf: u64,
    /// When.
    pub at: String,
    /// What happened, as in a trace.
    pub event: &'static str,
    /// How it stands now.
    pub status: Option<Status>,
    /// Why.
    pub reason: Option<Reason>,
    /// The exchange; of a refusal the message.
    pub exchange: Option<String>,
    /// The HAT, or what else was addressed.
    pub entity: String,
    /// Who sent it.
    pub from: Option<String>,
    /// Who gets it.
    pub to: Option<String>,
    /// The right under which it moves.
    pub authority: Option<String>,
    /// Records.
    pub count: Option<u32>,
}

/// Which right each open exchange moves under: its end does not repeat it.
#[derive(Debug, Default)]
pub struct Rights {
    of: HashMap<MessageId, String>,
    order: VecDeque<MessageId>,
}

impl Rights {
    fn note(&mut self, exchange: MessageId, authority: &str) {
        if self.of.insert(exchange, authority.to_owned()).is_none() {
            self.order.push_back(exchange);
        }
        if self.order.len() > RIGHTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
    }
}

/// What an entry tells of an exchange; nothing where it is about something else.
pub fn step(leaf: u64, entry: &Entry, rights: &mut Rights) -> Option<Step> {
    let standing = steps::status(&entry.event);
    let cause = entry.cause.as_ref();
    let mut step = Step {
        leaf,
        at: entry.at.to_string(),
        event: steps::name(&entry.event),
        status: standing.map(|(status, _)| status),
        reason: standing.and_then(|(_, reason)| reason),
        exchange: cause.map(|cause| cause.id.to_string()),
        entity: entry.entity.to_string(),
        from: cause.map(|cause| cause.from.to_string()),
        to: None,
        authority: None,
        count: None,
    };
    let closed = |step: &mut Step, closed: &Closed| {
        step.exchange = Some(closed.exchange.to_string());
        step.from = Some(closed.from.to_string());
        step.to = Some(closed.to.to_string());
        step.authority = rights.of.get(&closed.exchange).cloned();
        step.count = Some(closed.count);
    };
    match &entry.event {
        Event::Opened(opened) | Event::Held { opened, .. } | Event::Released(opened) | Event::Fetched(opened) => {
            let authority = authority_text(&opened.authority);
            rights.note(opened.exchange, &authority);
            step.exchange = Some(opened.exchange.to_string());
            step.from = Some(opened.from.to_string());
            step.to = Some(opened.to.to_string());
            step.authority = Some(authority);
            step.count = Some(opened.count_out);
        }
        Event::Fetching(fetching) => {
            let authority = authority_text(&fetching.authority);
            rights.note(fetching.exchange, &authority);
            step.exchange = Some(fetching.exchange.to_string());
            step.from = Some(fetching.from.to_string());
            step.to = Some(fetching.to.to_string());
            step.authority = Some(authority);
            step.count = Some(fetching.object.count);
        }
        Event::Settled(it) | Event::Expired(it) | Event::Recalled(it) => closed(&mut step, it),
        Event::Disputed { closed: it, .. } | Event::Dropped { closed: it, .. } => closed(&mut step, it),
        Event::RecallRequested { exchange, to, .. } => {
            step.exchange = Some(exchange.to_string());
            step.to = Some(to.to_string());
            step.authority = rights.of.get(exchange).cloned();
        }
        Event::LateReceipt { .. } | Event::Fanned { .. } => {}
        // The exchange brought it for a client that asked its offer: it is the client's message that is refused.
        Event::PullRefused { pull, by, .. } => {
            step.exchange = Some(pull.to_string());
            step.from = Some(by.to_string());
            step.to = Some(entry.entity.to_string());
            step.authority = cause.and_then(|cause| offer_of(&cause.subject)).map(|offer| format!("debit:{offer}"));
        }
        Event::Rejected { .. } => {
            let (to, authority) = asked_for(&cause?.subject)?;
            (step.to, step.authority) = (Some(to), Some(authority));
        }
        _ => return None,
    }
    Some(step)
}

/// Who was addressed by a refused message, and the right that it named; none when it was to move nothing.
fn asked_for(subject: &str) -> Option<(String, String)> {
    let parsed = subject::parse(subject).ok()?;
    let object = || Id::from_token(parsed.object?).ok();
    let right = match parsed.verb {
        "credit" => format!("plug:{}", object()?),
        "release" | "pull" => format!("debit:{}", object()?),
        "data" | "recall" | "receipt" => parsed.verb.to_owned(),
        _ => return None,
    };
    Some((parsed.addressed.to_string(), right))
}

/// The offer by which a HAT is asked; the debit there has its id.
fn offer_of(subject: &str) -> Option<Id> {
    Id::from_token(subject::parse(subject).ok()?.object?).ok()
}

impl Step {
    fn json(&self) -> Value {
        json!({
            "leaf": self.leaf, "at": self.at, "event": self.event, "status": self.status, "reason": self.reason,
            "exchange": self.exchange, "entity": self.entity, "from": self.from, "to": self.to,
            "authority": self.authority, "count": self.count,
        })
    }

    fn line(&self) -> String {
        let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let status = self.status.map_or_else(|| self.event.to_owned(), |status| status.to_string());
        let mut line = format!("{}  {status:<9} {}  {}", self.at, or(&self.exchange), or(&self.from));
        if let Some(to) = &self.to {
            line.push_str(&format!(" -> {to}"));
        }
        if let Some(authority) = &self.authority {
            line.push_str(&format!("  {authority}"));
        }
        if let Some(count) = self.count {
            line.push_str(&format!("  {count} records"));
        }
        if let Some(reason) = self.reason {
            line.push_str(&format!("  {reason}"));
        }
        line
    }
}

/// Where to begin and when to end.
pub struct Follow<'a> {
    /// The exchange's folder.
    pub folder: &'a Folder,
    /// What is shown.
    pub filter: &'a Filter,
    /// From this leaf on; what comes from now on when not given.
    pub from: Option<u64>,
    /// At most so many lines.
    pub count: Option<u64>,
}

/// Prints what fits the filter as it is committed.
///
/// # Errors
/// [`Failure`] when the folder cannot be read, or entries in it are damaged.
pub fn follow(globals: &Globals, follow: &Follow<'_>) -> Result<ExitCode, Failure> {
    let path = follow.folder.path()?;
    let verifier = follow.folder.verifier(globals, &path)?;
    let mut reader = ledger::open(globals, follow.folder)?;
    let mut next = follow.from.unwrap_or_else(|| reader.tree_size());
    let mut rights = Rights::default();
    let mut left = follow.count.unwrap_or(u64::MAX);
    loop {
        let looked = Instant::now();
        while next < reader.tree_size() {
            for stored in reader.scan(next) {
                let stored = stored.map_err(|error| Failure::Finding(error.to_string()))?;
                next = stored.leaf + 1;
                let entry = ledger::entry(&stored)?;
                let Some(step) = step(stored.leaf, &entry, &mut rights).filter(|step| follow.filter.fits(step)) else {
                    continue;
                };
                if globals.json {
                    out::json(&step.json())?;
                } else {
                    out::line(step.line())?;
                }
                left -= 1;
                if left == 0 {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        std::thread::sleep(EVERY.saturating_sub(looked.elapsed()));
        match offline::newest(&path, &verifier) {
            Ok(Some(newer)) if newer.tree_size() > next => reader = newer,
            Ok(_) => {}
            // A segment may begin between two looks.
            Err(LedgerError::Io { .. }) => {}
            Err(error) => return Err(Failure::Finding(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Address, Cause, Digest, Timestamp};

    #[test]
    fn a_refusal_is_shown_when_it_was_to_move_something() {
        let of = |to: &str, right: &str| Some((to.to_owned(), right.to_owned()));
        assert_eq!(asked_for("dex.v1.in.hat.bob_hubat_net.credit.facebook"), of("hat:bob.hubat.net", "plug:facebook"));
        assert_eq!(asked_for("dex.v1.in.hat.bob.release.acme_steps"), of("hat:bob", "debit:acme.steps"));
        assert_eq!(asked_for("dex.v1.in.hat.bob.data"), of("hat:bob", "data"));
        assert_eq!(asked_for("dex.v1.in.hat.bob.plug-connect.facebook"), None);
        assert_eq!(asked_for("rubbish"), None);
    }

    #[test]
    fn a_pull_that_is_refused_by_way_of_an_offer_is_its_client_s() {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let id = |n: u128| MessageId(uuid::Uuid::from_u128(n));
        let cause = Cause {
            subject: "dex.v1.in.hat.bob_hubat_net.pull-asked.acme_steps".into(),
            id: id(2),
            from: address("dex:dex.test"),
            key: None,
            signature: None,
            deadline: None,
            reply: None,
            want: None,
            pull: None,
            job: None,
            body: Digest::of(b""),
        };
        let event = Event::PullRefused {
            pull: id(1),
            by: address("org:acme"),
            digest: Digest::of(b""),
            reason: Reason::DebitNotFound,
        };
        let entry = Entry {
            v: 1,
            entity: address("hat:bob.hubat.net"),
            n: 1,
            at: Timestamp(1),
            cause: Some(cause),
            basis: Vec::new(),
            event,
        };
        let step = step(7, &entry, &mut Rights::default()).expect("it is shown");
        assert_eq!(
            (step.event, step.status, step.reason),
            ("pull-refused", Some(Status::Rejected), Some(Reason::DebitNotFound))
        );
        assert_eq!((step.exchange, step.from.as_deref()), (Some(id(1).to_string()), Some("org:acme")));
        assert_eq!(
            (step.to.as_deref(), step.authority.as_deref()),
            (Some("hat:bob.hubat.net"), Some("debit:acme.steps"))
        );
    }

    #[test]
    fn rights_are_remembered_up_to_a_bound() {
        let mut rights = Rights::default();
        let id = |n: usize| MessageId(uuid::Uuid::from_u128(n as u128));
        for n in 0..=RIGHTS_MAX {
            rights.note(id(n), "debit:x");
            rights.note(id(n), "debit:x");
        }
        assert_eq!(rights.of.len(), RIGHTS_MAX);
        assert!(!rights.of.contains_key(&id(0)) && rights.of.contains_key(&id(RIGHTS_MAX)));
    }
}
