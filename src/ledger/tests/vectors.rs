//! The published vectors of proofs are what this code computes. `DEX_WRITE_VECTORS=1` writes them anew.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use crate::domain::effect::Effect;
use crate::domain::registration::KeyRecord;
use crate::domain::time::SECOND;
use crate::domain::{Digest, Entry, Profile, Registration, Standing, Timestamp, effects_of};
use crate::ledger::merkle::tests::{LEAVES, Stored};
use crate::ledger::merkle::{Edge, Hash, commitment, leaf_hash};
use crate::ledger::proof::{consistency, inclusion, verify_consistency, verify_inclusion};
use crate::ledger::{Checkpoint, CheckpointKey};
use crate::wire::outcome::{Leaf, OutcomeOut, Proof};
use crate::wire::sign::Signer;
use crate::wire::tests::vectors::check;
use crate::wire::trust_bundle::{self, Party, Root, Stand};

const ORIGIN: &str = "dex.example";
const SEED: [u8; 32] = [4; 32];
const NOW: Timestamp = Timestamp(1_767_225_600 * SECOND);
const HAT: &str = "hat:bob.hubat.net";
const OFFER: &str = "offer:acme.steps";

fn hex(hash: &Hash) -> String {
    HEXLOWER.encode(hash)
}

fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(hex).collect()
}

/// A tree over these leaf data, and its root at each size.
fn tree(leaves: &[Vec<u8>]) -> (Stored, Vec<Hash>) {
    let (mut edge, mut stored, mut roots) = (Edge::default(), Vec::new(), vec![Edge::default().root()]);
    for leaf in leaves {
        edge.push(leaf_hash(leaf), &mut stored);
        roots.push(edge.root());
    }
    (Stored(stored), roots)
}

/// Every proof of the reference tests of Certificate Transparency.
fn proofs() -> Value {
    let leaves: Vec<Vec<u8>> = LEAVES.iter().map(|leaf| HEXLOWER.decode(leaf.as_bytes()).expect("hex")).collect();
    let (stored, roots) = tree(&leaves);
    let (mut included, mut consistent) = (Vec::new(), Vec::new());
    for (size, root) in (0u64..).zip(&roots) {
        for (leaf, data) in (0..size).zip(&leaves) {
            let path = inclusion(&stored, leaf, size).expect("in memory");
            assert!(verify_inclusion(&leaf_hash(data), leaf, size, root, &path));
            included.push(json!({
                "leafData": HEXLOWER.encode(data), "leafHash": hex(&leaf_hash(data)), "leaf": leaf, "treeSize": size,
                "root": hex(root), "path": hexes(&path),
            }));
        }
        for (old, old_root) in (0..=size).zip(&roots) {
            let proof = consistency(&stored, old, size).expect("in memory");
            assert!(verify_consistency(old, old_root, size, root, &proof));
            consistent.push(json!({
                "oldSize": old, "oldRoot": hex(old_root), "newSize": size, "newRoot": hex(root), "proof": hexes(&proof),
            }));
        }
    }
    json!({ "inclusion": included, "consistency": consistent })
}

fn key() -> CheckpointKey {
    CheckpointKey::from_seed(ORIGIN, SEED).expect("a name that notes can carry")
}

fn checkpoints() -> Value {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 48, root: Digest::of(b"root").0 };
    let note = key().sign(&checkpoint);
    let witnessed = format!("{note}— witness.example AAAAAAAA\n");
    let other = CheckpointKey::from_seed(ORIGIN, [5; 32]).expect("a name").sign(&checkpoint);
    let elsewhere = key().sign(&Checkpoint { origin: "other.example".into(), ..checkpoint.clone() });
    let cases = [
        ("a checkpoint", note.clone(), true),
        ("with the signature of a witness beside it", witnessed, true),
        ("of another size than was signed", note.replacen("\n48\n", "\n49\n", 1), false),
        ("signed with another key of that name", other, false),
        ("of another log", elsewhere, false),
        ("its last line does not end", note[..note.len() - 1].to_owned(), false),
        ("no signature", note[..note.find('—').expect("there")].to_owned(), false),
    ];
    let cases = cases.map(|(name, note, valid)| {
        assert_eq!(key().verifier().open(&note).is_ok(), valid, "{name}");
        json!({ "name": name, "note": note, "valid": valid })
    });
    json!({
        "verifierKey": key().verifier().to_string(), "publicKey": Signer::from_seed(&SEED).public(),
        "origin": ORIGIN, "size": 48, "root": hex(&checkpoint.root), "notes": cases,
    })
}

fn uuid(last: u8) -> String {
    format!("019b76da-a800-7111-9111-1111111111{last:02x}")
}

/// An entry of each kind that outcomes follow from.
fn entries() -> Vec<Entry> {
    let opened = json!({
        "exchange": uuid(2), "from": "plug:fitbit", "direction": "credit", "authority": {"plug": "fitbit"},
        "to": "hat:bob.hubat.net", "delivery": uuid(3), "deadline": "2026-01-01T01:00:00Z", "digest_in": Digest::of(b"in"),
        "digest_out": Digest::of(b"out"), "count_in": 3, "count_out": 2, "bytes_in": 51, "bytes_out": 40,
        "endpoints": [["fitbit/steps", 2]], "dropped": {"quasi": 2, "direct": 1},
    });
    let mut large = opened.clone();
    large["large"] = json!({"by": "plug:fitbit", "object": uuid(8)});
    let closed = json!({
        "exchange": uuid(2), "from": "plug:fitbit", "to": "hat:bob.hubat.net", "delivery": uuid(3), "direction": "credit",
        "digest_in": Digest::of(b"in"), "digest_out": Digest::of(b"out"), "count": 2, "bytes": 40,
        "opened_at": "2026-01-01T00:00:00Z",
    });
    let said = json!({"delivery": uuid(3), "digest": Digest::of(b"other"), "count": 2, "verdict": "accepted"});
    let fetching = json!({
        "exchange": uuid(2), "from": "plug:fitbit", "by": "plug:fitbit", "to": "hat:bob.hubat.net", "direction": "credit",
        "authority": {"plug": "fitbit"}, "delivery": uuid(3), "deadline": "2026-01-01T01:00:00Z",
        "object": {"id": uuid(8), "size": 600_000, "digest": Digest::of(b"large"), "count": 9, "chunks": 5},
    });
    let to_all = json!({
        "exchange": uuid(2), "from": HAT, "by": HAT, "to": HAT, "direction": "release", "authority": "debits",
        "delivery": uuid(3), "deadline": "2026-01-01T01:00:00Z", "object": fetching["object"],
        "debits": ["acme.steps", "acme.places"],
    });
    let answer = json!({
        "exchange": uuid(2), "from": HAT, "by": HAT, "to": "org:acme", "direction": "release",
        "authority": {"debit": "acme.steps"}, "delivery": uuid(3), "deadline": "2026-01-01T01:00:00Z",
        "object": fetching["object"], "pull": uuid(9), "without_pii": true,
    });
    let fetched = json!({
        "exchange": uuid(2), "from": HAT, "to": HAT, "delivery": uuid(3), "direction": "release",
        "digest_in": Digest::of(b"large"), "digest_out": Digest::of(b"large"), "count": 9, "bytes": 600_000,
        "opened_at": "2026-01-01T00:00:00Z",
    });
    let released = json!({
        "exchange": uuid(2), "from": HAT, "direction": "release", "authority": {"debit": "acme.steps"}, "to": "org:acme",
        "delivery": uuid(3), "deadline": "2026-01-01T01:00:00Z", "digest_in": Digest::of(b"in"),
        "digest_out": Digest::of(b"out"), "count_in": 3, "count_out": 2, "bytes_in": 51, "bytes_out": 40,
        "endpoints": [["fitbit/steps", 2]],
    });
    let pulled = json!({
        "pull": uuid(1), "by": "org:acme", "digest": Digest::of(b"body"), "deadline": "2026-01-01T01:00:00Z",
        "ask": {"limit": 5},
    });
    let posted = json!({
        "notice": uuid(10), "digest": Digest::of(b"notice"), "expires": "2026-01-08T00:00:00Z",
        "roles": 1, "emails": 0, "hats": 2,
    });
    let no_place = json!({"hat": "bob.hubat.net", "reason": "offer-full", "claim": uuid(7)});
    let parts = json!([
        {"exchange": uuid(4), "debit": "acme.steps"},
        {"exchange": uuid(5), "debit": "acme.places", "dropped": {"special": 4}},
    ]);
    let terms = json!({
        "client": "org:acme", "purpose": "A study", "periodSeconds": 60,
        "bundle": {"name": "steps", "bundle": {"steps": {"endpoints": [{"endpoint": "fitbit/steps"}]}}},
    });
    let sent = |subject: &str, from: &str| {
        Some(json!({
            "subject": format!("dex.v1.in.{subject}"), "id": uuid(1), "from": from,
            "key": Signer::from_seed(&[2; 32]).public(), "signature": Signer::from_seed(&[2; 32]).sign(b"text"),
            "deadline": null, "reply": null, "want": "proof", "pull": null, "body": Digest::of(b"body"),
        }))
    };
    let by = |from: &str, action: &str| sent(&format!("hat.bob_hubat_net.{action}"), from);
    let plug = |action: &str| by("plug:fitbit", action);
    let hat = |action: &str| by(HAT, action);
    let all = [
        (plug("credit.fitbit"), json!({"Opened": opened})),
        (plug("credit.fitbit"), json!({"Held": {"opened": opened, "reason": "offer-below-minimum"}})),
        (None, json!({"Held": {"opened": large, "reason": "offer-below-minimum"}})),
        (None, json!({"Held": {"opened": opened, "reason": "offer-below-minimum"}})),
        (plug("credit.fitbit"), json!({"Fetching": fetching})),
        (None, json!({"Fetched": large})),
        (None, json!({"Released": opened})),
        (None, json!({"Dropped": {"closed": closed, "reason": "digest-mismatch"}})),
        (hat("data"), json!({"Fanned": {"digest": Digest::of(b"in"), "count": 3, "parts": parts}})),
        (plug("credit.fitbit"), json!({"Rejected": {"reason": "not-connected"}})),
        (hat("receipt"), json!({"Settled": closed})),
        (hat("receipt"), json!({"Disputed": {"closed": closed, "reason": "digest-mismatch", "said": said}})),
        (None, json!({"Expired": closed})),
        (
            plug("recall"),
            json!({"RecallRequested": {"exchange": uuid(2), "delivery": uuid(3), "to": "hat:bob.hubat.net"}}),
        ),
        (hat("receipt"), json!({"Recalled": closed})),
        (hat("receipt"), json!({"LateReceipt": {"delivery": uuid(3), "verdict": "accepted"}})),
        (by("operator:main", "suspend"), json!("Suspended")),
        (
            by("operator:main", "approve"),
            json!({"Seconded": {"key": Signer::from_seed(&[3; 32]).public(), "registered": 1, "by": "operator:main"}}),
        ),
        (plug("plug-connect.fitbit"), json!({"PlugAsked": {"plug": "fitbit", "until": "2026-01-08T00:00:00Z"}})),
        (hat("plug-connect.fitbit"), json!({"PlugConnected": {"plug": "fitbit", "asked": uuid(6)}})),
        (hat("plug-connect.fitbit"), json!({"PlugConnected": {"plug": "fitbit"}})),
        (
            hat("plug-disconnect.fitbit"),
            json!({"PlugUnanswered": {"plug": "fitbit", "asked": uuid(6), "declined": true}}),
        ),
        (None, json!({"PlugUnanswered": {"plug": "fitbit", "asked": uuid(6), "declined": false}})),
        (hat("claim.acme.steps"), json!({"Claimed": {"offer": "acme.steps"}})),
        (
            by("dex:dex.example", "claim-reserved"),
            json!({"DebitProposed": {"debit": "acme.steps", "terms": terms, "offer": "acme.steps", "claim": uuid(7)}}),
        ),
        (
            by("org:acme", "debit-propose.acme.steps"),
            json!({"DebitProposed": {"debit": "acme.steps", "terms": terms, "offer": null, "claim": null}}),
        ),
        (by("dex:dex.example", "claim-refused"), json!({"ClaimRefused": {"offer": "acme.steps", "claim": uuid(7)}})),
        (
            hat("debit-disable.acme.steps"),
            json!({"DebitDisabled": {"debit": "acme.steps", "at_period_end": false, "client": "org:acme"}}),
        ),
        (
            None,
            json!({"DeadLetter": {"subject": "dex.v1.p.0.x", "sequence": 5, "body": Digest::of(b"x"), "reason": "internal"}}),
        ),
        (hat("data"), json!({"Fetching": to_all})),
        (hat("release.acme_steps"), json!({"Fetching": answer})),
        (None, json!({"Fanned": {"digest": Digest::of(b"large"), "count": 9, "parts": parts, "fetched": fetched}})),
        (None, json!({"Fanned": {"digest": Digest::of(b"large"), "count": 9, "parts": [], "fetched": fetched}})),
        (
            hat("release.acme_steps"),
            json!({"Held": {"opened": released, "reason": "offer-below-minimum", "gate": Digest::of(b"gate")}}),
        ),
        (
            by("dex:dex.example", "pull-asked.acme_steps"),
            json!({"PullRefused": {
                "pull": uuid(9), "by": "org:acme", "digest": Digest::of(b"question"), "reason": "debit-ended",
            }}),
        ),
    ];
    let elsewhere = [
        (
            OFFER,
            sent("offer.acme_steps.pull.one", "org:acme"),
            json!({"OfferPulled": {"hat": "bob.hubat.net", "pull": pulled}}),
        ),
        (OFFER, sent("offer.acme_steps.reserve", "dex:dex.example"), json!({"OfferRefused": no_place})),
        // Only the exchange causes it, which is not told; so that it is read alike all the same, as if a HAT had.
        (OFFER, sent("offer.acme_steps.reserve", HAT), json!({"OfferRefused": no_place})),
        ("org:acme", sent("org.acme.notice", "org:acme"), json!({"NoticePosted": posted})),
    ];
    let all = all.into_iter().map(|(cause, event)| (HAT, cause, event)).chain(elsewhere);
    let entries = all.zip(1u64..).map(|((entity, cause, event), n)| {
        let mut entry =
            json!({"v": 1, "entity": entity, "n": n, "at": NOW.plus(n as i64 * 500_000_001), "event": event});
        if let Some(cause) = cause {
            entry["cause"] = cause;
        }
        serde_json::from_value(entry).unwrap_or_else(|error| panic!("entry {n}: {error}"))
    });
    entries.collect()
}

/// Every outcome of these entries with its proof, in one tree.
fn outcomes() -> Value {
    let entries = entries();
    let written: Vec<Vec<u8>> =
        entries.iter().map(|entry| rmp_serde::to_vec_named(entry).expect("is written")).collect();
    let salts: Vec<[u8; 32]> = (0u64..).take(entries.len()).map(|n| Digest::of(&n.to_be_bytes()).0).collect();
    let leaves: Vec<Vec<u8>> =
        written.iter().zip(&salts).map(|(entry, salt)| commitment(salt, entry).to_vec()).collect();
    let (stored, roots) = tree(&leaves);
    let size = leaves.len() as u64;
    let note = key().sign(&Checkpoint { origin: ORIGIN.into(), size, root: *roots.last().expect("one") });
    let mut all = Vec::new();
    let mut silent = Vec::new();
    for ((entry, leaf), (bytes, salt)) in entries.iter().zip(0u64..).zip(written.iter().zip(&salts)) {
        let read: Entry = rmp_serde::from_slice(bytes).expect("is read");
        assert_eq!(read, *entry);
        let path = inclusion(&stored, leaf, size).expect("in memory");
        let proof = || Proof {
            entry: BASE64.encode(bytes),
            salt: BASE64.encode(salt),
            path: path.iter().copied().map(Digest).collect(),
            checkpoint: note.clone(),
        };
        let before = all.len();
        for effect in effects_of(entry) {
            let Effect::Outcome { to, outcome, .. } = effect else { continue };
            let place = Leaf { log: ORIGIN.into(), index: leaf };
            let outcome = OutcomeOut { outcome, leaf: place, tree_size: size, proof: Some(Box::new(proof())) };
            all.push(json!({ "to": to, "outcome": outcome }));
        }
        if all.len() == before {
            silent.push(BASE64.encode(bytes));
        }
    }
    json!({ "told": all, "entriesThatTellNobody": silent })
}

fn bundle() -> Value {
    let signer = Signer::from_seed(&SEED);
    let root = Digest::of(b"root");
    let note = key().sign(&Checkpoint { origin: ORIGIN.into(), size: 48, root: root.0 });
    let listed = |address: &str, key: u8, profile: Profile, until: Option<Timestamp>| {
        let key = KeyRecord { key: Signer::from_seed(&[key; 32]).public(), from: Timestamp(5), until, n: 1 };
        let registration = Registration {
            standing: Standing::Active,
            keys: vec![key],
            profile: Some(profile),
            ..Registration::default()
        };
        Party::of(&address.parse().expect("an address"), &registration).expect("is listed")
    };
    let plug = Profile::Plug { name: "Fitbit".into(), namespace: "fitbit".into(), manifest: None };
    let parties = vec![
        listed("plug:fitbit", 2, plug, None),
        listed("platform:hubat.net", 3, Profile::Platform { name: "Ü \u{1f3e0}".into() }, Some(NOW.plus(SECOND))),
    ];
    let stand = Stand { tree_size: 48, root, note };
    let made = trust_bundle::make(&signer, ORIGIN, 9, NOW, NOW.plus(86_400 * SECOND), stand, parties, 1 << 19);
    let known = Root { origin: ORIGIN, keys: &[signer.public()] };
    assert!(trust_bundle::check(&made.bytes, known, NOW).is_ok());
    json!({
        "bytes": String::from_utf8(made.bytes).expect("text"), "digest": made.digest, "origin": ORIGIN,
        "publicKey": signer.public(), "goodFrom": NOW, "goodUntil": NOW.plus(86_400 * SECOND),
    })
}

#[test]
fn proof_vectors_are_current() {
    let all = json!({
        "about": "Merkle proofs over the leaves of Certificate Transparency's reference tests; checkpoints; outcomes with their proofs, each with whom it is told to; a trust bundle.",
        "proofs": proofs(),
        "checkpoints": checkpoints(),
        "outcomes": outcomes(),
        "trustBundle": bundle(),
    });
    check("proofs.json", &all);
}
