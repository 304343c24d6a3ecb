//! Counters of the ecosystem, fed by committed entries alone.

use std::sync::Arc;

use actix::prelude::*;

use crate::store::Sealed;
use crate::telemetry::ExchangeCounters;

/// Committed entries, in the order of one partition.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Observe(pub Vec<Arc<Sealed>>);

/// Counts what the ledger says.
pub struct StatsActor {
    counters: ExchangeCounters,
}

impl StatsActor {
    /// Counters at zero: they tell of this process's life; the ledger tells the rest.
    pub fn new() -> Self {
        StatsActor { counters: ExchangeCounters::new() }
    }
}

impl Default for StatsActor {
    fn default() -> Self {
        Self::new()
    }
}

impl Actor for StatsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
    }
}

impl Handler<Observe> for StatsActor {
    type Result = ();

    fn handle(&mut self, observe: Observe, _: &mut Self::Context) {
        for sealed in &observe.0 {
            self.counters.count(&sealed.entry);
        }
    }
}
