//! Looks after the stream of jobs and its consumers, and after HATs that have something to plan that nobody told them of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Foreman;
use crate::actors::entity::Ask;
use crate::actors::shared::Shared;
use crate::actors::work::Work;
use crate::domain::job::Tracks;
use crate::domain::{Action, Address, Command, Id, Kind, Known, Profile, RegistryView, Timestamp};
use crate::nats::lookup;
use crate::nats::streams::{self, DEX_JOBS};
use crate::store::StoreError;
use crate::telemetry::events::{EffectFailed, Healed, StreamMadeAgain};
use crate::wire::subject;

/// How often a job is given to a worker at most; its end comes first unless workers lose it at once.
const DELIVER_MAX: i64 = 64;
/// Most jobs that the workers of one plug may have at a time.
const PENDING_MAX: i64 = 10_000;
/// HATs that are asked in a second.
const ASKED_PER_SECOND: u32 = 500;

impl Foreman {
    /// Makes the stream again when it is gone, and hands out once more what it has lost.
    pub(super) async fn look(&mut self) {
        let found = match lookup::find(&self.link.jetstream, DEX_JOBS).await {
            Ok(found) => found,
            Err(error) => return tracing::debug!(%error, "the stream of jobs cannot be looked at"),
        };
        let Some(found) = found else {
            match streams::prepare_jobs(&self.link.jetstream, self.stream_bytes).await {
                Ok(made) => {
                    StreamMadeAgain { stream: DEX_JOBS }.emit();
                    self.lost(made.identity.created_ns);
                }
                Err(error) => EffectFailed { what: "job", detail: &error.to_string() }.emit(),
            }
            return;
        };
        match (self.created, self.kept) {
            (Some(created), _) if created == found.created_ns && found.last_sequence >= self.sequence => {}
            (None, Some(kept)) if kept.created == found.created_ns && found.last_sequence >= kept.sequence => {
                (self.created, self.sequence) = (Some(found.created_ns), kept.sequence);
                let count = self.board().again(Timestamp(kept.before));
                tracing::debug!(count, "jobs that were planned last are handed out again");
            }
            _ => self.lost(found.created_ns),
        }
        self.consumers_left().await;
    }

    /// The stream is another one, or goes less far than it did: every open job is handed out again.
    fn lost(&mut self, created: i64) {
        let first = self.created.is_none() && self.kept.is_none();
        (self.created, self.sequence) = (Some(created), 0);
        self.consumers.clear();
        let count = self.board().again(Timestamp(i64::MIN));
        if !first {
            Healed { what: "job", count: count as u64 }.emit();
        }
    }

    /// Forgets consumers that somebody has removed, and sees to those of plugs that have open jobs.
    async fn consumers_left(&mut self) {
        if !self.consumers.is_empty() {
            let stream = self.link.jetstream.get_stream_no_info(DEX_JOBS).await;
            let Ok(stream) = stream else { return };
            let names: Vec<Result<String, _>> = stream.consumer_names().collect().await;
            let Ok(names) = names.into_iter().collect::<Result<BTreeSet<String>, _>>() else { return };
            self.consumers.retain(|plug, _| names.contains(&subject::job_consumer(plug)));
        }
        for plug in self.board().busy() {
            let party = Address::new(Kind::Plug, plug.clone());
            let Some(registration) = self.shared.registry.registration(&party) else { continue };
            let manifest = registration.profile.as_ref().and_then(Profile::plug_manifest);
            let limits = manifest.and_then(|manifest| manifest.jobs).unwrap_or_default();
            if let Err(detail) = self.consumer(&plug, limits.lease_seconds).await {
                EffectFailed { what: "job", detail: &detail }.emit();
            }
        }
    }

    /// Makes sure of the consumer that a plug's workers share.
    ///
    /// # Errors
    /// What the broker says.
    pub(super) async fn consumer(&mut self, plug: &Id, lease_seconds: u32) -> Result<(), String> {
        if self.consumers.get(plug) == Some(&lease_seconds) {
            return Ok(());
        }
        let name = subject::job_consumer(plug);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            description: Some("jobs of one plug, for its workers".into()),
            filter_subject: subject::job(plug),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(u64::from(lease_seconds)),
            max_deliver: DELIVER_MAX,
            max_ack_pending: PENDING_MAX,
            ..pull::Config::default()
        };
        let stream = self.link.jetstream.get_stream_no_info(DEX_JOBS).await.map_err(|error| error.to_string())?;
        stream.create_consumer(config).await.map_err(|error| format!("consumer {name}: {error}"))?;
        self.consumers.insert(plug.clone(), lease_seconds);
        Ok(())
    }
}

/// Of a HAT's row only this is read.
#[derive(Deserialize)]
struct OfHat {
    plugs: BTreeMap<Id, IgnoredAny>,
    #[serde(default)]
    jobs: Tracks,
}

/// Asks the HATs to look at the clock that have one of `plugs` (any, when there is none) connected and nothing planned of an
/// endpoint that its manifest has at intervals.
pub(super) async fn ask_hats(
    plugs: Option<BTreeSet<Id>>,
    shared: Arc<Shared>,
    locals: Vec<mpsc::Sender<Work>>,
    stop: CancellationToken,
) {
    let reader = Arc::clone(&shared);
    let read = tokio::task::spawn_blocking(move || unplanned(&reader, plugs.as_ref())).await;
    let hats = match read {
        Ok(Ok(hats)) => hats,
        Ok(Err(error)) => return EffectFailed { what: "job", detail: &error.to_string() }.emit(),
        Err(error) => return EffectFailed { what: "job", detail: &error.to_string() }.emit(),
    };
    let mut pace = tokio::time::interval(Duration::from_secs(1) / ASKED_PER_SECOND);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for hat in hats {
        pace.tick().await;
        let Some(local) = locals.get(usize::from(shared.partition_of(&hat))) else { continue };
        if stop.is_cancelled() || local.send(wake(&shared, hat)).await.is_err() {
            return;
        }
    }
}

fn unplanned(shared: &Shared, plugs: Option<&BTreeSet<Id>>) -> Result<Vec<Address>, StoreError> {
    let mut hats = Vec::new();
    for row in shared.db.rows(Some(Kind::Hat))? {
        let (party, row) = row?;
        let of: OfHat = rmp_serde::from_slice(&row.state).map_err(|error| StoreError::Decode {
            what: "the state",
            key: party.to_string(),
            detail: error.to_string(),
        })?;
        let lacks = |plug: &Id| {
            let registration = shared.registry.registration(&Address::new(Kind::Plug, plug.clone()));
            let manifest = registration.as_ref().and_then(|of| of.profile.as_ref()?.plug_manifest());
            manifest.is_some_and(|manifest| {
                manifest.scheduled().any(|(endpoint, _)| of.jobs.get(plug, &endpoint.name).is_none())
            })
        };
        if of.plugs.keys().any(|plug| plugs.is_none_or(|plugs| plugs.contains(plug)) && lacks(plug)) {
            hats.push(party);
        }
    }
    // What is not in rows yet is asked too: it may have connected the plug just now.
    hats.extend(shared.tail.dirty().into_iter().filter(|party| party.kind == Kind::Hat));
    Ok(hats)
}

fn wake(shared: &Shared, hat: Address) -> Work {
    let command = Command {
        addressed: hat.clone(),
        action: Action::Wake,
        cause: None,
        deadline: None,
        pull: None,
        job: None,
        stored_at: shared.clock.now(),
    };
    Work {
        ask: Ask { command, known: Known::New },
        entity: hat,
        key: None,
        sequence: None,
        reply: None,
        want_proof: false,
        trace: None,
    }
}
