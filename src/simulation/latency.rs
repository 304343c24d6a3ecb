//! A distribution of times in fixed space: buckets that grow by a sixteenth of an octave.

use std::time::Duration;

/// Buckets of one octave.
const STEPS: f64 = 16.0;
/// From 1 µs up to about 2^32 µs.
const BUCKETS: usize = 512;

/// Times, to within 5 %.
#[derive(Debug, Clone)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        let micros = (time.as_secs_f64() * 1e6).max(1.0);
        let bucket = (micros.log2() * STEPS) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// The time that a share `q` (0 to 1) stayed below; zero when there is none.
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((self.total as f64) * q).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= rank && self.total > 0 {
                return Duration::from_secs_f64(((bucket as f64 + 0.5) / STEPS).exp2() / 1e6);
            }
        }
        Duration::ZERO
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near() {
        let mut times = Latencies::default();
        assert_eq!(times.quantile(0.5), Duration::ZERO);
        for ms in 1..=1000 {
            times.add(Duration::from_millis(ms));
        }
        for (q, ms) in [(0.5, 500.0), (0.99, 990.0), (0.01, 10.0)] {
            let found = times.quantile(q).as_secs_f64() * 1e3;
            assert!((found / ms - 1.0).abs() < 0.05, "{q}: {found} ms");
        }
    }
}
