//! `dex`: the open data exchange of the HAT (Hub of All Things) ecosystem.
//!
//! The layers, lowest first; imports point down this list only (`tests/tidy.rs` holds it).

pub mod domain;
pub mod wire;
pub mod ledger;
pub mod store;
pub mod config;
pub mod telemetry;
pub mod nats;
pub mod actors;
pub mod client;
pub mod http;
pub mod simulation;
pub mod daemon;
pub mod cli;
