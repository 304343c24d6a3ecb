//! The ecosystem in a box: HATs, plugs, an app and organisations by seed, with mistakes by seed, and books
//! that must balance. Speaks to an exchange by [`crate::client`] alone.
//!
//! [`people`] and [`plan`] say who and what, [`stage`] registers everybody, [`drive`] sends, [`recipient`]
//! receives, [`tally`] keeps the books, [`summary`] closes them. [`load`] is for measuring, [`soak`] for kills.

pub mod acquired;
pub mod drive;
pub mod latency;
pub mod load;
pub mod mistakes;
pub mod people;
pub mod plan;
pub mod recipient;
pub mod records;
pub mod soak;
pub mod stage;
pub mod summary;
pub mod tally;

pub use acquired::Acquirer;
pub use drive::{Drive, Readers};
pub use mistakes::{Mark, Mistake};
pub use people::Cast;
pub use plan::Settings;
pub use stage::Stage;
pub use summary::{Counts, Summary, counter};
