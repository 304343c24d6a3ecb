//! The pure core: what the exchange promises, as state machines.
//!
//! No I/O, no clock, no randomness: everything comes in as an argument, so that live running, replay
//! of the ledger and simulation give the same result. [`entity::Entity::decide`] reads, [`entity::Entity::apply`]
//! folds, [`effect::effects_of`] tells what follows from a committed entry.

pub mod app;
pub mod bundle;
pub mod bytes;
pub mod canonical;
pub mod command;
pub mod debit;
mod debit_terms;
pub mod effect;
pub mod entity;
pub mod entry;
pub mod event;
mod event_reads;
pub mod exchange;
pub mod explain;
pub mod fact;
pub mod hat;
pub mod id;
pub mod job;
pub mod lane;
pub mod limits;
pub mod member;
pub mod notice;
pub mod offer;
mod offer_terms;
pub(crate) mod party;
pub mod pii;
pub mod pin;
pub mod plug;
pub mod records;
pub mod registration;
pub mod report;
pub mod seal;
pub mod statistics;
pub mod time;
pub mod tree;
pub mod verdict;

pub use bytes::{Digest, Key, Signature};
pub use command::{Action, Cause, Command};
pub use effect::{Effect, Outcome, effects_of};
pub use entity::{Context, Decision, Draft, Entity, Known, RegistryView};
pub use entry::{Basis, Entry};
pub use event::Event;
pub use hat::Hat;
pub use id::{Address, Id, Kind, MessageId};
pub use lane::Lane;
pub use limits::Limits;
pub use member::Member;
pub use offer::Offer;
pub use pin::Pin;
pub use plug::Plug;
pub use records::Records;
pub use registration::{Profile, Registration, Standing, Transport};
pub use seal::seal;
pub use time::Timestamp;
pub use verdict::{Reason, Status};

#[cfg(test)]
mod tests;
