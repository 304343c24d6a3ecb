//! Which exchanges somebody wants to see.

use clap::Args;

use super::exchanges::Step;
use crate::domain::{Id, Reason, Status};

/// What a line must be about. Several values of one kind: any of them; several kinds: all of them.
#[derive(Debug, Default, Args)]
pub struct Filter {
    /// Only exchanges of this HAT; may be given several times, like all of these
    #[arg(long, value_name = "HAT")]
    hat: Vec<Id>,
    /// Only what this plug or app writes
    #[arg(long, value_name = "PLUG")]
    plug: Vec<Id>,
    /// Only what goes under this debit
    #[arg(long, value_name = "DEBIT")]
    debit: Vec<Id>,
    /// Only what stands so now: accepted, pending, settled, rejected, disputed, expired, recalled
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<Status>,
    /// Only what has this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Vec<Reason>,
}

fn status(text: &str) -> Result<Status, String> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| format!("{text:?} is none of {}", Status::ALL.map(|status| status.as_str()).join(", ")))
}

fn reason(text: &str) -> Result<Reason, String> {
    let found = Reason::ALL.into_iter().find(|reason| reason.as_str() == text);
    found.ok_or_else(|| format!("{text:?} is no reason of the protocol (docs/protocol.md, section 8)"))
}

impl Filter {
    /// Whether nothing is left out.
    pub fn is_open(&self) -> bool {
        self.hat.is_empty()
            && self.plug.is_empty()
            && self.debit.is_empty()
            && self.status.is_empty()
            && self.reason.is_empty()
    }

    /// Whether a line is wanted.
    pub fn fits(&self, step: &Step) -> bool {
        let parties = [Some(&step.entity), step.from.as_ref(), step.to.as_ref()];
        let names = |kind: &str, id: &Id| {
            let wanted = format!("{kind}:{id}");
            parties.iter().flatten().any(|party| ***party == wanted)
        };
        let moves = |kind: &str, id: &Id| step.authority.as_deref() == Some(&format!("{kind}:{id}"));
        let any = |ids: &[Id], fits: &dyn Fn(&Id) -> bool| ids.is_empty() || ids.iter().any(fits);
        any(&self.hat, &|id| names("hat", id))
            && any(&self.plug, &|id| names("plug", id) || names("app", id) || moves("plug", id) || moves("app", id))
            && any(&self.debit, &|id| moves("debit", id))
            && (self.status.is_empty() || step.status.is_some_and(|status| self.status.contains(&status)))
            && (self.reason.is_empty() || step.reason.is_some_and(|reason| self.reason.contains(&reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        Step {
            leaf: 7,
            at: "2026-01-01T00:00:00Z".into(),
            event: "settled",
            status: Some(Status::Settled),
            reason: None,
            exchange: Some("x".into()),
            entity: "hat:bob.hubat.net".into(),
            from: Some("hat:bob.hubat.net".into()),
            to: Some("org:acme".into()),
            authority: Some("debit:acme.steps".into()),
            count: Some(2),
        }
    }

    #[test]
    fn one_of_each_kind_must_fit() {
        let id = |text: &str| Id::new(text).expect("an id");
        assert!(Filter::default().is_open() && Filter::default().fits(&step()));
        let hat = Filter { hat: vec![id("eve.hubat.net"), id("bob.hubat.net")], ..Filter::default() };
        assert!(hat.fits(&step()) && !hat.is_open());
        let other = Filter { hat: vec![id("eve.hubat.net")], ..Filter::default() };
        assert!(!other.fits(&step()));
        let debit = Filter { debit: vec![id("acme.steps")], status: vec![Status::Settled], ..Filter::default() };
        assert!(debit.fits(&step()));
        let expired = Filter { debit: vec![id("acme.steps")], status: vec![Status::Expired], ..Filter::default() };
        assert!(!expired.fits(&step()));
        let plug = Filter { plug: vec![id("acme")], ..Filter::default() };
        assert!(!plug.fits(&step()));
        assert!(plug.fits(&Step { authority: Some("app:acme".into()), ..step() }));
        let reason = Filter { reason: vec![Reason::Stale], ..Filter::default() };
        assert!(!reason.fits(&step()) && reason.fits(&Step { reason: Some(Reason::Stale), ..step() }));
        assert!(status("settled").is_ok() && status("done").is_err() && super::reason("stale").is_ok());
    }
}
