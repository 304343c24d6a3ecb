//! Exchanges on a HAT: one file per transition.

pub mod check;
pub mod credit;
pub mod deadline;
pub mod delivery_id;
pub mod fan_out;
pub mod opening;
pub mod pull;
pub mod recall;
pub mod receipt;
pub mod release;

pub use check::{Sender, authenticate};
