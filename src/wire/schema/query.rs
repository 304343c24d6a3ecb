//! What each query is asked and answers: `dex schema` prints it, and the NATS service tells it with each endpoint.

use serde_json::{Value, json};

use super::shape::{CLAIM, key_example};
use super::{DRAFT, answer, question};
use crate::domain::{Digest, Kind};

/// A query, described.
#[derive(Debug, Clone, PartialEq)]
pub struct QuerySchema {
    /// Its name after `dex.v1.api.`.
    pub query: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// JSON Schema (draft 2020-12) of the question. Closed: an unknown field is refused.
    pub request: Value,
    /// JSON Schema of the answer, which may gain fields. An error is a problem instead.
    pub answer: Value,
    /// A question.
    pub example: Value,
}

/// Every query of the protocol.
pub const QUERIES: [(&str, &str); 32] = [
    ("health", "who the exchange is, its keys, whether it is ready"),
    ("exchange.trace", "every step of one exchange"),
    ("exchange.explain", "why a message would be accepted or refused now"),
    ("trust.verify", "how a party stands, now or at a past time, with proofs"),
    ("trust.bundle", "the signed list of who may take part"),
    ("hat.show", "a HAT: standing, connections, debits"),
    ("plug.show", "a plug: manifest, history, connections, health"),
    ("plug.jobs", "the jobs of a plug, and how those of one HAT stand"),
    ("platform.list", "platforms, by pages"),
    ("hat.list", "HATs, by pages"),
    ("plug.list", "plugs, by pages"),
    ("app.list", "apps, by pages"),
    ("org.list", "organisations, by pages"),
    ("bridge.list", "bridges, by pages"),
    ("offer.list", "offers, by pages"),
    ("offer.show", "an offer with its terms"),
    ("offer.claims", "who claimed an offer, by pages"),
    ("debit.show", "a data debit with its revisions"),
    ("debit.list", "the data debits of a HAT, by pages"),
    ("ledger.checkpoint", "the newest signed checkpoint"),
    ("ledger.proof", "that a leaf is in the ledger"),
    ("dead.list", "what could not be worked on, by pages"),
    ("stats.summary", "counts since the daemon's start"),
    ("stats.reported", "sums of what HATs have reported"),
    ("stats.window", "what happened within a rolling window"),
    ("stats.series", "a rolling window, slot by slot"),
    ("stats.catalogue", "fields that enough HATs have reported, by pages"),
    ("catalogue.show", "of what class the fields of an endpoint are"),
    ("catalogue.estimate", "how many HATs could satisfy a bundle, as a range"),
    ("notice.list", "notices that stand, by pages"),
    ("notice.show", "a notice, and how far it was told"),
    ("actors.show", "the actors by partition and kind, and what waits before them"),
];

/// Every query, described, in the order of [`QUERIES`].
pub fn queries() -> impl Iterator<Item = QuerySchema> {
    QUERIES.into_iter().filter_map(|(name, _)| query(name))
}

/// The query of this name, when there is one.
pub fn query(name: &str) -> Option<QuerySchema> {
    let (query, about) = QUERIES.into_iter().find(|(known, _)| *known == name)?;
    let (request, answer, example) = shapes(query)?;
    let whole = |mut schema: Value, title: &str| {
        schema["$schema"] = json!(DRAFT);
        schema["title"] = json!(format!("{query} {title}"));
        schema
    };
    Some(QuerySchema { query, about, request: whole(request, "request"), answer: whole(answer, "response"), example })
}

/// Question, answer and an example of the question; a test walks all names.
fn shapes(name: &str) -> Option<(Value, Value, Value)> {
    let list = |kind: Kind| (question::list(kind), answer::party_list(kind), json!({"limit": 100}));
    let hat = || json!({"hat": "bob.hubat.net"});
    Some(match name {
        "health" => (question::nothing(), answer::health(), json!({})),
        "exchange.trace" => (question::trace(), answer::trace(), json!({"id": CLAIM, "proof": true})),
        "exchange.explain" => (question::explain(), answer::explain(), question::explain_example()),
        "trust.verify" => (
            question::verify(),
            answer::verify(),
            json!({"party": "plug:facebook", "at": "2026-01-31T12:00:00Z", "proof": true}),
        ),
        "trust.bundle" => {
            let digest = Digest::of(key_example().to_string().as_bytes());
            (question::bundle(), answer::bundle(), json!({"ifNoneMatch": digest}))
        }
        "hat.show" => (question::ids(&["hat"]), answer::hat_show(), hat()),
        "plug.show" => (question::ids(&["plug"]), answer::plug_show(), json!({"plug": "facebook"})),
        "plug.jobs" => (question::jobs(), answer::plug_jobs(), json!({"plug": "facebook", "hat": "bob.hubat.net"})),
        "platform.list" => list(Kind::Platform),
        "hat.list" => list(Kind::Hat),
        "plug.list" => list(Kind::Plug),
        "app.list" => list(Kind::App),
        "org.list" => list(Kind::Org),
        "bridge.list" => list(Kind::Bridge),
        "offer.list" => (question::list(Kind::Offer), answer::offer_list(), json!({"limit": 100, "terms": true})),
        "offer.show" => (question::ids(&["offer"]), answer::offer_show(), json!({"offer": "steps"})),
        "offer.claims" => {
            (question::claims(), answer::offer_claims(), json!({"offer": "steps", "standing": "confirmed"}))
        }
        "debit.show" => {
            (question::ids(&["hat", "debit"]), answer::debit_show(), json!({"hat": "bob.hubat.net", "debit": "steps"}))
        }
        "debit.list" => (question::debits(), answer::debit_list(), hat()),
        "ledger.checkpoint" => (question::nothing(), answer::checkpoint(), json!({})),
        "ledger.proof" => (question::proof(), answer::proof(), json!({"leaf": 0})),
        "dead.list" => (question::dead(), answer::dead(), json!({"limit": 100})),
        "stats.summary" => (question::nothing(), answer::summary(), json!({})),
        "stats.reported" => (question::reported(), answer::reported(), json!({"public": true})),
        "stats.window" => (question::window(), answer::window(), json!({"window": "1h"})),
        "stats.series" => (question::window(), answer::series(), json!({"window": "24h"})),
        "stats.catalogue" => (question::catalogue(), answer::catalogue(), json!({"limit": 100})),
        "catalogue.estimate" => (question::estimate(), answer::estimate(), question::estimate_example()),
        "catalogue.show" => (question::endpoint(), answer::classes(), json!({"endpoint": "facebook/feed"})),
        "notice.list" => (question::notices(), answer::notice_list(), hat()),
        "actors.show" => (question::nothing(), answer::actors(), json!({})),
        "notice.show" => (question::uuid("notice"), answer::notice_show(), json!({"notice": CLAIM})),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema::of;

    #[test]
    fn every_query_is_described_and_stands_in_the_protocol() {
        assert_eq!(queries().count(), QUERIES.len());
        let protocol = include_str!("../../../docs/protocol.md");
        for query in queries() {
            let kind = query.query.split('.').next().unwrap_or_default();
            let verb = query.query.split('.').next_back().unwrap_or_default();
            let named = [format!("`dex.v1.api.{}`", query.query), format!("`{kind}.{verb}`")];
            assert!(named.iter().any(|text| protocol.contains(text)), "docs/protocol.md does not name {}", query.query);
            assert!(of(query.query).is_none(), "{} is an action too", query.query);
        }
        assert!(query("hat.fly").is_none());
    }

    #[test]
    fn no_schema_takes_everything() {
        fn walk(schema: &Value, at: &str) {
            let Some(members) = schema.as_object() else { panic!("{at}: {schema}") };
            let says = ["type", "enum", "anyOf", "description"].iter().any(|word| members.contains_key(*word));
            assert!(says, "{at}: {schema}");
            for (name, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
                walk(property, &format!("{at}.{name}"));
            }
            members.get("items").into_iter().for_each(|items| walk(items, &format!("{at}[]")));
            for branch in members.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
                walk(branch, &format!("{at}|"));
            }
        }
        for query in queries() {
            walk(&query.request, query.query);
            walk(&query.answer, query.query);
        }
    }
}
