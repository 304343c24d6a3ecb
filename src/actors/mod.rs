//! The actors: thin shells around the pure core. The only folder that knows actix.
//!
//! Start with [`path`]: the seven steps of one exchange.

mod again;
mod anonymous;
mod books;
mod callers;
mod commit;
mod compact;
mod decide;
mod heal;
mod intake;
mod land;
mod lowly;
mod mark_file;
mod marks;
mod prefix;
mod publishing;
mod recents;
mod route;
mod tick;
mod wakes;
mod work;

pub mod board;
pub mod clock;
pub mod connections;
pub mod directory;
pub mod dispatch;
pub mod entity;
pub mod fatal;
pub mod herald;
pub mod jobs;
pub mod kinds;
pub mod large;
pub mod ledger;
pub mod notices;
pub mod outbox;
mod parked;
pub mod partition;
pub mod path;
pub mod position;
pub mod registry;
pub mod shared;
pub mod snapshot;
pub mod source;
pub mod start;
pub mod statistics;
pub mod stats;
pub mod supervisor;
