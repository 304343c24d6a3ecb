//! The exchange's current trust bundle: made anew when the registry has changed or half of its life is over, at most once a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::actors::shared::Shared;
use crate::domain::time::SECOND;
use crate::domain::{Digest, Timestamp};
use crate::ledger::{CheckpointError, CheckpointVerifier};
use crate::wire::subject;
use crate::wire::trust_bundle::{Made, Party, Stand, make};

/// How often it is looked whether there is something new.
const EVERY: Duration = Duration::from_secs(1);

/// Makes bundles and keeps the newest.
pub struct Bundles {
    life: i64,
    most: usize,
    newest: Mutex<Option<Arc<Made>>>,
}

impl Bundles {
    /// Bundles that live for `life` nanoseconds and have at most `most` bytes.
    pub fn new(life: i64, most: usize) -> Self {
        Bundles { life, most, newest: Mutex::default() }
    }

    /// The bundle to go by now.
    ///
    /// # Errors
    /// When the ledger's newest checkpoint cannot be read.
    pub fn current(&self, shared: &Shared) -> Result<Arc<Made>, CheckpointError> {
        let now = shared.clock.now();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*newest
            && !self.outdated(&made.bundle, shared.registry.generation(), now)
        {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(self.make(shared, now)?);
        *newest = Some(Arc::clone(&made));
        Ok(made)
    }

    fn outdated(&self, of: &crate::wire::trust_bundle::TrustBundle, generation: u64, now: Timestamp) -> bool {
        let age = now.since(of.issued);
        // A clock that was put back must not leave a bundle that is yet to come.
        age < 0 || (age >= SECOND && of.generation != generation) || age >= self.life / 2
    }

    fn make(&self, shared: &Shared, now: Timestamp) -> Result<Made, CheckpointError> {
        // In this order: all that the number counts is in the registry by then, and all of that is in the tree.
        let generation = shared.registry.generation();
        let listed = shared.registry.listed();
        let parties = listed.iter().filter_map(|(party, registration)| Party::of(party, registration)).collect();
        let note = shared.reader.checkpoint();
        let verifier = CheckpointVerifier::new(&shared.origin, shared.signer.public().0)?;
        let checkpoint = verifier.open(&note)?;
        let stand = Stand { tree_size: checkpoint.size, root: Digest(checkpoint.root), note: note.as_ref().to_owned() };
        let expires = now.plus(self.life);
        Ok(make(&shared.signer, &shared.origin, generation, now, expires, stand, parties, self.most))
    }

    /// Broadcasts each new bundle until told to stop.
    pub async fn broadcast(&self, shared: Arc<Shared>, client: async_nats::Client, stop: CancellationToken) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let topic = subject::broadcast("trust");
        let mut told = None;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => return,
            }
            let made = match self.current(&shared) {
                Ok(made) => made,
                Err(error) => {
                    tracing::error!(%error, "no trust bundle can be made");
                    continue;
                }
            };
            if told == Some(made.digest) {
                continue;
            }
            match client.publish(topic.clone(), made.bytes.clone().into()).await {
                Ok(()) => told = Some(made.digest),
                Err(error) => tracing::debug!(%error, "the trust bundle was not broadcast"),
            }
        }
    }
}
