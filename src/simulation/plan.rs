//! What happens, by seed: one step after the other, without a clock.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::mistakes::{Mark, Mistake};
use super::people::Cast;
use super::records::endpoint_of;

/// The numbers of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Same seed, same parties and steps.
    pub seed: u64,
    /// HATs, 2 to 10,000.
    pub hats: usize,
    /// Steps a second; 0 as fast as the exchange answers.
    pub rate: u32,
    /// Share of steps that are mistakes, 0 to 1.
    pub mistakes: f64,
    /// Deadline of exchanges that shall be settled.
    pub settle_within: Duration,
    /// Deadline of those that shall expire.
    pub expire_within: Duration,
    /// Most steps under way at a time.
    pub in_flight: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 1,
            hats: 40,
            rate: 200,
            mistakes: 0.08,
            settle_within: Duration::from_secs(60),
            expire_within: Duration::from_secs(3),
            in_flight: 1024,
        }
    }
}

/// One thing that somebody does. Numbers are places in the [`Cast`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub act: Act,
    /// What its recipient does.
    pub mark: Mark,
    /// What is wrong with it.
    pub mistake: Option<Mistake>,
    /// Seed of its records.
    pub seed: u64,
}

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum Act {
    /// A plug or app writes into a HAT.
    Credit {
        /// Who writes.
        writer: usize,
        /// Into which HAT.
        hat: usize,
        /// One record of each.
        endpoints: Vec<&'static str>,
    },
    /// A HAT releases under one debit.
    Release {
        /// Whose data.
        hat: usize,
        /// Under which debit.
        debit: usize,
        /// One record of each.
        endpoints: Vec<&'static str>,
    },
    /// A HAT sends data to whoever may have it.
    Data {
        /// Whose data.
        hat: usize,
        /// One record of each.
        endpoints: Vec<&'static str>,
    },
    /// A debit's client asks a HAT for a release.
    Pull {
        /// Which HAT.
        hat: usize,
        /// Under which debit.
        debit: usize,
    },
}

/// The steps of a seed.
pub struct Plan {
    rng: StdRng,
    mistakes: f64,
}

impl Plan {
    /// A plan.
    pub fn new(settings: &Settings) -> Self {
        Plan { rng: StdRng::seed_from_u64(settings.seed), mistakes: settings.mistakes.clamp(0.0, 1.0) }
    }

    /// The next step.
    pub fn next(&mut self, cast: &Cast) -> Step {
        let seed = self.rng.r#gen();
        let hat = self.rng.gen_range(0..cast.hats.len());
        if self.rng.gen_bool(self.mistakes) {
            let mistake = *Mistake::ALL.choose(&mut self.rng).expect("there are mistakes");
            return Step { act: self.mistaken(cast, mistake, hat), mark: mistake.mark(), mistake: Some(mistake), seed };
        }
        let draw = self.rng.gen_range(0..100);
        let (act, mark) = match draw {
            0..64 => (self.credit(cast, hat), Mark::Accept),
            64..80 => (self.data(cast, hat), Mark::Accept),
            80..92 => (self.release(cast, hat), Mark::Accept),
            92..98 => (self.pull(cast, hat), Mark::Accept),
            _ => (self.credit(cast, hat), Mark::Hold),
        };
        Step { act, mark, mistake: None, seed }
    }

    fn credit(&mut self, cast: &Cast, hat: usize) -> Act {
        let writer = *cast.hats[hat].writers.choose(&mut self.rng).expect("every HAT has the app");
        Act::Credit { writer, hat, endpoints: self.endpoints(cast.writers[writer].namespace) }
    }

    fn endpoints(&mut self, namespace: &str) -> Vec<&'static str> {
        // Most sources push one record at a time; some send a few together.
        let records = if self.rng.gen_bool(0.7) { 1 } else { self.rng.gen_range(2..6) };
        (0..records).map(|_| endpoint_of(&mut self.rng, namespace)).collect()
    }

    fn debit(&mut self, cast: &Cast, hat: usize) -> usize {
        *cast.hats[hat].debits.choose(&mut self.rng).expect("every HAT has a debit")
    }

    fn release(&mut self, cast: &Cast, hat: usize) -> Act {
        let debit = self.debit(cast, hat);
        let endpoint = *cast.debits[debit].endpoints.choose(&mut self.rng).expect("every debit selects");
        Act::Release { hat, debit, endpoints: vec![endpoint; self.rng.gen_range(1..4)] }
    }

    fn data(&mut self, cast: &Cast, hat: usize) -> Act {
        let debits = &cast.hats[hat].debits;
        let some = self.rng.gen_range(1..=debits.len());
        let mut endpoints: Vec<&'static str> =
            debits.iter().take(some).map(|&debit| cast.debits[debit].endpoints[0]).collect();
        if self.rng.gen_bool(0.5) {
            // Selected by nobody: must reach nobody.
            endpoints.push("facebook/feed");
        }
        Act::Data { hat, endpoints }
    }

    fn pull(&mut self, cast: &Cast, hat: usize) -> Act {
        Act::Pull { hat, debit: self.debit(cast, hat) }
    }

    fn mistaken(&mut self, cast: &Cast, mistake: Mistake, hat: usize) -> Act {
        match mistake {
            Mistake::NotConnected => {
                let missing: Vec<usize> =
                    (0..cast.writers.len()).filter(|writer| !cast.hats[hat].writers.contains(writer)).collect();
                let writer = *missing.choose(&mut self.rng).expect("nobody has connected everything");
                Act::Credit { writer, hat, endpoints: self.endpoints(cast.writers[writer].namespace) }
            }
            Mistake::OutsideNamespace => match self.credit(cast, hat) {
                Act::Credit { writer, hat, .. } => {
                    let foreign =
                        if cast.writers[writer].namespace == "monzo" { "fitbit/weight" } else { "monzo/transactions" };
                    Act::Credit { writer, hat, endpoints: vec![foreign] }
                }
                other => other,
            },
            Mistake::NothingSelected => Act::Data { hat, endpoints: vec!["facebook/feed"] },
            Mistake::DebitNotFound => self.release(cast, hat),
            Mistake::Silent => match self.rng.gen_range(0..4) {
                0 => self.pull(cast, hat),
                1 => self.data(cast, hat),
                2 => self.release(cast, hat),
                _ => self.credit(cast, hat),
            },
            Mistake::WrongDigest | Mistake::WrongCount | Mistake::Refused => match self.rng.gen_range(0..3) {
                0 => self.data(cast, hat),
                1 => self.release(cast, hat),
                _ => self.credit(cast, hat),
            },
            Mistake::BadSignature | Mistake::UnknownHat | Mistake::Replayed | Mistake::Conflicting => {
                self.credit(cast, hat)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_same_by_seed_and_has_every_mistake() {
        let settings = Settings::default();
        let cast = Cast::new(settings.seed, settings.hats);
        let steps = |settings: &Settings| {
            let mut plan = Plan::new(settings);
            (0..4000).map(|_| plan.next(&cast)).collect::<Vec<_>>()
        };
        let one = steps(&settings);
        assert_eq!(one, steps(&settings));
        assert_ne!(one, steps(&Settings { seed: 2, ..settings.clone() }));
        for mistake in Mistake::ALL {
            assert!(one.iter().any(|step| step.mistake == Some(mistake)), "{mistake}");
        }
        let wrong = one.iter().filter(|step| step.mistake.is_some()).count();
        assert!((200..450).contains(&wrong), "{wrong} of 4000");
        assert!(steps(&Settings { mistakes: 0.0, ..settings }).iter().all(|step| step.mistake.is_none()));
    }
}
