//! Why a message would be accepted or refused: a decision told rule by rule, in the order in which they are checked.

use super::command::{Action, Command};
use super::effect::{Effect, effects_of};
use super::entity::Decision;
use super::entry::Basis;
use super::event::Event;
use super::id::Address;
use super::seal::seal;
use super::verdict::{Reason, Status};

/// One rule of those that every message passes, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Well-formed and within its sizes.
    Form,
    /// The sender is known, and the signature fits a key that it ever held.
    Sender,
    /// The id is new.
    Id,
    /// The id's time lies within the horizon.
    Age,
    /// The key is in force.
    Key,
    /// The sender may speak on this subject.
    Subject,
    /// The authority that it needs is in force.
    Authority,
    /// Neither side is over its quota.
    Quota,
    /// The content is within what the authority lets through, and the deadline within its range.
    Content,
    /// What the action itself asks for: right, state, content.
    Action,
}

impl Rule {
    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::Form => "form",
            Rule::Sender => "sender",
            Rule::Id => "id",
            Rule::Age => "age",
            Rule::Key => "key",
            Rule::Subject => "subject",
            Rule::Authority => "authority",
            Rule::Quota => "quota",
            Rule::Content => "content",
            Rule::Action => "action",
        }
    }

    /// What it asks for, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Rule::Form => "the message is well-formed and within its sizes",
            Rule::Sender => "the sender is registered and the signature fits a key that it ever held",
            Rule::Id => "the id was not used before",
            Rule::Age => "the id's time lies within the id horizon",
            Rule::Key => "the key is in force now",
            Rule::Subject => "the sender may speak on this subject",
            Rule::Authority => "approval, connection, namespace or data debit are in force",
            Rule::Quota => "sender and recipient are within their quotas",
            Rule::Content => "content and deadline are within what is allowed",
            Rule::Action => "the sender may ask for this, and the state allows it",
        }
    }

    /// The rules that a message with this action meets. Exchanges are checked part by part in this order; other
    /// actions each in an order of their own, which is told as one rule.
    pub const fn of(action: &Action) -> &'static [Rule] {
        use Rule::{Age, Authority, Content, Form, Id, Key, Quota, Sender, Subject};
        match action {
            Action::Credit { .. }
            | Action::Release { .. }
            | Action::CreditObject { .. }
            | Action::ReleaseObject { .. }
            | Action::Pull { .. } => &[Form, Sender, Id, Age, Key, Subject, Authority, Quota, Content],
            _ => &[Form, Sender, Id, Age, Key, Rule::Action],
        }
    }

    /// The rule that an authenticated message with this action has failed.
    fn failed(action: &Action, reason: Reason) -> Rule {
        let rule = match reason {
            Reason::Conflict => Rule::Id,
            Reason::Stale => Rule::Age,
            Reason::RevokedKey => Rule::Key,
            Reason::NotPermitted => Rule::Subject,
            Reason::OverQuota | Reason::RecipientOverQuota => Rule::Quota,
            Reason::Malformed | Reason::NothingSelected | Reason::PiiNotGranted | Reason::AlreadyExists => {
                Rule::Content
            }
            _ => Rule::Authority,
        };
        if Rule::of(action).contains(&rule) { rule } else { Rule::Action }
    }
}

/// What a message would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its first outcome.
    Outcome(Status, Option<Reason>),
    /// It was decided before: its first outcome is told again, and nothing else is done.
    Repeat,
    /// Its sender is not authenticated.
    Anonymous(Reason),
    /// Nothing would be done.
    Nothing,
}

/// A decision, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What it comes to.
    pub verdict: Verdict,
    /// The first rule that fails.
    pub failed: Option<Rule>,
    /// The authority entries that it rests on.
    pub basis: Vec<Basis>,
}

/// Explains what `entity`, whose last entry is `n`, has decided about a command.
pub fn explain(entity: &Address, n: u64, command: &Command, decision: Decision) -> Explained {
    let of = |verdict, failed| Explained { verdict, failed, basis: Vec::new() };
    match decision {
        Decision::Repeat => of(Verdict::Repeat, None),
        Decision::Nothing | Decision::Wait(_) => of(Verdict::Nothing, None),
        Decision::Anonymous(reason) => of(Verdict::Anonymous(reason), Some(Rule::Sender)),
        Decision::Record(drafts) => {
            let basis = drafts.first().map(|draft| draft.basis.clone()).unwrap_or_default();
            let entries: Vec<_> = seal(entity, n + 1, command, drafts).into_iter().map(|(entry, _)| entry).collect();
            let first = entries.iter().flat_map(effects_of).find_map(|effect| match effect {
                Effect::Outcome { outcome, first: true, .. } => Some((outcome.status, outcome.reason)),
                _ => None,
            });
            let rejected = entries.first().and_then(|entry| match entry.event {
                Event::Rejected { reason } => Some(reason),
                _ => None,
            });
            let (status, reason) = match (first, rejected) {
                (Some(first), _) => first,
                // The exchange is not told its own outcomes.
                (None, Some(reason)) => (Status::Rejected, Some(reason)),
                (None, None) => (Status::Settled, None),
            };
            let refused = reason.filter(|_| status == Status::Rejected);
            let failed = refused.map(|reason| Rule::failed(&command.action, reason));
            Explained { verdict: Verdict::Outcome(status, reason), failed, basis }
        }
    }
}

/// What to do about a refusal.
pub const fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed | Reason::TooLarge => "mend the message: `dex schema` shows the body of each action",
        Reason::UnknownParty => "register sender and addressed party first, or correct their names",
        Reason::BadSignature => "sign with a key that is registered for the sender, over the headers as they are sent",
        Reason::RevokedKey => "sign with the key in force: `dex trust verify` shows which",
        Reason::NotPermitted => "let the party speak whose right this is",
        Reason::NotApproved => "ask an operator to approve the sender",
        Reason::NotConnected => "let the HAT's owner connect the plug or set up the app",
        Reason::Suspended => "ask who suspended the party to resume it",
        Reason::Retired => "nothing: a retired HAT never returns",
        Reason::OutsideNamespace => "send only endpoints of the sender's namespaces",
        Reason::DebitNotFound | Reason::NotFound => "correct the id of what is referred to",
        Reason::DebitNotActive => "let the HAT's owner enable the data debit, or wait for its start",
        Reason::DebitEnded => "propose a new data debit",
        Reason::NothingSelected | Reason::PiiNotGranted => "send records that the data debit grants",
        Reason::Conflict | Reason::Stale => "send it under a fresh id",
        Reason::OverQuota | Reason::RecipientOverQuota => "send it again later",
        _ => "look at the state of what is addressed",
    }
}
