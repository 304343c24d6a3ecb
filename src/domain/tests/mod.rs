//! Tests of the core: plain ones for each reason, and laws over random histories.

mod apps;
mod bridges;
mod bundles;
mod claims;
mod classes;
mod debits;
mod exchanges;
mod explain;
mod history;
mod ids;
mod keys;
mod laws;
mod million;
mod notices;
mod offers;
mod oracle;
mod order;
mod pending;
mod periods;
mod plugs;
mod reasons;
mod registry;
mod reports;
mod total;
mod world;
