//! A soak: steady load on an exchange that is killed again and again, what its participants were told and
//! what they applied, and the comparison of that with the ledger.
//!
//! [`plan`] says when what is killed, [`load`] sends, [`recipient`] receives, [`witness`] keeps what was seen,
//! [`check`] compares.

pub mod check;
pub mod load;
pub mod plan;
pub mod recipient;
pub mod witness;

pub use check::{Verdict, check};
pub use load::{Load, Readers};
pub use plan::{Leg, Round, Victim};
pub use witness::{Testimony, Witness};
