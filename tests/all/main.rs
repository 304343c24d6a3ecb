//! All integration tests in one binary, one module per feature.

#![allow(unsafe_code)] // signals by pid, and the process's own resource usage

mod support;

mod apps;
mod bench;
mod bridge;
mod broker;
mod bundle_fuzz;
mod bundles;
mod bundles_postgres;
mod bus_in;
mod bus_out;
mod canary;
mod cli;
mod cli_bridge;
mod cli_classes;
mod cli_live;
mod client;
mod collect;
mod disk;
mod examples;
mod exchanges;
mod explain;
mod gateway;
mod gateway_applications;
mod gateway_contract;
mod gateway_docs;
mod gateway_load;
mod gateway_offers;
mod gateway_original;
mod gateway_own;
mod gateway_stats;
mod gateway_tokens;
mod grafana;
mod hat_api;
mod http;
mod large;
mod large_crash;
mod logs;
mod marks;
mod marks_aged;
mod nats_embedded;
mod nats_intake;
mod nats_publish;
mod nats_streams;
mod notices;
mod offers;
mod plugs;
mod queries;
mod query_schemas;
mod recovery;

mod rounds;
mod rubbish;
mod schemathesis;
mod simulation;
mod soak;
mod supervision;
mod suspension;
mod systemd;
mod tidy;
mod top;
mod trust;
mod trust_bundle;
mod verify;
