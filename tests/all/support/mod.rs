//! What several integration tests share.

pub mod browser;
pub mod canary;
pub mod cast;
pub mod contract;
pub mod dashboard;
pub mod exchange;
pub mod gateway;
pub mod http_hat;
pub mod inside;
pub mod large;
pub mod ledger;
pub mod losses;
pub mod nats_server;
pub mod postgres;
pub mod prometheus;
pub mod schema;
pub mod shape;
pub mod source;
pub mod web;
pub mod worker;
