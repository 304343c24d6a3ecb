//! The configuration: defaults built in, a file over them, the environment over both.

mod check;
mod load;
mod reload;
mod sections;
mod span;
#[cfg(test)]
mod tests;
mod wrong;

pub use load::{Problem, load, load_with};
pub use sections::{
    Actors, Bridge, BridgeAccount, Config, Dispatch, Embedded, Exchange, Gateway, Http, Large, LedgerFiles, Limits,
    Log, LogFormat, Nats, Operator, Signatures, Snapshot, Statistics, Streams, Trust,
};
pub use span::Span;

/// The defaults, every key with its comment.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
