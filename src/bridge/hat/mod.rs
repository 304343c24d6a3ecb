//! A typed client of the HTTP API of one HAT: what it may ask, how long it waits, how much it reads.

pub mod ask;
pub mod data;
pub mod debit;
pub mod door;
pub mod error;
pub mod plug;
pub mod public;
pub mod retry;
pub mod rsa;
pub mod secret;
pub mod token;

pub use door::{Door, DoorOptions};
pub use error::{Fault, HatError};
pub use secret::{Account, Secret};
pub use token::Session;
