//! The sections and their keys. `config/default.toml` tells what each means.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::span::Span;
use crate::domain::Key;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // the names are the file's; config/default.toml documents each key
pub struct Config {
    pub exchange: Exchange,
    pub operator: Vec<Operator>,
    pub nats: Nats,
    pub streams: Streams,
    pub limits: Limits,
    pub large: Large,
    pub ledger: LedgerFiles,
    pub snapshot: Snapshot,
    pub actors: Actors,
    pub dispatch: Dispatch,
    pub trust: Trust,
    pub statistics: Statistics,
    pub http: Http,
    pub bridge: Bridge,
    pub gateway: Gateway,
    pub log: Log,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs)] // the keys are documented in config/default.toml, once
        pub struct $name { $(pub $key: $ty),* }
    };
}

/// Whether messages need a signature of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signatures {
    /// Every message.
    Required,
    /// The broker's authentication stands for it.
    TrustedBroker,
}

section! { /// `[exchange]`
Exchange { origin: String, state_dir: String, partitions: u16, signatures: Signatures } }
section! { /// `[[operator]]`
Operator { name: String, keys: Vec<Key> } }
section! { /// `[nats]`
Nats { url: String, credentials_file: String, nkey_seed_file: String, embedded: Embedded } }
section! { /// `[nats.embedded]`
Embedded { binary: String, host: String, port: u16, sync_interval: Span, threads: usize, websocket: WebSocket } }
section! { /// `[nats.embedded.websocket]`
WebSocket { enabled: bool, listen: SocketAddr, origins: Vec<String> } }
section! { /// `[streams]`
Streams { in_max_bytes: i64, in_max_age: Span, out_max_bytes: i64, out_max_age: Span, out_max_consumers: i32, jobs_max_bytes: i64 } }
section! { /// `[limits]`
Limits {
    body_bytes: usize, header_bytes: usize, depth: usize, records: usize, id_back: Span, id_ahead: Span,
    deadline_default: Span, deadline_min: Span, deadline_max: Span, open_per_hat: usize, messages_per_minute: u32,
    claim_lapse: Span, connecting_again: Span, notices_per_hour: u32, four_eyes: bool, large_content_bytes: u64,
    large_per_hat_bytes: u64,
} }
section! { /// `[large]`
Large { enabled: bool, transfers: usize, store_bytes: u64, keep_uploads: Span } }
section! { /// `[ledger]`
LedgerFiles { segment_bytes: u64, spool_segment_bytes: u64, reserve_bytes: u64, free_min_bytes: u64 } }
section! { /// `[snapshot]`
Snapshot { interval: Span, entries: usize, entries_max: usize } }
section! { /// `[actors]`
Actors {
    arbiters: usize, batch: usize, linger: Span, live: usize, idle: Span, restarts_per_minute: u32, quarantine: Span,
} }
section! { /// `[dispatch]`
Dispatch { redelivery_first: Span, redelivery_max: Span, notices_per_second: u32 } }
section! { /// `[trust]`
Trust { bundle_life: Span, bundle_bytes: usize } }
section! { /// `[statistics]`
Statistics { enabled: bool, k: u32 } }
section! { /// `[http]`
Http { listen: SocketAddr } }
section! { /// `[bridge]`
Bridge {
    enabled: bool, hats: usize, at_once: usize, timeout: Span, connect_timeout: Span, answer_bytes: usize,
    roster_every: Span, debits_every: Span, debits_every_max: Span, key_every: Span, pause_max: Span,
    private_addresses: bool, plain_http: bool, resolve: Vec<String>, account: Vec<BridgeAccount>,
} }
section! { /// `[[bridge.account]]`
BridgeAccount { domain: String, username: String, password: String } }
section! { /// `[gateway]`
Gateway {
    enabled: bool, listen: SocketAddr, console: bool, admin: bool, resources: Vec<String>, clock_skew: Span, hat_token_age: Span,
    token_life: Span, logins_at_once: usize, requests_per_second: u32, requests_burst: u32, address_per_second: u32,
    address_burst: u32, body_bytes: usize, request_timeout: Span, cors_origins: Vec<String>, trust_forwarded: bool,
} }
section! { /// `[log]`
Log { level: String, format: LogFormat } }

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// systemd's journal.
    Journald,
}
