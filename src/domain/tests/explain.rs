//! What is explained is what is decided, in random worlds.

use proptest::prelude::*;

use super::history::{start, steps, take};
use super::world::*;
use crate::domain::explain::{Rule, Verdict, explain};
use crate::domain::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_verdict_is_that_of_the_decision(steps in steps(80)) {
        let mut w = start();
        for step in &steps {
            take(&mut w, step);
        }
        // Every message of the history once more, under a fresh id and under its own.
        let told = w.told.clone();
        for (entity, mut command) in told {
            for fresh in [true, false] {
                if fresh {
                    let id = w.fresh();
                    if let Some(cause) = &mut command.cause {
                        cause.id = id;
                    }
                    command.stored_at = w.now;
                }
                let state = w.entities.get(&entity).cloned().unwrap_or_else(|| Any::new(entity.kind));
                let decision = state.decide(&w.context(&entity), &command, w.known(&command));
                let explained = explain(&entity, state.n(), &command, decision.clone());
                let own = command.cause.as_ref().is_none_or(|cause| cause.from.kind == Kind::Dex);
                match (&decision, &explained.verdict) {
                    (Decision::Repeat, Verdict::Repeat)
                    | (Decision::Nothing | Decision::Wait(_), Verdict::Nothing) => {}
                    (Decision::Anonymous(reason), Verdict::Anonymous(told)) => {
                        prop_assert_eq!(reason, told);
                        prop_assert_eq!(explained.failed, Some(Rule::Sender));
                    }
                    (Decision::Record(drafts), Verdict::Outcome(status, reason)) => {
                        let refused = drafts.iter().find_map(|draft| match draft.event {
                            Event::Rejected { reason } => Some(reason),
                            _ => None,
                        });
                        if let Some(refused) = refused {
                            prop_assert_eq!((*status, *reason), (Status::Rejected, Some(refused)));
                        } else if !own {
                            // What the sender is really told.
                            let before = w.outcomes.len();
                            w.run(&entity, command.clone());
                            let told = w.outcomes[before..].iter().find(|(_, _, first)| *first);
                            let (_, outcome, _) = told.expect("an outcome");
                            prop_assert_eq!((outcome.status, outcome.reason), (*status, *reason));
                        }
                        prop_assert_eq!(explained.failed.is_some(), *status == Status::Rejected);
                        if let Some(rule) = explained.failed {
                            prop_assert!(Rule::of(&command.action).contains(&rule));
                        }
                    }
                    (decided, told) => prop_assert!(false, "{decided:?} told as {told:?}"),
                }
            }
        }
    }
}

#[test]
fn the_rules_stand_in_their_order() {
    let ask = command::PullAsk::default();
    for action in [Action::Pull { debit: id("d1"), ask }, Action::Suspend] {
        assert!(Rule::of(&action).is_sorted());
    }
}
