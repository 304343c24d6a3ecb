//! Counters and statistics of the ecosystem, fed by committed entries alone.

use std::sync::Arc;

use actix::prelude::*;

use super::shared::Shared;
use crate::domain::statistics::Stand;
use crate::store::Sealed;
use crate::telemetry::ExchangeCounters;

/// Committed entries: a partition's share of a group, and the checkpoint over that group.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Observe {
    /// The entries, in the order of their leaves.
    pub sealed: Vec<Arc<Sealed>>,
    /// Size and note of the checkpoint.
    pub stand: Stand,
}

/// Counts what the ledger says.
pub struct StatsActor {
    counters: ExchangeCounters,
    shared: Arc<Shared>,
}

impl StatsActor {
    /// Counters at zero: they tell of this process's life. The statistics go on where the ledger is.
    pub fn new(shared: Arc<Shared>) -> Self {
        StatsActor { counters: ExchangeCounters::new(), shared }
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
        for sealed in &observe.sealed {
            self.counters.count(&sealed.entry);
        }
        self.shared.statistics.take(observe.sealed, observe.stand);
    }
}
