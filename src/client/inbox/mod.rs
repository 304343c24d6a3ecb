//! What the exchange sends to a party, as a stream over a consumer of its own.

pub mod accept;
pub mod consumer;
pub mod delivery;
pub mod item;
pub mod seen;

pub use consumer::{Inbox, InboxOptions};
pub use delivery::Delivery;
pub use item::{Item, Recall, Request};
