//! `apply` takes any entry in any state: entries out of one history, shuffled over other entities, with
//! other numbers, times and causes.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::history::{start, steps, take};
use super::world::*;
use crate::domain::*;

/// Entries of every sort out of a fixed set of histories.
fn pool() -> &'static [Entry] {
    static POOL: std::sync::OnceLock<Vec<Entry>> = std::sync::OnceLock::new();
    POOL.get_or_init(|| {
        let mut runner = TestRunner::deterministic();
        let mut pool = Vec::new();
        for _ in 0..40 {
            let steps = steps(120).new_tree(&mut runner).expect("a tree").current();
            let mut w = start();
            for step in &steps {
                take(&mut w, step);
            }
            pool.extend(w.ledger.into_iter().map(|(entry, _)| entry));
        }
        pool
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn apply_is_total_and_what_follows_can_be_decided_on(
        picks in prop::collection::vec((any::<usize>(), any::<i64>(), any::<u64>(), 0u8..4), 0..120),
        kind in 0usize..9,
    ) {
        let pool = pool();
        let kind = Kind::ALL[kind];
        let entity = Address::new(kind, id("bob.hubat.net"));
        let mut state = Any::new(kind);
        let w = World::new();
        for (pick, at, n, change) in picks {
            let mut entry = pool[pick % pool.len()].clone();
            entry.entity = entity.clone();
            entry.n = n;
            match change {
                0 => entry.at = Timestamp(at),
                1 => entry.cause = None,
                2 => {
                    if let Event::DebitEnabled { revision, .. } = &mut entry.event {
                        *revision = u32::try_from(n & 0xffff_ffff).unwrap_or(0);
                    }
                }
                _ => {}
            }
            state.apply(&entry);
            let _ = effects_of(&entry);
            prop_assert_eq!(state.n(), n);
            prop_assert_eq!(&state.restored(), &state);
        }
        for (_, command) in w.told.iter().take(20) {
            let mut command = command.clone();
            if let Some(cause) = &mut command.cause {
                cause.id = MessageId(uuid::Uuid::from_u128(u128::from(START.unix_ms()) << 80));
            }
            let ctx = w.context(&entity);
            let _ = state.decide(&ctx, &command, Known::New);
        }
    }
}
