//! `dex`: the open data exchange of the HAT (Hub of All Things) ecosystem.
//!
//! The layers, lowest first; imports point down this list only (`tests/tidy.rs` holds it).

pub mod actors;
pub mod bridge;
pub mod cli;
pub mod client;
pub mod config;
pub mod connectors;
pub mod daemon;
pub mod domain;
pub mod gateway;
pub mod http;
pub mod ledger;
pub mod nats;
pub mod simulation;
pub mod store;
pub mod telemetry;
pub mod wire;
pub mod worker;
