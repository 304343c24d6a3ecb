//! Bundles made, checked, cut, asked and changed in every place.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::Reason;
use crate::domain::app::{Manifest, RoleGranted};
use crate::domain::time::SECOND;
use crate::wire::Signer;
use crate::wire::canonical::canonical;

const T0: Timestamp = Timestamp(1_800_000_000 * SECOND);
const DAY: i64 = 86_400 * SECOND;

fn signer() -> Signer {
    Signer::from_seed(&[7; 32])
}

fn stand() -> Stand {
    Stand { tree_size: 12, root: Digest([3; 32]), note: "dex.test\n12\nAw==\n".into() }
}

fn record(key: u8, from: i64, until: Option<i64>) -> KeyRecord {
    KeyRecord { key: Key([key; 32]), from: Timestamp(from), until: until.map(Timestamp), n: 1 }
}

fn party(address: &str, standing: Standing, profile: Profile, keys: Vec<KeyRecord>) -> Party {
    let registration = Registration { standing, keys, profile: Some(profile), ..Registration::default() };
    Party::of(&address.parse().expect("an address"), &registration).expect("is listed")
}

fn parties() -> Vec<Party> {
    let plug = Profile::Plug { name: "F".into(), namespace: "facebook".into(), manifest: None };
    let app = Profile::App {
        name: "N".into(),
        version: "1.0.0".into(),
        namespaces: vec!["notes".into(), "x".into()],
        manifest: None,
    };
    let ended = T0.plus(DAY / 2).0;
    vec![
        party("plug:facebook", Standing::Active, plug.clone(), vec![record(1, 5, Some(ended)), record(2, ended, None)]),
        party("plug:fitbit", Standing::Suspended, plug, vec![record(3, 5, None)]),
        party("app:notables", Standing::Active, app, vec![record(4, 5, None)]),
        party("platform:hubat.net", Standing::Active, Profile::Platform { name: "P".into() }, vec![record(5, 5, None)]),
        party("operator:main", Standing::Active, Profile::Operator, vec![record(6, 5, None)]),
    ]
}

fn made(most: usize) -> Made {
    make(&signer(), "dex.test", 9, T0, T0.plus(DAY), stand(), parties(), most)
}

fn open(bytes: &[u8], now: Timestamp) -> Result<TrustBundle, BundleError> {
    check(bytes, Root { origin: "dex.test", keys: &[signer().public()] }, now)
}

#[test]
fn a_bundle_is_checked_against_the_key_the_origin_and_the_clock() {
    let made = made(1 << 19);
    let bundle = open(&made.bytes, T0).expect("good");
    assert_eq!(bundle, made.bundle);
    assert!(bundle.complete);
    let names: Vec<String> = bundle.parties.iter().map(|it| it.party.to_string()).collect();
    assert_eq!(names, ["operator:main", "platform:hubat.net", "plug:facebook", "plug:fitbit", "app:notables"]);
    assert_eq!(bundle.parties[1].rules.domain.as_deref(), Some("hubat.net"));
    assert_eq!(named(&made.bytes), Ok(("dex.test".into(), signer().public())));

    assert!(open(&made.bytes, T0.plus(-60 * SECOND)).is_ok(), "clocks differ a little");
    assert_eq!(open(&made.bytes, T0.plus(-61 * SECOND)), Err(BundleError::NotYetValid(T0)));
    assert!(open(&made.bytes, T0.plus(DAY - 1)).is_ok());
    assert_eq!(open(&made.bytes, T0.plus(DAY)), Err(BundleError::Expired(T0.plus(DAY))));
    let other = Signer::from_seed(&[8; 32]).public();
    let wrong = check(&made.bytes, Root { origin: "dex.test", keys: &[other] }, T0);
    assert_eq!(wrong, Err(BundleError::UnknownKey(signer().public())));
    let wrong = check(&made.bytes, Root { origin: "dex.else", keys: &[signer().public()] }, T0);
    assert!(matches!(wrong, Err(BundleError::OtherOrigin { .. })));
    for bad in [&b""[..], b"{}", b"[]", b"null", b"{\"bundle\":{},\"key\":\"U\",\"signature\":\"\"}"] {
        assert!(matches!(open(bad, T0), Err(BundleError::Damaged(_))));
    }
    let spaced = [&made.bytes[..], b"\n"].concat();
    assert_eq!(open(&spaced, T0), Err(BundleError::NotCanonical));
    assert!(matches!(open(&vec![b' '; BYTES_MAX + 1], T0), Err(BundleError::Damaged(_))));
}

#[test]
fn what_has_no_room_is_left_out_from_the_end_and_said() {
    let whole = made(1 << 19);
    for most in (0..whole.bytes.len() + 64).step_by(17) {
        let made = made(most);
        let bundle = open(&made.bytes, T0).expect("good");
        assert_eq!(bundle.parties.len() as u64 + bundle.omitted, 5);
        assert_eq!(bundle.complete, bundle.omitted == 0);
        assert_eq!(bundle.parties[..], whole.bundle.parties[..bundle.parties.len()]);
        assert!(made.bytes.len() <= most || bundle.parties.is_empty());
    }
}

#[test]
fn a_right_is_told_offline() {
    let bundle = made(1 << 19).bundle;
    let may = |party: &str, key: u8, namespace: &str, at: Timestamp| {
        bundle.may_write(&party.parse().expect("an address"), &Key([key; 32]), namespace, at)
    };
    let later = T0.plus(DAY / 2);
    assert_eq!(may("plug:facebook", 1, "facebook", T0), Ruling::May);
    assert_eq!(may("plug:facebook", 1, "facebook", later), Ruling::MayNot(Reason::RevokedKey));
    assert_eq!(may("plug:facebook", 2, "facebook", T0), Ruling::MayNot(Reason::RevokedKey));
    assert_eq!(may("plug:facebook", 2, "facebook", later), Ruling::May);
    assert_eq!(may("plug:facebook", 3, "facebook", T0), Ruling::MayNot(Reason::BadSignature));
    assert_eq!(may("plug:facebook", 1, "notes", T0), Ruling::MayNot(Reason::OutsideNamespace));
    assert_eq!(may("plug:fitbit", 3, "facebook", T0), Ruling::MayNot(Reason::Suspended));
    assert_eq!(may("app:notables", 4, "x", T0), Ruling::May);
    assert_eq!(may("platform:hubat.net", 5, "x", T0), Ruling::MayNot(Reason::NotPermitted));
    assert_eq!(may("plug:none", 1, "x", T0), Ruling::MayNot(Reason::UnknownParty));
    assert_eq!(may("hat:bob.hubat.net", 1, "x", T0), Ruling::NotCovered);
    assert_eq!(may("plug:facebook", 1, "facebook", T0.plus(-1)), Ruling::OtherTime);
    assert_eq!(may("plug:facebook", 2, "facebook", T0.plus(DAY)), Ruling::OtherTime);
    let most = made(1 << 19).bytes.len() - 1;
    let cut = made(most).bundle;
    let app = "app:notables".parse().expect("an address");
    assert_eq!(cut.may_write(&app, &Key([4; 32]), "x", T0), Ruling::LeftOut);
}

/// `app:rumpel` with a manifest that asks for these roles.
fn rumpel(granted: &[(&str, Option<&str>)]) -> Party {
    let mut manifest: Manifest =
        serde_json::from_str(include_str!("../../domain/app/notables.json")).expect("a manifest");
    let role =
        |(role, detail): &(&str, Option<&str>)| RoleGranted { role: (*role).into(), detail: detail.map(Into::into) };
    manifest.permissions.roles_granted = granted.iter().map(role).collect();
    let app = Profile::App {
        name: "R".into(),
        version: "1.1.4".into(),
        namespaces: manifest.namespaces(),
        manifest: Some(manifest.into()),
    };
    party("app:rumpel", Standing::Active, app, vec![record(9, 5, None)])
}

#[test]
fn roles_of_an_app_are_told_offline() {
    let asked = [
        ("namespacewrite", Some("rumpel")),
        ("namespaceread", Some("facebook")),
        ("namespaceread", Some("rumpel")),
        ("applicationlist", None),
        ("applicationlist", None),
    ];
    let mut all = parties();
    all.push(rumpel(&asked));
    let made = make(&signer(), "dex.test", 9, T0, T0.plus(DAY), stand(), all, 1 << 19);
    let bundle = open(&made.bytes, T0).expect("good");
    let rumpel: Address = "app:rumpel".parse().expect("an address");
    let rules = &bundle.party(&rumpel).expect("listed").rules;
    assert_eq!(rules.version.as_deref(), Some("1.1.4"));
    let told: Vec<String> = rules.roles.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(told, ["applicationlist", "namespaceread facebook", "namespaceread rumpel", "namespacewrite rumpel"]);
    let may = |party: &str, key: u8, role: &str, detail: Option<&str>, at: Timestamp| {
        bundle.may_act(&party.parse().expect("an address"), &Key([key; 32]), role, detail, at)
    };
    let refused = Ruling::MayNot(Reason::NotPermitted);
    assert_eq!(may("app:rumpel", 9, "namespaceread", Some("facebook"), T0), Ruling::May);
    assert_eq!(may("app:rumpel", 9, "namespaceread", None, T0), Ruling::May);
    assert_eq!(may("app:rumpel", 9, "namespaceread", Some("fitbit"), T0), refused);
    assert_eq!(may("app:rumpel", 9, "namespacewrite", Some("facebook"), T0), refused);
    assert_eq!(may("app:rumpel", 9, "applicationlist", None, T0), Ruling::May);
    assert_eq!(may("app:rumpel", 9, "applicationlist", Some("notables"), T0), refused);
    assert_eq!(may("app:rumpel", 9, "datadebit", None, T0), refused);
    assert_eq!(may("app:rumpel", 8, "namespaceread", None, T0), Ruling::MayNot(Reason::BadSignature));
    assert_eq!(may("app:rumpel", 9, "namespaceread", None, T0.plus(DAY)), Ruling::OtherTime);
    assert_eq!(may("app:notables", 4, "namespaceread", None, T0), Ruling::RolesNotTold, "it has no manifest");
    assert_eq!(may("plug:facebook", 1, "namespacewrite", Some("facebook"), T0), refused, "plugs have none");
}

#[test]
fn roles_that_would_crowd_out_others_are_not_told() {
    let long = "x".repeat(ROLES_BYTES_MAX);
    assert_eq!(rumpel(&[("managefiles", Some(&long))]).rules.roles, None);
    let short = &long[..ROLES_BYTES_MAX - 64];
    assert_eq!(rumpel(&[("managefiles", Some(short))]).rules.roles.map(|roles| roles.len()), Some(1));
    assert_eq!(rumpel(&[]).rules.roles, Some(vec![]), "asking for none is told");
}

#[test]
fn a_bundle_that_was_signed_before_roles_were_told_is_still_good() {
    let bytes = include_bytes!("../../../tests/data/trust-bundle-before-roles.json");
    let old = open(bytes, T0).expect("good");
    let notables: Address = "app:notables".parse().expect("an address");
    let key = Key([4; 32]);
    assert_eq!(old.may_write(&notables, &key, "notes", T0), Ruling::May);
    assert_eq!(old.may_act(&notables, &key, "namespacewrite", Some("notes"), T0), Ruling::RolesNotTold);
    // And nothing of it is written in another way than it was then.
    assert_eq!(make(&signer(), "dex.test", 9, T0, T0.plus(DAY), stand(), old.parties, 1 << 19).bytes, bytes);
}

#[test]
fn an_exchange_that_signs_nonsense_is_not_believed() {
    let damage = |change: &dyn Fn(&mut TrustBundle)| {
        let mut bundle = made(1 << 19).bundle;
        change(&mut bundle);
        let value = serde_json::to_value(&bundle).expect("JSON");
        let digest = Digest::of(&canonical(&value).expect("whole"));
        let signature = signer().sign(&signed_text("dex.test", &digest));
        let envelope = Envelope { bundle: value, key: signer().public(), signature };
        let bytes = canonical(&serde_json::to_value(envelope).expect("JSON")).expect("whole");
        open(&bytes, T0)
    };
    assert!(damage(&|_| {}).is_ok());
    let changes: [&dyn Fn(&mut TrustBundle); 6] = [
        &|it| it.v = 2,
        &|it| it.parties.swap(0, 1),
        &|it| it.parties[1] = it.parties[0].clone(),
        &|it| it.omitted = 1,
        &|it| it.expires = it.issued,
        &|it| it.parties[0].keys[0].fingerprint = "00".into(),
    ];
    for change in changes {
        assert!(matches!(damage(change), Err(BundleError::Damaged(_))));
    }
}

/// The leaves of a value, by pointer.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, it)| pointers(it, format!("{at}/{name}"), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, it)| pointers(it, format!("{at}/{i}"), found)),
        _ => found.push(at),
    }
}

#[test]
fn every_changed_field_is_noticed() {
    let bytes = made(1 << 19).bytes;
    let whole: Value = serde_json::from_slice(&bytes).expect("JSON");
    let mut found = Vec::new();
    pointers(&whole, String::new(), &mut found);
    assert!(found.len() > 40);
    for pointer in found {
        let mut changed = whole.clone();
        let field = changed.pointer_mut(&pointer).expect("there");
        *field = match field.take() {
            Value::String(text) => Value::String(format!("{text}x")),
            Value::Number(number) => Value::from(number.as_u64().expect("whole") + 1),
            Value::Bool(it) => Value::Bool(!it),
            other => panic!("{other}"),
        };
        let bytes = canonical(&changed).expect("whole");
        assert!(open(&bytes, T0).is_err(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn every_changed_byte_is_noticed(place: prop::sample::Index, by in 1u8..=255) {
        let mut bytes = made(1 << 19).bytes;
        let place = place.index(bytes.len());
        bytes[place] ^= by;
        prop_assert!(open(&bytes, T0).is_err());
        bytes.truncate(place);
        prop_assert!(open(&bytes, T0).is_err());
    }
}
