//! `stats.reported`, `stats.catalogue`, `catalogue.estimate`: what HATs report of themselves and which data there is. Public
//! figures are told in steps of several HATs.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::bundle::Bundle;
use crate::domain::statistics;
use crate::domain::{Kind, RegistryView as _, Standing};

use super::ask::{Answer, malformed, question, question_within};
use super::windows::off;

/// Most endpoints on one page, and how many there are when nothing is said.
const PAGE_MAX: usize = 1000;
/// A page ends when it has so many bytes.
const PAGE_BYTES: usize = 256 * 1024;
/// Longest question that brings a bundle, bytes.
const BUNDLE_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    public: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Could {
    bundle: Value,
}

/// Totals of what HATs have reported since the first report, and how many HATs and plugs are in force.
pub fn reported(shared: &Shared, body: &[u8]) -> Answer {
    let Sums { public } = question(body)?;
    let found = shared.statistics.look(|look| {
        let sums = look.statistics().catalogue().sums();
        let totals = if public == Some(true) { sums.shown.clone() } else { sums.totals.clone() };
        (totals, look.stand().told())
    });
    let (totals, stand) = found.ok_or_else(off)?;
    Ok(json!({
        "at": shared.clock.now(),
        "kinds": totals.kinds,
        "repeated": totals.repeated,
        "unreadable": totals.unreadable,
        "valuesIn": totals.values_in,
        "valuesOut": totals.values_out,
        "hats": shared.registry.count(Kind::Hat, Standing::Active),
        "plugs": shared.registry.count(Kind::Plug, Standing::Active),
        "asOf": stand,
    }))
}

/// `{items: [{endpoint, class, seen, fields: […]}], k, asOf, next?}`: `next` is the `after` of the next page.
pub fn catalogue(shared: &Shared, body: &[u8]) -> Answer {
    let Question { after, limit } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    let classes = shared.registry.catalogue();
    let (copy, stand) = shared.statistics.copy().ok_or_else(off)?;
    let (mut held, mut bytes) = (0, 0);
    let (items, next) = statistics::catalogue_page(copy.catalogue(), &classes, after.as_deref(), |item| {
        if held >= limit || bytes >= PAGE_BYTES {
            return true;
        }
        held += 1;
        bytes += item.to_string().len();
        false
    });
    let mut answer = json!({ "items": items, "k": copy.catalogue().k(), "asOf": stand.told() });
    if let Some(next) = next {
        answer["next"] = json!(next);
    }
    Ok(answer)
}

/// How many HATs hold data for every property of a bundle, as a range.
pub fn estimate(shared: &Shared, body: &[u8]) -> Answer {
    let Could { bundle } = question_within(body, BUNDLE_BYTES_MAX)?;
    let bundle = Bundle::read(&bundle).map_err(|fault| malformed(fault.to_string()))?;
    let (copy, stand) = shared.statistics.copy().ok_or_else(off)?;
    let catalogue = copy.catalogue();
    Ok(statistics::estimated(&catalogue.estimate(&bundle), catalogue.k(), &stand))
}
