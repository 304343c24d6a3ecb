//! The wire protocol, version 1: everything that crosses a process boundary, as pure code.
//!
//! [`mod@decode`] reads a message in, [`outgoing`] builds what is published, [`received`] is the
//! recipient's side, [`signed_text`], [`sign`] and [`mod@verify`] are the signatures. No broker type
//! appears here; `docs/protocol.md` is the same for implementers in other languages.

pub mod actions;
pub mod body;
pub mod canonical;
mod classes;
pub mod dead;
pub mod decode;
pub mod depth;
pub mod form;
pub mod header;
pub mod job;
pub mod message_id;
pub mod object;
pub mod outcome;
pub mod outgoing;
pub mod problem;
pub mod query;
pub mod received;
pub mod report;
pub mod schema;
pub mod sign;
pub mod signed_text;
pub mod standing;
pub mod statistics;
pub mod subject;
pub mod together;
pub mod trace_context;
pub mod trust_bundle;
pub mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use decode::{Incoming, Raw, Refused, decode};
pub use header::{HeaderList, HeaderSource};
pub use message_id::{effect_id, message_id_v7};
pub use outcome::{Leaf, OutcomeOut, Proof};
pub use outgoing::{MessageOptions, Outgoing, Said};
pub use problem::Problem;
pub use received::{Connected, Delivery, Noticed, RecallRequest, ReceivedError, Request};
pub use sign::Signer;
pub use trace_context::TraceContext;
pub use verify::{KnownKeys, is_weak, verify, verify_batch, verify_batch_of};
