//! Which HATs the bridge carries for: read from the exchange again and again, a task for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bridge::hat::rsa::HatKey;
use crate::bridge::hat::{Account, Door, Session};
use crate::bridge::onboard::pinned_in;
use crate::bridge::options::BridgeOptions;
use crate::client::{Client, ClientError};
use crate::domain::{Address, Id, Kind};
use crate::telemetry::{Health, names};

use super::Common;
use super::worker::Worker;

/// The name of the health check.
const CHECK: &str = "bridge";

/// A HAT's task, and what ends it.
struct Running {
    key: HatKey,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Carries for every HAT that entrusts itself to this bridge, until told to stop. What is under way then is
/// not answered for, and comes again.
pub async fn run(bridge: Client, door: Door, options: BridgeOptions, health: Arc<Health>, stop: CancellationToken) {
    let common = Common::new(bridge, door, options);
    let mut running: BTreeMap<Id, Running> = BTreeMap::new();
    while !stop.is_cancelled() {
        match listed(&common).await {
            Ok(mut hats) => {
                let over = hats.len().saturating_sub(common.options.hats);
                while hats.len() > common.options.hats {
                    hats.pop_last();
                }
                let detail = match over {
                    0 => format!("carries for {} HATs", hats.len()),
                    over => format!("{over} HATs are more than bridge.hats allows and are not carried for"),
                };
                health.set(CHECK, over == 0, &detail);
                settle(&common, &mut running, hats, &stop);
            }
            Err(error) => {
                tracing::warn!(%error, "the bridge cannot read the list of HATs, it is tried again");
                health.set(CHECK, false, "the list of HATs cannot be read");
            }
        }
        metrics::gauge!(names::BRIDGE_HATS).set(running.len() as f64);
        metrics::gauge!(names::BRIDGE_HATS_DOWN).set(common.down.load(Ordering::Relaxed) as f64);
        tokio::select! {
            () = tokio::time::sleep(common.options.roster_every) => {}
            () = stop.cancelled() => {}
        }
    }
    for (_, one) in running {
        one.stop.cancel();
        drop(one.task.await);
    }
}

/// Starts and ends tasks so that they are those of `hats`.
fn settle(
    common: &Arc<Common>,
    running: &mut BTreeMap<Id, Running>,
    mut hats: BTreeMap<Id, HatKey>,
    stop: &CancellationToken,
) {
    running.retain(|hat, one| {
        let stays = hats.get(hat) == Some(&one.key) && !one.task.is_finished();
        if stays {
            hats.remove(hat);
        } else {
            one.stop.cancel();
        }
        stays
    });
    for (hat, key) in hats {
        let stop = stop.child_token();
        let account = Account::of(&common.options.accounts, hat.as_str()).cloned();
        let session = Session::new(common.door.clone(), hat.clone(), key.clone(), account);
        let worker = Worker::new(Arc::clone(common), session);
        let task = tokio::spawn(worker.run(stop.clone()));
        running.insert(hat, Running { key, stop, task });
    }
}

/// The HATs in force that speak only HTTP and name this bridge, with their pinned keys. The exchange's own
/// registry bounds how many there are.
async fn listed(common: &Common) -> Result<BTreeMap<Id, HatKey>, ClientError> {
    let mut hats = BTreeMap::new();
    let mut question = json!({});
    loop {
        let page = common.bridge.query("hat.list", question.to_string()).await?;
        for item in page["items"].as_array().into_iter().flatten() {
            hats.extend(ours(item, common.bridge.party()));
        }
        match page.get("next") {
            Some(next) if !next.is_null() => question["after"] = next.clone(),
            _ => return Ok(hats),
        }
    }
}

/// The HAT in a line of the list, when it is ours.
fn ours(item: &Value, bridge: &Address) -> Option<(Id, HatKey)> {
    let address: Address = item["party"].as_str()?.parse().ok()?;
    let profile = &item["profile"];
    let wanted = address.kind == Kind::Hat
        && item["approved"] == true
        && profile["transport"] == "http"
        && profile["bridge"].as_str() == Some(bridge.id.as_str());
    Some((address.id, pinned_in(item)?)).filter(|_| wanted)
}
