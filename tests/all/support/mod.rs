//! What several integration tests share.

pub mod nats_server;
