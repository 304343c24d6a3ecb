//! The life of one exchange on a HAT: checked, opened, and ended by a receipt, a recall or its deadline.

pub(crate) mod answer;
pub mod check;
pub mod credit;
pub mod deadline;
pub mod delivery_id;
pub mod fan_out;
pub mod large;
pub mod open;
pub mod pull;
pub mod pull_unnamed;
pub mod recall;
pub mod receipt;
pub mod release;
pub mod tally;

pub use open::Open;
pub(crate) use tally::tally;
