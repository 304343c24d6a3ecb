//! What is killed when, by seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Shortest and longest load before a kill, milliseconds.
const LOAD_MS: std::ops::Range<u64> = 100..1000;
/// Shortest and longest time that what was killed stays away, milliseconds.
const AWAY_MS: std::ops::Range<u64> = 0..400;
/// Shortest and longest time between two kills, or two starts, of one round, milliseconds.
const APART_MS: std::ops::Range<u64> = 0..150;

/// Whose nats-server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Its own: it lives and dies apart from the daemon.
    Own,
    /// The daemon's: started and supervised by it.
    Embedded,
}

impl Leg {
    /// Both, in their order.
    pub const ALL: [Leg; 2] = [Leg::Own, Leg::Embedded];

    /// How many of `rounds` are this leg's: two of three the own one's, the rest the embedded one's.
    pub const fn share(self, rounds: u32) -> u32 {
        match self {
            Leg::Own => rounds - rounds / 3,
            Leg::Embedded => rounds / 3,
        }
    }

    /// Its name, for people and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Leg::Own => "own",
            Leg::Embedded => "embedded",
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who gets SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Victim {
    /// The daemon.
    Daemon,
    /// The nats-server.
    Server,
    /// Both.
    Both,
}

impl Victim {
    /// All of them.
    pub const ALL: [Victim; 3] = [Victim::Daemon, Victim::Server, Victim::Both];

    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Victim::Daemon => "daemon",
            Victim::Server => "server",
            Victim::Both => "both",
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One round: load, kill, pause, start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Who is killed.
    pub victim: Victim,
    /// Load before the kill.
    pub load: Duration,
    /// How long what was killed stays away.
    pub away: Duration,
    /// Of both: the daemon goes first, and comes first.
    pub daemon_first: (bool, bool),
    /// Between the two kills and between the two starts of both.
    pub apart: (Duration, Duration),
}

/// The rounds of a leg: the same for the same numbers. Each victim comes once in every three.
pub fn rounds(seed: u64, leg: Leg, count: u32) -> Vec<Round> {
    let mut rng = StdRng::seed_from_u64(seed ^ (0x50a6 + leg as u64));
    let mut bag = Vec::new();
    (0..count)
        .map(|_| {
            if bag.is_empty() {
                bag.extend(Victim::ALL);
                bag.shuffle(&mut rng);
            }
            let mut ms = |range: std::ops::Range<u64>| Duration::from_millis(rng.gen_range(range));
            let (load, away) = (ms(LOAD_MS), ms(AWAY_MS));
            let apart = (ms(APART_MS), ms(APART_MS));
            Round {
                victim: bag.pop().unwrap_or(Victim::Both),
                load,
                away,
                daemon_first: (rng.r#gen(), rng.r#gen()),
                apart,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_the_same_by_seed_and_every_victim_comes() {
        let one = rounds(7, Leg::Own, 30);
        assert_eq!(one, rounds(7, Leg::Own, 30));
        assert_ne!(one, rounds(8, Leg::Own, 30));
        assert_ne!(one, rounds(7, Leg::Embedded, 30));
        for victim in Victim::ALL {
            assert_eq!(one.iter().filter(|round| round.victim == victim).count(), 10);
        }
        assert!(one.iter().any(|round| round.daemon_first.0) && one.iter().any(|round| !round.daemon_first.0));
    }

    #[test]
    fn legs_share_all_rounds() {
        for rounds in 1..50 {
            assert_eq!(Leg::ALL.iter().map(|leg| leg.share(rounds)).sum::<u32>(), rounds);
        }
    }
}
