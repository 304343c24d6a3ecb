//! What keeps a single HAT from being seen in public figures.
//!
//! A figure is told as it stood when at least `k` different HATs had changed it since it was told before. So whoever asks
//! before and after one HAT did something sees either no difference, or one that `k` HATs made together.

use serde::{Deserialize, Serialize};

/// HATs that have changed a figure since it was last released, by their hashes; fewer than `k`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gate(Vec<u64>);

impl Gate {
    /// The HAT of this hash has changed the figure. True: from here on it may be told as it stands now.
    pub fn opens(&mut self, hat: u64, k: u32) -> bool {
        if !self.0.contains(&hat) {
            self.0.push(hat);
        }
        let open = self.0.len() >= k as usize;
        if open {
            self.0.clear();
        }
        open
    }
}
