//! The protocol's actions as messages and as calls.

pub mod classes;
pub mod debit;
pub mod exchange;
pub mod job;
pub mod notice;
pub mod offer;
pub mod registry;
