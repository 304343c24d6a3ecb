//! Jobs: what of a plug's endpoint is to be fetched for one HAT, when, and how that ended. Pure; the HAT decides with it
//! (`domain::hat::jobs`), workers and clients speak it.

mod body;
pub mod event;
pub mod hold;
pub mod ids;
pub mod limits;
pub mod schedule;
mod track;
mod word;

pub use body::JobBody;
pub use event::{HoldReason, JobEvent, JobFailure, JobStep, JobsMoved};
pub use hold::{Hold, Refusals};
pub use limits::JobLimits;
pub use track::{Current, TRACKS_MAX, Track, Tracks};
pub use word::{JobError, JobStatus, JobWord, PlugSchedule};

/// Longest continuation, bytes.
pub const CONTINUATION_BYTES_MAX: usize = 4096;
/// Longest wait for a source that a report or a hold can ask for, seconds: 30 days. A longer one counts as this.
pub const WAIT_SECONDS_MAX: u32 = 30 * 86_400;

#[cfg(test)]
mod tests;
