//! Data debits of one HAT: proposed there as the exchange has them, and what the owner decides there is
//! said in the exchange.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::bridge::hat::debit::{Permissions, Shown, bundle_name};
use crate::bridge::hat::{Fault, HatError};
use crate::client::{ClientError, Order, ids};
use crate::domain::event::DebitTerms;
use crate::domain::{Id, Reason};
use crate::telemetry::events::DebitTold;

use super::worker::Worker;

/// What is remembered of one debit between two looks.
struct Seen {
    /// The newest revision that the HAT knows.
    proposed: u32,
    /// The state there that was acted upon.
    etag: Option<String>,
    /// What the exchange said then.
    said: Said,
    pause: Duration,
    next: Instant,
}

/// The debits of one HAT that are looked after; the exchange bounds how many a HAT has.
#[derive(Default)]
pub(super) struct Watch {
    seen: BTreeMap<Id, Seen>,
}

impl Watch {
    /// The next look shall not wait.
    pub fn look_now(&mut self, debit: &Id) {
        if let Some(seen) = self.seen.get_mut(debit) {
            (seen.etag, seen.next) = (None, Instant::now());
        }
    }
}

/// A line of `debit.list`.
#[derive(Deserialize)]
struct Line {
    debit: Id,
    #[serde(flatten)]
    said: Said,
}

/// How the exchange has a debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Said {
    active: bool,
    ended: bool,
    waits: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revision {
    revision: u32,
    terms: DebitTerms,
    /// Its owner ended it.
    disabled_at: Option<serde::de::IgnoredAny>,
}

impl Revision {
    fn disabled(&self) -> bool {
        self.disabled_at.is_some()
    }
}

/// What is to be said in the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Enable { revision: u32 },
    Disable { at_period_end: bool },
}

/// What the owner's state at the HAT means for the exchange, whose newest revision is `newest`; `disabled`
/// when the owner ended the debit before, and not its period. Decisions count, not whether the debit runs:
/// the HAT's clock is not ours.
fn decided(shown: &Shown, debit: &Id, newest: u32, said: Said, disabled: bool) -> Option<Say> {
    let holds = |it: &&Permissions| it.accepted && it.canceled_at.is_none();
    // The owner has accepted exactly what the exchange would put in force.
    let name = bundle_name(debit, newest);
    let accepted = shown.permissions_latest.as_ref().filter(holds).is_some_and(|it| it.bundle.name == name);
    if accepted && (said.waits || (said.ended && disabled)) {
        return Some(Say::Enable { revision: newest });
    }
    let ending = shown.permissions_active.as_ref().is_some_and(|it| it.canceled_at.is_some());
    if said.active && shown.active && ending {
        return Some(Say::Disable { at_period_end: true });
    }
    // An amendment came between our look and our word: the owner has not accepted what is in force here.
    let unasked = shown.permissions_latest.as_ref().is_some_and(|it| it.bundle.name == name && !it.accepted);
    if said.active && !said.waits && unasked {
        return Some(Say::Disable { at_period_end: false });
    }
    let none = !shown.permissions.is_empty() && !shown.permissions.iter().any(|it| holds(&it));
    (said.active && !shown.active && none).then_some(Say::Disable { at_period_end: false })
}

impl Worker {
    /// Looks at every debit of the HAT that is due.
    pub(super) async fn look_after_debits(&mut self) {
        if !self.breaker.wait(Instant::now()).is_zero() {
            return;
        }
        let lines = match self.debit_lines().await {
            Ok(lines) => lines,
            Err(error) => {
                tracing::debug!(%error, "the debits of a HAT could not be read");
                return;
            }
        };
        self.watch.seen.retain(|debit, _| lines.iter().any(|line| line.debit == *debit));
        for line in lines {
            let said = line.said;
            let due = |seen: &Seen| seen.next <= Instant::now() || seen.said != said;
            if !self.watch.seen.get(&line.debit).is_none_or(due) {
                continue;
            }
            let common = Arc::clone(&self.common);
            let room = common.room.acquire().await;
            let looked = self.look_at(&line.debit, said).await;
            drop(room);
            match looked {
                Ok(()) => drop(self.noted(Ok(()))),
                Err(Fail::Exchange(error)) => tracing::debug!(%error, "a debit could not be carried on"),
                Err(Fail::Hat(error)) => {
                    let passes = error.fault.passes();
                    drop(self.noted::<()>(Err(error)));
                    if passes {
                        return;
                    }
                }
            }
        }
    }

    async fn debit_lines(&self) -> Result<Vec<Line>, ClientError> {
        let mut lines = Vec::new();
        let mut question = json!({"hat": self.hat()});
        loop {
            let page = self.bridge().query("debit.list", question.to_string()).await?;
            for item in page["items"].as_array().into_iter().flatten() {
                let line = Line::deserialize(item);
                lines.push(line.map_err(|error| ClientError::Form(format!("debit.list: {error}")))?);
            }
            match page.get("next") {
                Some(next) if !next.is_null() => question["after"] = next.clone(),
                _ => return Ok(lines),
            }
        }
    }

    async fn newest(&self, debit: &Id) -> Result<Revision, ClientError> {
        let question = json!({"hat": self.hat(), "debit": debit});
        let shown = self.bridge().query("debit.show", question.to_string()).await?;
        let last = shown["revisions"].as_array().and_then(|all| all.last());
        let last = last.ok_or_else(|| ClientError::Form("debit.show: no revision".into()))?;
        Revision::deserialize(last).map_err(|error| ClientError::Form(format!("debit.show: {error}")))
    }

    async fn look_at(&mut self, debit: &Id, said: Said) -> Result<(), Fail> {
        let (every, most) = (self.common.options.debits_every, self.common.options.debits_most);
        let before = self.watch.seen.remove(debit);
        let newest = self.newest(debit).await?;
        let seen = |etag, pause| Seen { proposed: newest.revision, etag, said, pause, next: Instant::now() + pause };
        // One whose period has ended and that waits for nobody is history.
        if said.ended && !said.waits && !newest.disabled() {
            self.watch.seen.insert(debit.clone(), seen(None, most));
            return Ok(());
        }
        self.same_key().await?;
        if before.as_ref().is_none_or(|seen| seen.proposed < newest.revision) {
            self.propose(debit, &newest).await?;
        }
        let unchanged = before.as_ref().filter(|seen| seen.said == said && seen.proposed == newest.revision);
        let known = unchanged.and_then(|seen| seen.etag.clone());
        let shown = self.session.debit(debit, known.as_deref()).await?;
        let (etag, pause) = match shown {
            None => (known, unchanged.map_or(every, |seen| (seen.pause * 2).min(most))),
            Some((shown, etag)) => {
                if let Some(say) = decided(&shown, debit, newest.revision, said, newest.disabled()) {
                    self.say(debit, say).await?;
                }
                (etag, every)
            }
        };
        self.watch.seen.insert(debit.clone(), seen(etag, pause));
        Ok(())
    }

    async fn propose(&self, debit: &Id, newest: &Revision) -> Result<(), HatError> {
        match self.session.propose(debit, newest.revision, &newest.terms, ids::now()).await {
            Ok(()) => DebitTold { what: "proposed" }.emit(),
            // From before a restart.
            Err(error) if error.fault == Fault::Duplicate => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn say(&self, debit: &Id, say: Say) -> Result<(), ClientError> {
        let (order, what) = match say {
            Say::Enable { revision } => (Order::debit_enable_revision(self.hat(), debit, revision), "enabled"),
            Say::Disable { at_period_end } => (Order::debit_disable(self.hat(), debit, at_period_end), "disabled"),
        };
        match self.bridge().send(order).await {
            Ok(_) => DebitTold { what }.emit(),
            // The exchange knows it already.
            Err(error) if error.reason() == Some(Reason::WrongState) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Which side failed.
enum Fail {
    Hat(HatError),
    Exchange(ClientError),
}

impl From<HatError> for Fail {
    fn from(error: HatError) -> Self {
        Fail::Hat(error)
    }
}

impl From<ClientError> for Fail {
    fn from(error: ClientError) -> Self {
        Fail::Exchange(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Revisions at the HAT: name, accepted, ended by the owner.
    fn shown(active: Option<usize>, revisions: &[(&str, bool, bool)]) -> Shown {
        let one = |(name, accepted, ended): &(&str, bool, bool)| json!({"bundle": {"name": name}, "accepted": accepted, "canceledAt": ended.then_some("2026-01-01T00:00:00Z")});
        let value = json!({
            "active": active.is_some(),
            "permissions": revisions.iter().map(one).collect::<Vec<_>>(),
            "permissionsActive": active.map(|at| one(&revisions[at])),
            "permissionsLatest": revisions.last().map(one),
        });
        serde_json::from_value(value).expect("a debit")
    }

    #[test]
    fn only_what_the_owner_has_decided_is_said() {
        let id = Id::new("acme.feed").expect("an id");
        let say = |there: &Shown, newest, said, disabled| decided(there, &id, newest, said, disabled);
        let proposed = Said { active: false, ended: false, waits: true };
        let active = Said { active: true, ended: false, waits: false };
        let amended = Said { active: true, ended: false, waits: true };
        let over = Said { active: false, ended: true, waits: false };
        let now = Some(Say::Disable { at_period_end: false });
        let (one, two) = ("acmeDfeedR1", "acmeDfeedR2");
        let waiting = shown(None, &[(one, false, false)]);
        let accepted = shown(Some(0), &[(one, true, false)]);
        assert_eq!(say(&waiting, 1, proposed, false), None);
        assert_eq!(say(&accepted, 1, proposed, false), Some(Say::Enable { revision: 1 }));
        assert_eq!(
            say(&shown(None, &[(one, true, false)]), 1, proposed, false),
            Some(Say::Enable { revision: 1 }),
            "starts later"
        );
        assert_eq!(say(&shown(Some(0), &[("other", true, false)]), 1, proposed, false), None, "not what was proposed");
        assert_eq!(say(&shown(Some(0), &[(one, true, false), (two, false, false)]), 2, amended, false), None);
        assert_eq!(
            say(&shown(Some(1), &[(one, false, false), (two, true, false)]), 2, amended, false),
            Some(Say::Enable { revision: 2 })
        );
        assert_eq!(say(&accepted, 1, active, false), None, "both agree");
        let ended = shown(None, &[(one, true, true)]);
        assert_eq!(say(&ended, 1, active, false), now);
        assert_eq!(say(&ended, 1, over, true), None);
        assert_eq!(say(&accepted, 1, over, true), Some(Say::Enable { revision: 1 }), "enabled again");
        assert_eq!(say(&accepted, 1, over, false), None, "its period is over: a HAT's late clock starts no other");
        assert_eq!(say(&shown(None, &[(one, true, false)]), 1, active, false), None, "a HAT's slow clock ends nothing");
        let ending = shown(Some(0), &[(one, true, true)]);
        assert_eq!(say(&ending, 1, active, false), Some(Say::Disable { at_period_end: true }));
        let late = shown(Some(0), &[(one, true, false), (two, false, false)]);
        assert_eq!(say(&late, 2, active, false), now, "an amendment that the owner has not accepted");
        assert_eq!(say(&shown(None, &[]), 1, active, false), None, "a HAT that shows no revision says nothing");
    }
}
