//! `stats.reported`, `stats.catalogue`: what HATs report of themselves, summed over all; nothing that fewer than five
//! HATs hold.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::{Kind, RegistryView as _, Standing};

use super::ask::{Answer, malformed, question};

/// A field that fewer HATs have reported is not told.
pub const HATS_MIN: u32 = 5;
/// Most endpoints on one page, and how many there are when nothing is said.
const PAGE_MAX: usize = 1000;
/// A page ends when it has so many bytes.
const PAGE_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    after: Option<String>,
    limit: Option<usize>,
}

/// Totals of what HATs have reported since the first report, and how many HATs and plugs are in force.
pub fn reported(shared: &Shared, body: &[u8]) -> Answer {
    let Nothing {} = question(body)?;
    let totals = shared.reported.catalogue().totals.clone();
    Ok(json!({
        "at": shared.clock.now(),
        "kinds": totals.kinds,
        "repeated": totals.repeated,
        "unreadable": totals.unreadable,
        "valuesIn": totals.values_in,
        "valuesOut": totals.values_out,
        "hats": shared.registry.count(Kind::Hat, Standing::Active),
        "plugs": shared.registry.count(Kind::Plug, Standing::Active),
    }))
}

/// `{items: [{endpoint, fields: [{path, count, class}]}], next?}`: `next` is the `after` of the next page.
pub fn catalogue(shared: &Shared, body: &[u8]) -> Answer {
    let Question { after, limit } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    let classes = shared.registry.catalogue();
    let catalogue = shared.reported.catalogue();
    let (mut items, mut bytes, mut last, mut more) = (Vec::new(), 0, None, false);
    for (endpoint, fields) in catalogue.shown(after.as_deref(), HATS_MIN) {
        if items.len() >= limit || bytes >= PAGE_BYTES {
            more = true;
            break;
        }
        let known = classes.of(endpoint).fields;
        let fields: Vec<Value> = fields
            .map(|(path, seen)| json!({ "path": path, "count": seen.count, "class": known.at(path).class }))
            .collect();
        let item = json!({ "endpoint": endpoint, "fields": fields });
        bytes += item.to_string().len();
        items.push(item);
        last = Some(endpoint.clone());
    }
    let mut answer = json!({ "items": items });
    if more {
        answer["next"] = json!(last);
    }
    Ok(answer)
}
