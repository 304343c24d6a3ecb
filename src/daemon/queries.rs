//! Queries: a NATS service that answers from committed state, never with content of an exchange.
//!
//! Every caller that the broker lets publish to `dex.v1.api.>` gets an answer: who may ask what is the
//! broker's permissions to say, and so is who may subscribe to `dex.v1.pub.>`.

mod actors;
mod ask;
mod bundle;
mod classes;
mod dead;
mod debits;
mod explain;
mod hats;
mod health;
mod history;
mod jobs;
mod lists;
mod notices;
mod offers;
mod plugs;
mod proofs;
mod reports;
mod stats;
pub(crate) mod steps;
mod trace;
mod trust;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, Request, Service, ServiceExt};
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::actors::shared::Shared;
use crate::daemon::bundles::Bundles;
use crate::domain::{Kind, Reason};
use crate::nats::Link;
use crate::wire::problem::PROBLEM_TYPE;
use crate::wire::{Problem, header, schema, subject};

use ask::Answer;
use explain::Rate;

/// Most queries worked on at once; further ones wait in the subscription.
const AT_ONCE: usize = 64;
/// Largest answer, bytes: well below the payload limit that the broker must have.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Pause before the service is set up again after the broker refused it.
const AGAIN: Duration = Duration::from_secs(5);

/// One query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Health,
    Trace,
    Explain,
    Verify,
    Bundle,
    HatShow,
    PlugShow,
    PlugJobs,
    List(Kind),
    OfferShow,
    OfferClaims,
    DebitShow,
    DebitList,
    Checkpoint,
    Proof,
    Dead,
    Summary,
    Reported,
    Catalogue,
    Classes,
    Window,
    Series,
    Estimate,
    NoticeList,
    NoticeShow,
    Actors,
}

/// Every query with its name after `dex.v1.api.`.
const CALLS: [(&str, Call); 32] = [
    ("health", Call::Health),
    ("exchange.trace", Call::Trace),
    ("exchange.explain", Call::Explain),
    ("trust.verify", Call::Verify),
    ("trust.bundle", Call::Bundle),
    ("hat.show", Call::HatShow),
    ("plug.show", Call::PlugShow),
    ("plug.jobs", Call::PlugJobs),
    ("platform.list", Call::List(Kind::Platform)),
    ("hat.list", Call::List(Kind::Hat)),
    ("plug.list", Call::List(Kind::Plug)),
    ("app.list", Call::List(Kind::App)),
    ("org.list", Call::List(Kind::Org)),
    ("bridge.list", Call::List(Kind::Bridge)),
    ("offer.list", Call::List(Kind::Offer)),
    ("offer.show", Call::OfferShow),
    ("offer.claims", Call::OfferClaims),
    ("debit.show", Call::DebitShow),
    ("debit.list", Call::DebitList),
    ("ledger.checkpoint", Call::Checkpoint),
    ("ledger.proof", Call::Proof),
    ("dead.list", Call::Dead),
    ("stats.summary", Call::Summary),
    ("stats.reported", Call::Reported),
    ("stats.window", Call::Window),
    ("stats.series", Call::Series),
    ("stats.catalogue", Call::Catalogue),
    ("catalogue.show", Call::Classes),
    ("catalogue.estimate", Call::Estimate),
    ("notice.list", Call::NoticeList),
    ("notice.show", Call::NoticeShow),
    ("actors.show", Call::Actors),
];

/// Answers queries and broadcasts statistics and trust bundles until told to stop.
pub async fn serve(shared: Arc<Shared>, bundles: Arc<Bundles>, link: Link, stop: CancellationToken) {
    let started = Instant::now();
    let pulse = tokio::spawn(stats::pulse(Arc::clone(&shared), link.client.clone(), stop.clone()));
    let broadcast = tokio::spawn(windows::broadcast(Arc::clone(&shared), link.client.clone(), stop.clone()));
    let trust = {
        let (bundles, shared) = (Arc::clone(&bundles), Arc::clone(&shared));
        let (client, stop) = (link.client.clone(), stop.clone());
        tokio::spawn(async move { bundles.broadcast(shared, client, stop).await })
    };
    while !stop.is_cancelled() {
        match open(&link).await {
            Ok((service, requests)) => {
                answer_all(&shared, &bundles, &link, started, requests, &stop).await;
                if let Err(error) = service.stop().await {
                    tracing::debug!(%error, "the query service did not stop by itself");
                }
            }
            Err(error) => tracing::warn!(%error, "the query service could not be set up, it is tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
    for (what, task) in [("the pulse", pulse), ("statistics", broadcast), ("trust bundles", trust)] {
        if let Err(error) = task.await {
            tracing::error!(%error, what, "a broadcast has died");
        }
    }
}

type Requests = SelectAll<futures_util::stream::BoxStream<'static, (Call, Request)>>;

/// Announces the service and subscribes to every query.
async fn open(link: &Link) -> Result<(Service, Requests), async_nats::Error> {
    let service = link
        .client
        .service_builder()
        .description("Queries of the data exchange")
        .start("dex", env!("CARGO_PKG_VERSION"))
        .await?;
    let mut requests = SelectAll::new();
    for (name, call) in CALLS {
        let endpoint = service.endpoint_builder().name(name.replace('.', "-")).metadata(described(name));
        let endpoint = endpoint.add(subject::api(name)).await?;
        requests.push(endpoint.map(move |request| (call, request)).boxed());
    }
    Ok((service, requests))
}

/// What `$SRV.INFO` tells of a query: its schemas as compact JSON, under the keys that the protocol names.
fn described(name: &str) -> HashMap<String, String> {
    let Some(query) = schema::query(name) else { return HashMap::new() };
    [
        ("about", query.about.to_owned()),
        ("schema.request", query.request.to_string()),
        ("schema.response", query.answer.to_string()),
        ("example.request", query.example.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

async fn answer_all(
    shared: &Arc<Shared>,
    bundles: &Arc<Bundles>,
    link: &Link,
    started: Instant,
    mut requests: Requests,
    stop: &CancellationToken,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let rate = Arc::new(Rate::default());
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.ok()?;
            requests.next().await.map(|(call, request)| (permit, call, request))
        };
        let (permit, call, request) = tokio::select! {
            next = next => match next {
                Some(next) => next,
                // The connection is closed for good, or the semaphore, which nobody closes.
                None => return,
            },
            () = stop.cancelled() => return,
        };
        let (shared, bundles, rate) = (Arc::clone(shared), Arc::clone(bundles), Arc::clone(&rate));
        let client = link.client.clone();
        tokio::spawn(async move {
            let body = request.message.payload.clone();
            // Ledger and database are read from disk.
            let asked = tokio::task::spawn_blocking(move || reply(&shared, &bundles, &rate, started, call, &body));
            let answer = asked.await.unwrap_or_else(|error| {
                tracing::error!(%error, ?call, "a query has panicked");
                Err(Problem::new(Reason::Internal, None, None))
            });
            if let Err(error) = respond(&client, &request, answer).await {
                tracing::debug!(%error, ?call, "an answer could not be published");
            }
            drop(permit);
        });
    }
}

/// The answer as bytes, within its bound.
fn reply(
    shared: &Shared,
    bundles: &Bundles,
    rate: &Rate,
    started: Instant,
    call: Call,
    body: &[u8],
) -> Result<Vec<u8>, Problem> {
    let answer = match call {
        Call::Health => health::health(shared, started, body),
        Call::Trace => trace::trace(shared, body),
        Call::Explain => explain::explain(shared, rate, body),
        Call::Verify => trust::verify(shared, body),
        // Its bytes are what was signed, and its bound is its own.
        Call::Bundle => return bundle::bundle(shared, bundles, body),
        Call::HatShow => hats::show(shared, body),
        Call::PlugShow => plugs::show(shared, body),
        Call::PlugJobs => jobs::show(shared, body),
        Call::List(kind) => lists::list(shared, kind, body),
        Call::OfferShow => offers::show(shared, body),
        Call::OfferClaims => offers::claims(shared, body),
        Call::DebitShow => debits::show(shared, body),
        Call::DebitList => debits::list(shared, body),
        Call::Checkpoint => proofs::checkpoint(shared, body),
        Call::Proof => proofs::proof(shared, body),
        Call::Dead => dead::list(shared, body),
        Call::Summary => stats::summary(shared, body),
        Call::Reported => reports::reported(shared, body),
        Call::Window => windows::window(shared, body),
        Call::Series => windows::series(shared, body),
        Call::Catalogue => reports::catalogue(shared, body),
        Call::Estimate => reports::estimate(shared, body),
        Call::Classes => classes::show(shared, body),
        Call::NoticeList => notices::list(shared, body),
        Call::NoticeShow => notices::show(shared, body),
        Call::Actors => actors::show(shared, body),
    };
    bounded(answer)
}

fn bounded(answer: Answer) -> Result<Vec<u8>, Problem> {
    let bytes = answer?.to_string().into_bytes();
    if bytes.len() > ANSWER_BYTES_MAX {
        let detail = format!("the answer has {} bytes, more than {ANSWER_BYTES_MAX}: ask for less", bytes.len());
        return Err(Problem::new(Reason::TooLarge, detail, None));
    }
    Ok(bytes)
}

/// Publishes an answer, a problem also with the headers of NATS services.
async fn respond(
    client: &async_nats::Client,
    request: &Request,
    answer: Result<Vec<u8>, Problem>,
) -> Result<(), async_nats::PublishError> {
    let mut headers = HeaderMap::new();
    let body = match answer {
        Ok(body) => {
            headers.insert(header::CONTENT_TYPE, "application/json");
            return request.respond_with_headers(Ok(body.into()), headers).await;
        }
        Err(problem) => {
            headers.insert(header::CONTENT_TYPE, PROBLEM_TYPE);
            headers.insert(NATS_SERVICE_ERROR, problem.reason.as_str());
            headers.insert(NATS_SERVICE_ERROR_CODE, problem.status.to_string().as_str());
            problem.to_json()
        }
    };
    // The library's own error answers have no body.
    match request.message.reply.clone() {
        Some(reply) => client.publish_with_headers(reply, headers, body.into()).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_is_described_in_the_same_order() {
        assert_eq!(CALLS.map(|(name, _)| name), schema::QUERIES.map(|(name, _)| name));
        for (name, _) in CALLS {
            assert_eq!(described(name).len(), 4, "{name}");
        }
    }
}
