//! `stats.reported`, `stats.catalogue`, `catalogue.estimate`: what HATs report of themselves and which data there is. Public
//! figures are told in steps of several HATs.

use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::actors::shared::Shared;
use crate::domain::bundle::Bundle;
use crate::domain::statistics::{self, Catalogue};
use crate::domain::{Kind, RegistryView as _, Standing, pii};

use super::ask::{Answer, malformed, question, question_within};
use super::windows::off;

/// Most endpoints on one page, and how many there are when nothing is said.
const PAGE_MAX: usize = 1000;
/// Most bytes of a page's endpoints: it ends before the one that would go beyond. There is room for the largest.
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

/// `{items: [{endpoint, class, seen, fields: […], truncated?}], k, asOf, next?}`: `next` is the `after` of the next page.
pub fn catalogue(shared: &Shared, body: &[u8]) -> Answer {
    let Question { after, limit } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    let classes = shared.registry.catalogue();
    let (copy, stand) = shared.statistics.copy().ok_or_else(off)?;
    let (items, next) = page(copy.catalogue(), &classes, after.as_deref(), limit);
    let mut answer = json!({ "items": items, "k": copy.catalogue().k(), "asOf": stand.told() });
    if let Some(next) = next {
        answer["next"] = json!(next);
    }
    Ok(answer)
}

/// Endpoints after `after` for one answer, and the last one where there are more.
fn page(
    catalogue: &Catalogue,
    classes: &pii::Catalogue,
    after: Option<&str>,
    limit: usize,
) -> (Vec<Value>, Option<SmolStr>) {
    let (mut held, mut bytes) = (0, 0);
    statistics::catalogue_page(catalogue, classes, after, |item| {
        if held >= limit {
            return true;
        }
        // A comma after each.
        let more = statistics::cut(item, Catalogue::ENDPOINT_BYTES) + 1;
        // Each page has one at least, or nobody would get beyond it.
        if held > 0 && bytes + more > PAGE_BYTES {
            return true;
        }
        held += 1;
        bytes += more;
        false
    })
}

/// How many HATs hold data for every property of a bundle, as a range.
pub fn estimate(shared: &Shared, body: &[u8]) -> Answer {
    let Could { bundle } = question_within(body, BUNDLE_BYTES_MAX)?;
    let bundle = Bundle::read(&bundle).map_err(|fault| malformed(fault.to_string()))?;
    let (copy, stand) = shared.statistics.copy().ok_or_else(off)?;
    let catalogue = copy.catalogue();
    Ok(statistics::estimated(&catalogue.estimate(&bundle), catalogue.k(), &stand))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::{Field, Reported};
    use crate::domain::{Entry, Event, Timestamp};

    /// A HAT reports these fields of an endpoint, by their numbers; their names are as long as they may be.
    fn report(catalogue: &mut Catalogue, hat: &str, endpoint: &str, fields: std::ops::Range<usize>) {
        let field = |n: usize| Field {
            endpoint: endpoint.into(),
            path: format!("{n:04}{}", "x".repeat(124)).into(),
            count: 1,
            first: true,
        };
        let added = Reported { fields: fields.map(field).collect(), ..Reported::default() };
        let entity = format!("hat:{hat}").parse().expect("an address");
        let event = Event::Reported(Box::new(added));
        catalogue.apply(&Entry { v: 1, entity, n: 1, at: Timestamp(1), cause: None, basis: Vec::new(), event });
    }

    /// A catalogue of these endpoints, each with so many fields.
    fn catalogue(endpoints: &[(&str, usize)]) -> Catalogue {
        let mut catalogue = Catalogue::new(1);
        for (endpoint, count) in endpoints {
            report(&mut catalogue, "bob.hubat.net", endpoint, 0..*count);
        }
        catalogue
    }

    #[test]
    fn an_endpoint_that_is_too_large_is_cut_and_says_so() {
        let (items, next) = page(&catalogue(&[("a/big", 2000), ("a/small", 3)]), &pii::Catalogue::default(), None, 10);
        assert_eq!((items.len(), next), (2, None));
        let told = items[0]["fields"].as_array().expect("fields").len();
        assert!((100..2000).contains(&told), "{told}");
        assert!(items[0].to_string().len() <= Catalogue::ENDPOINT_BYTES);
        assert_eq!(items[0]["truncated"], true);
        // As many HATs hold each: the first ones, in order.
        let last = items[0]["fields"][told - 1]["path"].as_str().expect("a path");
        assert!(last.starts_with(&format!("{:04}", told - 1)), "{last}");
        assert_eq!((items[1]["fields"].as_array().map(Vec::len), items[1].get("truncated")), (Some(3), None));
    }

    #[test]
    fn of_an_endpoint_that_is_cut_what_the_most_hats_hold_is_kept_in_order() {
        let mut catalogue = catalogue(&[("a/big", 2000)]);
        // The last ones by path are those of two HATs.
        report(&mut catalogue, "eve.hubat.net", "a/big", 1990..2000);
        let (items, _) = page(&catalogue, &pii::Catalogue::default(), None, 10);
        let fields = items[0]["fields"].as_array().expect("fields");
        let paths: Vec<&str> = fields.iter().map(|field| field["path"].as_str().expect("a path")).collect();
        assert!(paths.is_sorted(), "{paths:?}");
        let ones = paths.len() - 10;
        assert!((100..1990).contains(&ones), "{ones}");
        for (place, number) in [(0, 0), (ones - 1, ones - 1), (ones, 1990), (ones + 9, 1999)] {
            assert!(paths[place].starts_with(&format!("{number:04}")), "{place}: {}", paths[place]);
        }
    }

    #[test]
    fn a_page_ends_early_and_the_next_one_goes_on() {
        let names: Vec<String> = (0..6).map(|n| format!("a/{n}")).collect();
        let endpoints: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1500)).collect();
        let catalogue = catalogue(&endpoints);
        let (mut after, mut seen, mut pages) = (None::<SmolStr>, Vec::new(), 0);
        loop {
            let (items, next) = page(&catalogue, &pii::Catalogue::default(), after.as_deref(), PAGE_MAX);
            assert!(json!(items).to_string().len() <= PAGE_BYTES + 2 && !items.is_empty());
            seen.extend(items.iter().map(|item| item["endpoint"].as_str().unwrap_or_default().to_owned()));
            pages += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, names, "each once");
        assert!(pages > 1, "{pages}");
    }
}
