//! Which records were credited already: a bounded set of record ids. What it forgets is sent once more, no worse.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<u128>,
    old: HashSet<u128>,
}

/// Two generations of ids: when the young one is full it becomes the old one, and the old one is forgotten. An id that is
/// asked for stays young.
#[derive(Debug)]
pub struct Memory {
    /// Most ids of a generation.
    most: usize,
    sets: Mutex<Generations>,
}

impl Memory {
    /// Remembers at most so many ids; at least half of them are the newest.
    pub fn new(most: usize) -> Self {
        Memory { most: most / 2, sets: Mutex::default() }
    }

    /// Whether it was credited, as far as is remembered.
    pub fn knows(&self, id: Uuid) -> bool {
        let id = id.as_u128();
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.young.contains(&id) {
            return true;
        }
        if sets.old.contains(&id) {
            self.put(&mut sets, id);
            return true;
        }
        false
    }

    /// These were credited.
    pub fn note(&self, ids: impl IntoIterator<Item = Uuid>) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            self.put(&mut sets, id.as_u128());
        }
    }

    fn put(&self, sets: &mut Generations, id: u128) {
        if self.most == 0 {
            return;
        }
        if sets.young.len() >= self.most {
            // Its room is used again: the tables grow once.
            std::mem::swap(&mut sets.young, &mut sets.old);
            sets.young.clear();
        }
        sets.young.insert(id);
    }

    /// Ids remembered.
    pub fn len(&self) -> usize {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.young.len() + sets.old.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_newest_half_is_known_and_the_bound_is_kept(most in 2usize..64, ids in prop::collection::vec(0u128..200, 0..300)) {
            let memory = Memory::new(most);
            let id = |n: u128| Uuid::from_u128(n);
            for (at, n) in ids.iter().enumerate() {
                memory.note([id(*n)]);
                prop_assert!(memory.len() <= most);
                let mut newest: Vec<u128> = Vec::new();
                for n in ids[..=at].iter().rev() {
                    if !newest.contains(n) { newest.push(*n) }
                    if newest.len() == most / 2 { break }
                }
                let sets = memory.sets.lock().expect("no panic");
                prop_assert!(newest.iter().all(|n| sets.young.contains(n) || sets.old.contains(n)));
            }
        }
    }

    #[test]
    fn what_is_asked_for_stays() {
        let memory = Memory::new(4);
        let id = Uuid::from_u128;
        memory.note([id(1), id(2), id(3)]);
        assert!(memory.knows(id(1)), "of the old generation");
        memory.note([id(4), id(5)]);
        assert!(memory.knows(id(1)) && !memory.knows(id(2)));
    }

    #[test]
    fn nothing_is_remembered_where_that_is_asked_for() {
        let memory = Memory::new(0);
        memory.note([Uuid::from_u128(1)]);
        assert!(!memory.knows(Uuid::from_u128(1)) && memory.is_empty());
    }
}
