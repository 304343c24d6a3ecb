//! Figures for everybody, asked of the exchange at most every few seconds however many ask.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::shape::all;
use super::structure::{self, Endpoint, NamespaceStructure};
use crate::domain::Timestamp;
use crate::gateway::fault::Fault;
use crate::gateway::link::Link;

/// How old figures may be.
const FRESH: Duration = Duration::from_secs(5);
/// Fields named as top ones.
const TOP: usize = 20;

/// What `/stats` and `/stats/available-data` answer.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The counters.
    pub counters: Value,
    /// The catalogue.
    pub structure: Vec<NamespaceStructure>,
}

/// The figures as last asked for.
#[derive(Default)]
pub struct Public(Mutex<Option<(Instant, Figures)>>);

impl Public {
    /// Figures that are at most a few seconds old. Who asks while they are being fetched waits for those.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub async fn figures(&self, link: &Link) -> Result<Figures, Fault> {
        let mut kept = self.0.lock().await;
        if let Some((at, figures)) = &*kept
            && at.elapsed() < FRESH
        {
            return Ok(figures.clone());
        }
        let figures = ask(link).await?;
        *kept = Some((Instant::now(), figures.clone()));
        Ok(figures)
    }
}

/// As far as the exchange tells: of an endpoint that is too large for an answer the fields of the fewest HATs are not known
/// here.
async fn ask(link: &Link) -> Result<Figures, Fault> {
    let sums = link.ask("stats.reported", &json!({ "public": true })).await?;
    let endpoints: Result<Vec<Endpoint>, _> =
        all(link, "stats.catalogue", json!({})).await?.into_iter().map(serde_json::from_value).collect();
    let endpoints = endpoints.map_err(|error| Fault::internal("the catalogue", &error))?;
    let offers = all(link, "offer.list", json!({})).await?;
    let claims: u64 = offers
        .iter()
        .map(|offer| offer["reserved"].as_u64().unwrap_or(0) + offer["confirmed"].as_u64().unwrap_or(0))
        .sum();
    let at: Timestamp =
        serde_json::from_value(sums["at"].clone()).map_err(|error| Fault::internal("the figures", &error))?;
    Ok(Figures {
        counters: counters(&sums, claims, &endpoints, at.unix_ms()),
        structure: structure::namespaces(&endpoints),
    })
}

fn counters(sums: &Value, claims: u64, endpoints: &[Endpoint], updated: u64) -> Value {
    let counter = |title: &str, value: &Value| json!({ "title": title, "value": value, "updated": updated });
    let mut fields: Vec<(u64, String)> = endpoints
        .iter()
        .flat_map(|of| {
            let (source, table) = of.endpoint.split_once('/').unwrap_or((&of.endpoint, ""));
            of.fields.iter().map(move |field| (field.count, format!("{} in {table} of {source}", field.path)))
        })
        .collect();
    fields.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    fields.truncate(TOP);
    let sum: u64 = fields.iter().map(|(count, _)| count).sum();
    let children: Map<String, Value> =
        fields.into_iter().map(|(count, name)| (name.clone(), counter(&name, &json!(count)))).collect();
    let mut top = counter("Top Datapoints", &json!(sum));
    if !children.is_empty() {
        top["children"] = Value::Object(children);
    }
    json!([
        counter("Data Plugs", &sums["plugs"]),
        counter("HATs", &sums["hats"]),
        counter("Total Offer Claims", &json!(claims)),
        counter("Data In", &sums["valuesIn"]),
        counter("Data Out", &sums["valuesOut"]),
        top,
    ])
}
