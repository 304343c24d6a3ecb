//! Content that is larger than a message.

use crate::telemetry::names;

/// A piece of work on a large content has ended.
pub struct LargeMoved {
    /// How, one of [`LargeMoved::WHAT`].
    pub what: &'static str,
}

impl LargeMoved {
    /// Every `what` in use, so that each appears at zero.
    pub const WHAT: [&'static str; 6] = ["fetched", "refused", "delivered", "cleared", "swept", "again"];

    /// Logs and counts.
    pub fn emit(self) {
        tracing::debug!(what = self.what, "large content");
        metrics::counter!(names::LARGE_MOVED_TOTAL, "what" => self.what).increment(1);
    }
}

/// Bytes of large content went over the bus.
pub struct LargeBytes {
    /// One of [`LargeBytes::DIRECTIONS`].
    pub direction: &'static str,
    /// How many.
    pub bytes: u64,
}

impl LargeBytes {
    /// Every `direction`, so that each appears at zero: fetched, and handed out.
    pub const DIRECTIONS: [&'static str; 2] = ["in", "out"];

    /// Counts.
    pub fn emit(self) {
        metrics::counter!(names::LARGE_BYTES_TOTAL, "direction" => self.direction).increment(self.bytes);
    }
}
