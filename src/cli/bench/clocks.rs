//! Clocks around a measurement: how many settled, and what each took of the CPU.

use std::fmt;
use std::time::{Duration, Instant};

use crate::simulation::load::Load;
use crate::telemetry::process::cpu;

/// CPU per settled exchange, µs: what is in the middle, its broker, and the load.
#[derive(Clone, Copy)]
pub struct Cpu {
    pub middle: f64,
    pub nats: f64,
    pub load: f64,
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} itself, {:.0} broker, {:.0} load", self.middle, self.nats, self.load)
    }
}

/// Clocks around a measurement.
pub struct Clocks {
    pids: (u32, u32),
    began: Instant,
    used: [Duration; 3],
    settled: u64,
}

impl Clocks {
    /// Starts them; `pids`: what is in the middle, and its broker.
    pub fn start(pids: (u32, u32), load: &Load) -> Self {
        Clocks { pids, began: Instant::now(), used: Self::used(pids), settled: load.books.counts().settled }
    }

    fn used((itself, nats): (u32, u32)) -> [Duration; 3] {
        [cpu(itself), cpu(nats), cpu(std::process::id())]
    }

    /// Settled a second since the start, and the CPU of each.
    pub fn read(&self, load: &Load) -> (f64, Cpu) {
        let (took, used) = (self.began.elapsed(), Self::used(self.pids));
        let settled = (load.books.counts().settled - self.settled) as f64;
        let each = |n: usize| used[n].saturating_sub(self.used[n]).as_secs_f64() * 1e6 / settled.max(1.0);
        (settled / took.as_secs_f64(), Cpu { middle: each(0), nats: each(1), load: each(2) })
    }
}
