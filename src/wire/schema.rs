//! What each action's body is: who may send it, its JSON Schema and an example; and what each query is asked and answers.
//! `dex schema` prints it; the tests hold it against what [`super::body`] and the daemon read.

mod answer;
mod bundle;
mod job;
mod query;
mod question;
mod shape;

use serde_json::{Value, json};

use super::actions::{Object, actions_of, find};
use crate::domain::Kind;
pub use query::{QUERIES, QuerySchema, queries, query};
use shape::Shape;

/// The language of all schemas.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Every kind that has actions.
pub const KINDS: [Kind; 10] = [
    Kind::Dex,
    Kind::Operator,
    Kind::Platform,
    Kind::Hat,
    Kind::Plug,
    Kind::App,
    Kind::Org,
    Kind::Bridge,
    Kind::Offer,
    Kind::Lane,
];

/// An action, described.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionSchema {
    /// `hat.credit.<plug-or-app>`: kind, action and what follows it in the subject.
    pub action: String,
    /// Who may.
    pub who: &'static str,
    /// JSON Schema (draft 2020-12) of the body; `None` when there is none.
    pub body: Option<Value>,
    /// A body that is taken.
    pub example: Option<Value>,
}

/// Every action of the protocol, in the order of the kinds.
pub fn all() -> Vec<ActionSchema> {
    KINDS
        .into_iter()
        .flat_map(|kind| actions_of(kind).iter().map(move |(verb, object)| describe(kind, verb, *object)))
        .collect()
}

/// The action of a name such as `hat.credit`, when there is one.
pub fn of(name: &str) -> Option<ActionSchema> {
    let (kind, verb) = name.split_once('.')?;
    let kind: Kind = kind.parse().ok()?;
    let verb = verb.split('.').next().unwrap_or(verb);
    let (verb, object) = find(kind, verb)?;
    Some(describe(kind, verb, object))
}

fn describe(kind: Kind, verb: &str, object: Object) -> ActionSchema {
    let shape = shape(kind, verb);
    let object = match object {
        Object::None => String::new(),
        Object::Id(what) => format!(".<{what}>"),
        Object::Exchange => ".<exchange>".to_owned(),
    };
    let body = shape.schema().map(|mut schema| {
        schema["$schema"] = json!(DRAFT);
        schema["title"] = json!(format!("{kind}.{verb}"));
        schema
    });
    ActionSchema { action: format!("{kind}.{verb}{object}"), who: who(kind, verb), body, example: shape.example() }
}

/// Every action of a kind that has any; a test walks them all.
fn shape(kind: Kind, verb: &str) -> Shape {
    match (kind, verb) {
        (_, "credit" | "release" | "data") => Shape::Records,
        (_, "pull") => Shape::Pull,
        (_, "receipt") => Shape::Receipt,
        (Kind::Plug, "register") => Shape::Plug,
        (Kind::App, "register") => Shape::App,
        (Kind::App, "version") => Shape::Manifest,
        (Kind::App, "publish") => Shape::Publish,
        (_, "decline") => Shape::Decline,
        (_, "app-setup") => Shape::Version,
        (Kind::Org | Kind::Bridge, "register") | (Kind::Platform, "certify") => Shape::KeyName,
        (Kind::Hat, "register") => Shape::HatKeys,
        (_, "pin-key") => Shape::Pin,
        (_, "notice") => Shape::Notice,
        (_, "entrust") => Shape::Entrust,
        (_, "account") => Shape::Account,
        (_, "classify") => Shape::Classify,
        (_, "allow") => Shape::Allow,
        (Kind::Offer, "register") => Shape::Offer,
        (Kind::Offer, "approve") => Shape::Nothing,
        (Kind::Offer, "reserve") => Shape::Reserve,
        (Kind::Offer, "confirm") => Shape::Hat,
        (Kind::Offer, "lapse") => Shape::Over,
        (_, "claim-refused" | "claim-released" | "claim-lapsed") => Shape::Claim,
        (_, "register" | "approve" | "publish" | "rotate-key") => Shape::Key,
        (_, "revoke-key") => Shape::Revoke,
        (_, "debit-propose" | "debit-amend") => Shape::Debit,
        (_, "debit-enable") => Shape::Enable,
        (_, "debit-disable") => Shape::Disable,
        (Kind::Plug, "report") => Shape::Jobs,
        (_, "job") => Shape::Job,
        (_, "schedule") => Shape::Schedule,
        (_, "report") => Shape::Report,
        (_, "claim-reserved") => Shape::Terms,
        (_, "pull-asked") => Shape::PullAsked,
        _ => Shape::Nothing,
    }
}

fn who(kind: Kind, verb: &str) -> &'static str {
    match (kind, verb) {
        (_, "credit") => "the plug or app that it names",
        (Kind::Plug, "report") => "the plug itself",
        (_, "job") => "the plug that it names; status wanted also the HAT (or its bridge)",
        (_, "schedule") => "the plug itself or the operator",
        (_, "release" | "data" | "report") => "the HAT (or its bridge)",
        (Kind::Offer, "pull") => "its owner, where it is not to know whose data it is given",
        (_, "pull" | "debit-propose" | "debit-amend") => "the debit's client",
        (_, "receipt") => "the recipient of the delivery",
        (_, "recall") => "who sent that exchange",
        (_, "plug-connect") => "the HAT; or the plug, which asks its owner",
        (Kind::Hat, "register") => "the platform of its domain, an operator, or a bridge that asked at its address",
        (Kind::Hat, "pin-key" | "entrust") => "the HAT, its platform or the operator",
        (_, "account") => "the bridge itself or the operator",
        (_, "notice") => "the party itself",
        (Kind::Hat, "claim") => "the HAT, or the acquirer of the offer",
        (Kind::Offer, "register") => "the organisation that owns it",
        (Kind::Offer, "close") => "its owner or the operator",
        (Kind::Offer, "reserve" | "confirm" | "lapse")
        | (_, "claim-reserved" | "claim-refused" | "claim-released" | "claim-lapsed" | "pull-asked") => {
            "the exchange itself"
        }
        (_, "register") => "itself, signed with the key in the body",
        (Kind::Hat, "suspend" | "resume") => "the operator or its platform",
        (Kind::App, "version") => "itself, signed with the key in the body",
        (Kind::App, "suspend" | "resume") => "the operator; itself, and then only itself resumes",
        (
            _,
            "classify" | "allow" | "certify" | "approve" | "publish" | "decline" | "pay" | "reject" | "suspend"
            | "resume",
        ) => "the operator",
        (_, "retire") => "the HAT, its platform or the operator",
        (_, "rotate-key") => "itself, with its present key",
        (Kind::Hat, "revoke-key") => "itself, its platform or the operator",
        (_, "revoke-key") => "itself or the operator",
        _ => "the HAT",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::{Address, Limits, Reason};
    use crate::wire::body;

    fn read(action: &ActionSchema, body: &Value) -> Result<(), Reason> {
        let mut parts = action.action.splitn(3, '.');
        let (kind, verb) = (parts.next().expect("a kind"), parts.next().expect("an action"));
        let id = body["manifest"]["id"].as_str().unwrap_or("some.one");
        let to: Address = format!("{kind}:{id}").parse().expect("an address");
        let object = parts.next().map(|what| match what {
            "<exchange>" => "0190a0b0-0000-7000-8000-000000000001",
            _ => "some_thing",
        });
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        body::read(&to, verb, object, &bytes, &Limits::default()).map(|_| ()).map_err(|(reason, _)| reason)
    }

    #[test]
    fn every_example_is_taken_and_nothing_of_it_can_be_spoiled() {
        assert_eq!(all().len(), KINDS.iter().map(|kind| actions_of(*kind).len()).sum::<usize>());
        for action in all() {
            let example = action.example.clone().unwrap_or_default();
            assert_eq!(read(&action, &example), Ok(()), "{} {example}", action.action);
            let Some(schema) = &action.body else {
                assert_eq!(read(&action, &json!({"x": 1})), Err(Reason::Malformed), "{} takes no body", action.action);
                continue;
            };
            if schema["type"] != "object" {
                continue;
            }
            let properties = schema["properties"].as_object().expect("an object has properties");
            assert!(example.as_object().expect("an object").keys().all(|key| properties.contains_key(key)));
            assert_eq!(schema["additionalProperties"], false, "{}", action.action);
            let mut more = example.clone();
            more["unheardOf"] = json!(1);
            assert_eq!(read(&action, &more), Err(Reason::Malformed), "{} takes an unknown field", action.action);
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for name in properties.keys() {
                let mut less = example.clone();
                let there = less.as_object_mut().and_then(|object| object.remove(name)).is_some();
                let must = required.iter().any(|one| one == name);
                assert!(there || !must, "{}: the example lacks {name}", action.action);
                let expected = if must { Err(Reason::Malformed) } else { Ok(()) };
                assert_eq!(read(&action, &less), expected, "{} without {name}", action.action);
            }
        }
    }

    #[test]
    fn an_action_is_found_by_its_name_and_stands_in_the_protocol() {
        assert_eq!(of("hat.credit").expect("known").action, "hat.credit.<plug-or-app>");
        assert_eq!(of("hat.credit.facebook"), of("hat.credit"));
        assert!(of("hat.fly").is_none() && of("credit").is_none() && of("dragon.credit").is_none());
        let protocol = include_str!("../../docs/protocol.md");
        for action in all() {
            let verb = action.action.split('.').nth(1).expect("an action");
            let named = [format!("`{verb}`"), format!("`{verb}."), format!(".{verb}`")];
            assert!(named.iter().any(|text| protocol.contains(text)), "docs/protocol.md does not name {verb}");
        }
    }
}
