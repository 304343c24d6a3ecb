//! What was handed out of an offer's deliveries and waits for its receipt: read over REST, answered over REST, signed by the
//! offer's owner. What nobody answers in time is brought again by the broker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::fault::Fault;
use crate::client::{Delivery, Inbox, Item};
use crate::domain::{Address, Id};
use crate::wire::OutcomeOut;

/// How long a delivery waits for its receipt before it is brought again.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Most deliveries of one offer that wait.
pub const IN_HAND: usize = 256;
/// Offers that are read at the same time.
const OFFERS_MAX: usize = 256;
/// An offer that nobody reads for so long is closed; its consumer at the broker stays an hour longer.
const IDLE: Duration = Duration::from_secs(120);
/// A page ends with the delivery that makes it so large, bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

struct Tray {
    inbox: Inbox,
    held: HashMap<Uuid, (Delivery, Instant)>,
}

type Shared = Arc<Mutex<Option<Tray>>>;

/// All offers that are read.
#[derive(Default)]
pub struct Desk {
    trays: Mutex<HashMap<Id, (Instant, Shared)>>,
}

fn told(delivery: &Delivery) -> Result<Value, Fault> {
    let records: Value = serde_json::from_slice(delivery.records())
        .map_err(|error| Fault::internal("the content of a delivery", &error))?;
    Ok(json!({
        "delivery": delivery.id, "source": delivery.source, "digest": delivery.digest,
        "digestIn": delivery.digest_in, "count": delivery.count,
        "records": records,
    }))
}

impl Desk {
    async fn tray(&self, offer: &Id) -> Result<Shared, Fault> {
        let mut trays = self.trays.lock().await;
        let now = Instant::now();
        // One that is in use is locked or was used a moment ago.
        trays.retain(|_, (used, tray)| now.duration_since(*used) < IDLE || Arc::strong_count(tray) > 1);
        if trays.len() >= OFFERS_MAX && !trays.contains_key(offer) {
            return Err(Fault::too_many("too many offers are read at the moment", 30));
        }
        let (used, tray) = trays.entry(offer.clone()).or_insert_with(|| (now, Shared::default()));
        *used = now;
        Ok(Arc::clone(tray))
    }

    /// Up to `limit` deliveries that are not in hand already; waits at most `wait` for the first.
    ///
    /// # Errors
    /// As [`super::link::Link::inbox`]; 429 when too many wait for receipts.
    pub async fn read(
        &self,
        link: &super::link::Link,
        owner: &Address,
        offer: &Id,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Value>, Fault> {
        let tray = self.tray(offer).await?;
        let mut tray = tray.lock().await;
        if tray.is_none() {
            let inbox = link.inbox(owner, offer, ANSWER_WITHIN, IN_HAND).await?;
            *tray = Some(Tray { inbox, held: HashMap::new() });
        }
        let open = tray.as_mut().ok_or_else(|| Fault::not_found("the offer"))?;
        open.held.retain(|_, (_, at)| at.elapsed() < ANSWER_WITHIN);
        if open.held.len() >= IN_HAND {
            return Err(Fault::too_many("many deliveries wait for their receipts: send those first", 10));
        }
        let (mut items, mut bytes, mut patience) = (Vec::new(), 0, wait);
        while items.len() < limit && bytes < PAGE_BYTES && open.held.len() < IN_HAND {
            let Ok(next) = tokio::time::timeout(patience, open.inbox.next()).await else { break };
            match next {
                Some(Ok(Item::Delivery(delivery))) if delivery.object().is_some() => {
                    // Said plainly: left alone it would only expire.
                    delivery.refuse("larger than what is handed out over REST: receive it by the broker").await?;
                }
                Some(Ok(Item::Delivery(delivery))) => {
                    bytes += delivery.records().len();
                    items.push(told(&delivery)?);
                    open.held.insert(delivery.id, (*delivery, Instant::now()));
                    // What is here already comes at once.
                    patience = Duration::from_millis(50);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => tracing::warn!(%error, "a delivery under an offer could not be read"),
                None => {
                    *tray = None;
                    return Err(Fault::from(crate::client::ClientError::Broker("the inbox has ended".into())));
                }
            }
        }
        Ok(items)
    }

    /// Answers one delivery in hand: the owner's receipt over what was handed out. `None`: it is not in hand.
    ///
    /// # Errors
    /// As [`Delivery::accept`]; it is brought again then.
    pub async fn answer(&self, offer: &Id, id: Uuid, refused: Option<&str>) -> Result<Option<OutcomeOut>, Fault> {
        let tray = self.tray(offer).await?;
        let delivery = {
            let mut tray = tray.lock().await;
            tray.as_mut().and_then(|tray| tray.held.remove(&id))
        };
        let Some((delivery, _)) = delivery else { return Ok(None) };
        Ok(Some(match refused {
            None => delivery.accept().await?,
            Some(reason) => delivery.refuse(reason).await?,
        }))
    }
}
