//! What several integration tests share.

pub mod exchange;
pub mod nats_server;
