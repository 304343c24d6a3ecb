//! `platform.list`, `hat.list`, `plug.list`, `app.list`, `org.list`, `offer.list`: those of one kind, by pages,
//! in the order of their ids.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::{Address, Id, Kind, RegistryView};

use super::ask::{Answer, malformed, question, unreadable};
use super::offers;
use crate::wire::standing;

/// Most parties on one page, and how many there are when nothing is said.
const PAGE_MAX: usize = 1000;
/// A page ends when it has so many bytes.
const PAGE_BYTES: usize = 400 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    after: Option<Id>,
    limit: Option<usize>,
    /// Of offers: with their terms.
    terms: Option<bool>,
    /// Of apps and plugs: with their manifests.
    manifests: Option<bool>,
}

/// `{items: […], next?}`: `next` is the `after` of the next page.
pub fn list(shared: &Shared, kind: Kind, body: &[u8]) -> Answer {
    let Question { after, limit, terms, manifests } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    if terms.is_some() && kind != Kind::Offer {
        return Err(malformed("terms is asked of offer.list only".to_owned()));
    }
    if manifests.is_some() && !matches!(kind, Kind::App | Kind::Plug) {
        return Err(malformed("manifests is asked of app.list and plug.list only".to_owned()));
    }
    let (terms, manifests) = (terms == Some(true), manifests == Some(true));
    let wanted = |party: &Address| party.kind == kind && after.as_ref().is_none_or(|after| party.id > *after);
    // The tail first: what a snapshot moves meanwhile is then found in rows.
    let mut parties: BTreeSet<Address> = shared.tail.dirty().into_iter().filter(wanted).collect();
    let (mut rows, mut end) = (0, None);
    for row in shared.db.rows(Some(kind)).map_err(|error| unreadable(&error))? {
        let (party, _) = row.map_err(|error| unreadable(&error))?;
        if !wanted(&party) {
            continue;
        }
        rows += 1;
        parties.insert(party.clone());
        // The order of rows is that of ids: what comes after this many is for the next page.
        if rows == limit {
            end = Some(party);
            break;
        }
    }
    let (mut items, mut bytes, mut last, mut more) = (Vec::new(), 0, None, end.is_some());
    for party in &parties {
        if items.len() >= limit || bytes >= PAGE_BYTES || end.as_ref().is_some_and(|end| party > end) {
            more = true;
            break;
        }
        last = Some(&party.id);
        // Refusals alone make a row, but no party.
        let item = match kind {
            Kind::Offer => offers::line(shared, party, terms)?,
            _ => {
                shared.registry.registration(party).map(|registration| standing::line(party, &registration, manifests))
            }
        };
        let Some(item) = item else { continue };
        bytes += item.to_string().len();
        items.push(item);
    }
    let mut answer = json!({ "items": items });
    if more {
        answer["next"] = last.map_or(Value::Null, |id| json!(id));
    }
    Ok(answer)
}
