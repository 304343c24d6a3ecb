//! Every action of the protocol: its body, and what is refused.

use bytes::Bytes;
use serde_json::json;

use super::{address, signer};
use crate::domain::{Action, Id, Key, Kind, Limits, Profile, Reason};
use crate::wire::actions::{self, Object};
use crate::wire::body;

const EXCHANGE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn read(to: &str, verb: &str, object: Option<&str>, text: &str) -> Result<Action, body::Wrong> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    body::read(&address(to), verb, object, &body, &Limits::default())
}

fn debit() -> serde_json::Value {
    json!({
        "client": "org:acme", "purpose": "study",
        "bundle": {"name": "steps", "bundle": {"steps": {"endpoints": [{"endpoint": "fitbit/steps"}]}}},
        "periodSeconds": 86400,
    })
}

fn offer() -> serde_json::Value {
    json!({
        "owner": "org:acme", "title": "Steps", "starts": "2026-01-01T00:00:00Z",
        "expires": "2026-02-01T00:00:00Z", "maxClaims": 10, "minClaims": 2, "debit": debit(),
    })
}

/// A good body for each action.
fn body_of(kind: Kind, verb: &str) -> String {
    let key = signer().public();
    match (kind, verb) {
        (_, "credit" | "release" | "data") => r#"[{"endpoint":"fitbit/steps","data":{}}]"#.into(),
        (_, "pull") => r#"{"since":"2026-01-01T00:00:00Z","limit":100}"#.into(),
        (_, "receipt") => {
            json!({"delivery": EXCHANGE, "digest": "00".repeat(32), "count": 1, "verdict": "accepted"}).to_string()
        }
        (Kind::Hat, "register") => json!({"key": key}).to_string(),
        (Kind::Plug, "register") => json!({"key": key, "name": "Fitbit", "namespace": "fitbit"}).to_string(),
        (Kind::App, "register") => {
            json!({"key": key, "name": "Notables", "version": "1.0.0", "namespaces": ["rumpel"]}).to_string()
        }
        (Kind::App, "version") => {
            let mut manifest: serde_json::Value =
                serde_json::from_str(include_str!("../../domain/app/notables.json")).expect("a manifest");
            manifest["id"] = json!("some.id");
            json!({"key": key, "manifest": manifest}).to_string()
        }
        (_, "decline") => json!({"key": key, "why": "no privacy policy"}).to_string(),
        (_, "pin-key") => json!({"publicKey": include_str!("../../domain/tests/pin.pem")}).to_string(),
        (_, "notice") => r#"{"message":"Closed on Sunday","target":{"withAnyRole":["hatuser"]}}"#.into(),
        (_, "entrust") => r#"{"transport":"http","bridge":"dex.test"}"#.into(),
        (_, "account") => r#"{"account":"acme","roles":["createDataOffers"],"approved":true}"#.into(),
        (Kind::Org | Kind::Bridge, "register") | (_, "certify") => json!({"key": key, "name": "Acme"}).to_string(),
        (Kind::Offer, "register") => offer().to_string(),
        (Kind::Offer, "approve") => "{}".into(),
        (_, "approve" | "publish" | "rotate-key") => json!({"key": key}).to_string(),
        (_, "revoke-key") => json!({"key": key, "since": "2026-01-01T00:00:00Z"}).to_string(),
        (_, "debit-propose" | "debit-amend") => debit().to_string(),
        (_, "debit-disable") => r#"{"atPeriodEnd":true}"#.into(),
        (_, "lapse") => r#"{"hat":"bob.hubat.net","completed":true}"#.into(),
        (_, "pull-asked") => {
            let (digest, deadline) = ("00".repeat(32), "2026-01-01T00:00:00Z");
            json!({"pull": EXCHANGE, "by": "org:acme", "digest": digest, "deadline": deadline}).to_string()
        }
        (_, "claim-reserved") => json!({"terms": debit()}).to_string(),
        (Kind::Plug, "report") => r#"{"done":1,"failed":0,"lagSeconds":60}"#.into(),
        (_, "job") => r#"{"status":"wanted","endpoint":"activity"}"#.into(),
        (_, "schedule") => r#"{"pause":true}"#.into(),
        (_, "classify") => r#"{"endpoint":"fitbit/steps","class":"quasi"}"#.into(),
        (_, "report") => r#"[{"statsType":"storage"}]"#.into(),
        (_, "reserve" | "confirm") => r#"{"hat":"bob.hubat.net"}"#.into(),
        _ => "{}".into(),
    }
}

#[test]
fn every_action_of_the_table_is_read_and_unknown_fields_are_refused() {
    let mut seen = 0;
    for kind in Kind::ALL {
        let to = format!("{kind}:some.id");
        for &(verb, object) in actions::actions_of(kind) {
            let token = match object {
                Object::None => None,
                Object::Id(_) => Some("acme_steps"),
                Object::Exchange => Some(EXCHANGE),
            };
            let good = body_of(kind, verb);
            read(&to, verb, token, &good).unwrap_or_else(|e| panic!("{kind} {verb}: {e:?}"));
            let more = if let Some(rest) = good.strip_prefix("[{") {
                format!("[{{\"surplus\":1,{rest}")
            } else {
                let comma = if good == "{}" { "" } else { "," };
                format!("{{\"surplus\":1{comma}{}", &good[1..])
            };
            // What HATs report is in their form, which has more or less in it by their age.
            if (kind, verb) != (Kind::Hat, "report") {
                let refused = read(&to, verb, token, &more).expect_err("a surplus field");
                assert_eq!(refused.0, Reason::Malformed, "{kind} {verb}");
            }
            let other = if token.is_some() { None } else { Some("x") };
            assert!(read(&to, verb, other, &good).is_err(), "{kind} {verb}");
            seen += 1;
        }
    }
    assert_eq!(seen, Kind::ALL.iter().map(|kind| actions::actions_of(*kind).len()).sum::<usize>());
}

#[test]
fn actions_without_fields_take_an_empty_body() {
    for (verb, object) in [
        ("suspend", None),
        ("retire", None),
        ("plug-connect", Some("fitbit")),
        ("debit-enable", Some("d")),
        ("debit-disable", Some("d")),
        ("pull", Some("d")),
        ("claim", Some("o")),
        ("recall", Some(EXCHANGE)),
    ] {
        read("hat:bob", verb, object, "").unwrap_or_else(|e| panic!("{verb}: {e:?}"));
    }
    assert!(read("hat:bob", "register", None, "").is_err());
}

#[test]
fn bodies_become_the_domain_s_actions() {
    let key = signer().public();
    assert_eq!(
        read("plug:fitbit", "register", None, &body_of(Kind::Plug, "register")),
        Ok(Action::Register {
            key: Some(key),
            profile: Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest: None }
        })
    );
    assert_eq!(
        read("app:a", "publish", None, &json!({"key": key}).to_string()),
        Ok(Action::Approve { key: Some(key) })
    );
    assert_eq!(
        read("hat:bob", "debit-disable", Some("acme_steps"), r#"{"atPeriodEnd":true}"#),
        Ok(Action::DebitDisable { debit: Id::new("acme.steps").expect("id"), at_period_end: true })
    );
}

#[test]
fn an_unknown_action_is_answered_with_those_there_are() {
    let (reason, detail) = read("lane:k3", "pull", Some("d"), "{}").expect_err("none");
    assert_eq!(reason, Reason::Malformed);
    assert_eq!(detail, "the kind lane has no action \"pull\"; it has receipt");
    let (_, detail) = read("pseudonym:eve", "suspend", None, "").expect_err("none");
    assert_eq!(detail, "the kind pseudonym has no actions");
    let (_, detail) = read("hat:bob", "fetch", None, "").expect_err("none");
    assert!(detail.contains("release.<debit>"), "{detail}");
}

#[test]
fn keys_that_anybody_can_sign_for_are_not_registered() {
    // The neutral element, a point of order 8, something off the curve, a non-canonical y.
    let mut neutral = [0u8; 32];
    neutral[0] = 1;
    let order8 = curve25519_dalek::constants::EIGHT_TORSION[1].compress().0;
    let mut off = [0u8; 32];
    off[0] = 2;
    let mut large = [0xff; 32];
    large[0] = 0xf0;
    large[31] = 0x7f;
    for bytes in [neutral, order8, off, large] {
        let key = Key(bytes);
        for (to, verb, body) in [
            ("hat:bob", "register", json!({"key": key})),
            ("org:acme", "register", json!({"key": key, "name": "Acme"})),
            ("platform:hubat.net", "certify", json!({"key": key, "name": "Hubat"})),
            ("plug:fitbit", "rotate-key", json!({"key": key})),
        ] {
            let (reason, detail) = read(to, verb, None, &body.to_string()).expect_err("weak");
            assert_eq!(reason, Reason::Malformed);
            assert!(detail.contains("not a usable"), "{detail}");
        }
    }
}

#[test]
fn terms_that_contradict_themselves_are_refused() {
    let cases: [(&str, &str, serde_json::Value); 9] = [
        ("debit", "/client", json!("plug:fitbit")),
        ("debit", "/periodSeconds", json!(0)),
        ("debit", "/purpose", json!("")),
        ("debit", "/bundle/name", json!("two words")),
        ("debit", "/bundle/bundle", json!({})),
        ("debit", "/bundle/bundle/steps/endpoints/0/endpoint", json!("steps")),
        ("offer", "/expires", json!("2026-01-01T00:00:00Z")),
        ("offer", "/minClaims", json!(11)),
        ("offer", "/debit/client", json!("org:other")),
    ];
    for (which, pointer, value) in cases {
        let (mut body, to, verb, object) = match which {
            "debit" => (debit(), "hat:bob", "debit-propose", Some("d")),
            _ => (offer(), "offer:o", "register", None),
        };
        *body.pointer_mut(pointer).expect("a field") = value;
        let refused = read(to, verb, object, &body.to_string()).expect_err(pointer);
        assert_eq!(refused.0, Reason::Malformed, "{pointer}");
    }
}

#[test]
fn fields_of_the_hat_s_own_format_that_are_not_taken_say_why() {
    let callback = ("requestClientCallbackUrl", json!("https://acme.example"), "own inbox");
    for (field, value, words) in [callback, ("withoutPii", json!(true), "of an offer")] {
        let mut body = debit();
        body[field] = value;
        let (reason, detail) = read("hat:bob", "debit-propose", Some("d"), &body.to_string()).expect_err("refused");
        assert_eq!(reason, Reason::Malformed);
        assert!(detail.contains(field) && detail.contains(words), "{detail}");
    }
    let mut body = debit();
    let find = json!({"field": "born", "operator": {"operator": "find", "search": "1990"}});
    body["conditions"] =
        json!({"name": "adult", "bundle": {"age": {"endpoints": [{"endpoint": "rumpel/age", "filters": [find]}]}}});
    let (_, detail) =
        read("hat:bob", "debit-propose", Some("d"), &body.to_string()).expect_err("a filter that passes all");
    let place = "conditions.bundle.age.endpoints[0].filters[0].operator: find needs";
    assert!(detail.contains(place), "{detail}");
    body["conditions"] = json!({"name": "adult", "bundle": {}});
    let (_, detail) = read("hat:bob", "debit-propose", Some("d"), &body.to_string()).expect_err("empty");
    assert!(detail.contains("conditions.bundle: has 0 properties"), "{detail}");
    body["conditions"] = serde_json::Value::Null;
    body["start"] = json!("9999-12-31T23:59:59Z");
    let (_, detail) = read("hat:bob", "debit-propose", Some("d"), &body.to_string()).expect_err("too far");
    assert!(detail.contains("between the years 1678 and 2261"), "{detail}");
}
