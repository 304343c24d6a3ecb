//! The partition's place in the input stream: never past a message that has neither an entry nor a
//! known id.

use std::collections::VecDeque;

use crate::ledger::Position;

/// Messages worked on since the last place, in stream order.
#[derive(Default)]
pub struct Track {
    passed: VecDeque<Position>,
    last: Option<Position>,
}

impl Track {
    /// Starts at a place read from the ledger.
    pub fn from(position: Option<Position>) -> Self {
        Track { passed: VecDeque::new(), last: position }
    }

    /// A message was taken in.
    pub fn pass(&mut self, position: Position) {
        self.passed.push_back(position);
    }

    /// The place to commit: the last message passed before the first undecided one. `None` when it
    /// did not move.
    pub fn settle(&mut self, first_undecided: Option<u64>) -> Option<Position> {
        let mut moved = None;
        while let Some(front) = self.passed.front() {
            if first_undecided.is_some_and(|undecided| front.sequence >= undecided) {
                break;
            }
            moved = self.passed.pop_front();
        }
        if moved.is_some() {
            self.last = moved;
        }
        moved
    }

    /// The newest message that was taken in, decided or not: where an input that broke goes on.
    pub fn newest(&self) -> Option<Position> {
        self.passed.back().copied().or(self.last)
    }

    /// The stream is not the one these places are of.
    pub fn forget(&mut self) {
        self.passed.clear();
        self.last = None;
    }
}
