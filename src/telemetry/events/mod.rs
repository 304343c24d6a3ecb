//! One struct per happening: its `emit` logs and counts, so that logs and metrics cannot drift apart.
//! No id of a party, no content and no secret is in any of them.

mod actors;
mod bridge;
mod broker;
mod large;
mod ledger;
mod trace;
mod worker;

pub use actors::{ActorExit, EntityQuarantined, Passivated};
pub use bridge::{BridgeFault, Carried, DebitTold, Onboarded, Pulled, RecordsPosted};
pub use broker::{
    EffectFailed, Healed, IntakeReopened, OutputLost, Parked, PublishingStalled, Redelivered, Refused, StreamMadeAgain,
    StreamRolledBack,
};
pub use large::{LargeBytes, LargeMoved};
pub use ledger::{CommitFailed, DiskFull, GroupCommitted, SnapshotFailed, SnapshotWritten};
pub use trace::TracedMessage;
pub use worker::{JobEnded, PageFetched, RecordsCredited, RoundAnew, SourceFault, TokenRefreshed};
