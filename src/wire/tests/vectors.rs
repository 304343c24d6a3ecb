//! The published test vectors are what this code computes. `DEX_WRITE_VECTORS=1` writes them anew.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use super::{ORIGIN, address};
use crate::domain::canonical::canonical;
use crate::domain::event::{Authority, Direction, Opened};
use crate::domain::job::{JobBody, JobError, JobWord, ids};
use crate::domain::{Digest, Id, Key, MessageId, Signature, Timestamp};
use crate::wire::header;
use crate::wire::outgoing::{self, MessageOptions, Outgoing};
use crate::wire::sign::Signer;
use crate::wire::signed_text::{self, Fields, OutFields};
use crate::wire::together::Path;
use crate::wire::{subject, verify};

const NOW: i64 = 1_767_225_600_000_000_000;
const RECORDS: &[u8] = br#"[{"endpoint":"fitbit/steps","data":{"steps":1042}}]"#;

fn id(last: u8) -> MessageId {
    let mut random = [0x11; 10];
    random[9] = last;
    crate::wire::message_id_v7(1_767_225_600_000, random)
}

/// The signed text of a message, written from its own headers.
fn text_of(message: &Outgoing) -> Vec<u8> {
    let line = |name| message.header(name).unwrap_or("");
    let fields = Fields {
        origin: ORIGIN,
        subject: &message.subject,
        id: line(header::ID),
        from: line(header::FROM),
        key: line(header::KEY),
        deadline: line(header::DEADLINE),
        reply: line(header::REPLY),
        want: line(header::WANT),
        pull: line(header::PULL),
        job: line(header::JOB),
        body: Digest::of(&message.payload),
    };
    let mut text = Vec::new();
    if [subject::OUT_PREFIX, subject::JOB_PREFIX].iter().any(|prefix| message.subject.starts_with(prefix)) {
        let out = OutFields {
            source: line(header::SOURCE),
            count: line(header::COUNT),
            receipt_to: line(header::RECEIPT_TO),
            authority: line(header::AUTHORITY),
            digest_in: line(header::DIGEST_IN),
        };
        signed_text::write_out(&mut text, &fields, &out);
    } else {
        signed_text::write_in(&mut text, &fields);
    }
    text
}

/// One signed message with everything that goes into its signature.
fn vector(name: &str, seed: u8, signed: impl FnOnce(&Signer) -> Outgoing) -> Value {
    let signer = Signer::from_seed(&[seed; 32]);
    let message = signed(&signer);
    let line = |name| message.header(name).unwrap_or("");
    let text = text_of(&message);
    let signature: Signature = line(header::SIG).parse().expect("a signature");
    assert!(verify::verify(&signer.public(), &signature, &text), "{name}");
    let headers: Map<String, Value> =
        message.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "name": name,
        "seed": *signer.seed_text(),
        "seedHex": HEXLOWER.encode(&[seed; 32]),
        "publicKey": signer.public(),
        "publicKeyHex": HEXLOWER.encode(&signer.public().0),
        "origin": ORIGIN,
        "subject": message.subject,
        "headers": headers,
        "body": std::str::from_utf8(&message.payload).expect("text"),
        "text": String::from_utf8(text).expect("text"),
        "signature": signature,
    })
}

fn release() -> Opened {
    Opened {
        exchange: id(2),
        from: address("hat:bob.hubat.net"),
        parent: None,
        direction: Direction::Release,
        authority: Authority::Debit(Id::new("acme.steps").expect("id")),
        to: address("org:acme"),
        delivery: id(3).0,
        pull: None,
        job: None,
        since: None,
        skip: None,
        limit: None,
        deadline: Timestamp(NOW + 3_600_000_000_000),
        digest_in: Digest::of(RECORDS),
        digest_out: Digest::of(RECORDS),
        count_in: 1,
        count_out: 1,
        bytes_in: 51,
        bytes_out: 51,
        endpoints: vec![],
        large: None,
        dropped: crate::domain::pii::Dropped::default(),
        without_pii: false,
    }
}

fn job() -> JobBody {
    let (hat, plug) = (Id::new("bob.hubat.net").expect("id"), Id::new("fitbit").expect("id"));
    let planned_at = Timestamp(NOW);
    JobBody {
        job: ids::job_id(ORIGIN, &hat, &plug, "steps", planned_at, 7),
        hat,
        plug,
        endpoint: "steps".into(),
        attempt: 1,
        planned_at,
        ends_at: Timestamp(NOW + 3_600_000_000_000),
        lease_seconds: 120,
        continuation: Some("2025-12-31T00:00:00Z".into()),
        last_done_at: Some(Timestamp(NOW - 3_600_000_000_000)),
    }
}

/// Ids and digests that workers work out, and what a job's words may be.
fn jobs() -> Value {
    let (hat, plug) = (Id::new("bob.hubat.net").expect("id"), Id::new("fitbit").expect("id"));
    let contents = [
        json!({"steps": 1042, "day": "2026-01-01"}),
        json!({"z": [1.0, 0.1, 1e21, -0.000_000_1, null, true], "a": {"é": "ü", "\u{1f600}": "\u{7}"}}),
        json!("text"),
    ];
    let records: Vec<Value> = contents
        .iter()
        .zip(["day-1", "", "ü/2"])
        .map(|(data, source)| {
            let digest = ids::content_digest(data);
            json!({
                "plug": plug, "hat": hat, "endpoint": "steps", "sourceId": source, "data": data,
                "canonical": String::from_utf8(canonical(data)).expect("text"),
                "contentDigest": digest,
                "recordId": ids::record_id(&plug, &hat, "steps", source, &digest),
            })
        })
        .collect();
    let of: Vec<uuid::Uuid> =
        records.iter().map(|record| record["recordId"].as_str().expect("text").parse().expect("a UUID")).collect();
    let pages = [&of[..], &of[..1], &[]].map(|of| {
        let id = ids::page_id(Timestamp(NOW), &plug, &hat, "steps", of);
        json!({"plug": plug, "hat": hat, "endpoint": "steps", "plannedAt": Timestamp(NOW), "recordIds": of, "id": id})
    });
    let bare = JobBody { continuation: None, last_done_at: None, ..job() };
    json!({
        "about": "Jobs of protocol dex-v1: ids that workers work out, and the words of hat.job. How they are made is in docs/protocol.md.",
        "records": records,
        "pages": pages,
        "bodies": [job(), bare],
        "words": [
            JobWord::progress(bare.job, "page 2"),
            JobWord::done(bare.job, Some(Some("2026-01-01T00:00:00Z".into()))),
            JobWord::done(bare.job, Some(None)),
            JobWord::done(bare.job, None),
            JobWord { retry_after_seconds: Some(600), ..JobWord::failed(bare.job, JobError::RateLimited) },
            JobWord::wanted(Some("steps".into())),
            JobWord::wanted(None),
        ],
        "subject": subject::job(&plug),
        "consumer": subject::job_consumer(&plug),
    })
}

/// Edge cases of the signature rules: what must be taken, and what must not.
fn edges() -> Value {
    let signer = Signer::from_seed(&[1; 32]);
    let text = b"dex";
    let good = signer.sign(text);
    let mut over = good;
    // s + l, little endian: fits the equation, is not canonical.
    let order = HEXLOWER.decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").expect("hex");
    let mut carry = 0u16;
    for (s, l) in over.0[32..].iter_mut().zip(order) {
        carry += u16::from(*s) + u16::from(l);
        *s = (carry & 0xff) as u8;
        carry >>= 8;
    }
    let mut neutral = [0u8; 32];
    neutral[0] = 1;
    let mut small = [0u8; 64];
    small[0] = 1;
    let cases = [
        ("an ordinary signature", signer.public().0, good, true),
        ("s not below the group order", signer.public().0, over, false),
        ("key and R of small order, s = 0: fits, but such a key is never registered", neutral, Signature(small), true),
    ];
    let cases = cases.map(|(name, key, signature, valid)| {
        assert_eq!(verify::verify(&Key(key), &signature, text), valid, "{name}");
        json!({
            "name": name, "publicKeyHex": HEXLOWER.encode(&key), "text": "dex",
            "signatureHex": HEXLOWER.encode(&signature.0), "valid": valid,
            "registrable": !verify::is_weak(&Key(key)),
        })
    });
    json!(cases)
}

fn signing() -> Value {
    let bob = address("hat:bob.hubat.net");
    let messages = [
        vector("an org registers itself", 1, |signer| {
            let body = json!({"key": signer.public(), "name": "Acme"}).to_string();
            let to = address("org:acme");
            outgoing::message_in(
                signer,
                ORIGIN,
                &to,
                &to,
                &["register"],
                id(1),
                &MessageOptions::default(),
                body.into(),
            )
        }),
        vector("a plug writes into a HAT, every optional header of a message in", 2, |signer| {
            let options = MessageOptions {
                deadline: Some(Timestamp(NOW + 600_000_000_000)),
                reply: Some("_INBOX.Nq8sVf2kTz.1".into()),
                want_proof: true,
                pull: Some(id(9)),
                job: None,
            };
            let from = address("plug:fitbit");
            outgoing::message_in(
                signer,
                ORIGIN,
                &from,
                &bob,
                &["credit", "fitbit"],
                id(2),
                &options,
                Bytes::from_static(RECORDS),
            )
        }),
        vector("a HAT connects a plug, empty body", 3, |signer| {
            outgoing::message_in(
                signer,
                ORIGIN,
                &bob,
                &bob,
                &["plug-connect", "fitbit"],
                id(4),
                &MessageOptions::default(),
                Bytes::new(),
            )
        }),
        vector("the exchange delivers to an org", 4, |signer| {
            outgoing::delivery(signer, ORIGIN, &release(), "dex.v1.in.lane.k3.receipt", Bytes::from_static(RECORDS))
        }),
        vector("a plug writes what a job brought, with the twelfth line", 2, |signer| {
            let options = MessageOptions { job: Some(job().job), ..MessageOptions::default() };
            let from = address("plug:fitbit");
            let body = Bytes::from_static(RECORDS);
            outgoing::message_in(signer, ORIGIN, &from, &bob, &["credit", "fitbit"], id(5), &options, body)
        }),
        vector("the exchange gives a job to a plug's workers", 4, |signer| {
            crate::wire::job::job(signer, ORIGIN, &job())
        }),
        vector("the exchange delivers what a bundle made of the body that was sent", 5, |signer| {
            let opened = Opened { digest_in: Digest::of(b"[]"), ..release() };
            outgoing::delivery(signer, ORIGIN, &opened, "dex.v1.in.lane.k3.receipt", Bytes::from_static(RECORDS))
        }),
    ];
    json!({
        "about": "Signed messages of protocol dex-v1. Each text is lines joined by LF without a final LF; the signature is Ed25519 over it.",
        "messages": messages,
        "edges": edges(),
        "shared": shared(),
    })
}

/// Three deliveries under one signature.
fn shared() -> Value {
    let signer = Signer::from_seed(&[4; 32]);
    let bodies =
        [r#"[{"endpoint":"a/b","data":1}]"#, r#"[{"endpoint":"a/b","data":2}]"#, r#"[{"endpoint":"a/b","data":3}]"#];
    let ready = |body: &'static str| {
        let mut opened = release();
        opened.digest_out = Digest::of(body.as_bytes());
        outgoing::unsigned_delivery(
            &signer,
            ORIGIN,
            &opened,
            &outgoing::Shown::of(&opened),
            "dex.v1.in.lane.k3.receipt",
            Bytes::from_static(body.as_bytes()),
        )
    };
    let messages = outgoing::sign_together(&signer, ORIGIN, bodies.into_iter().map(ready).collect());
    let messages = messages.iter().map(|message| {
        let line = |name| message.header(name).unwrap_or("");
        let text = text_of(message);
        let path: Path = line(header::PATH).parse().expect("a path");
        let signed = path.root_text(ORIGIN, &text).expect("a root");
        let signature: Signature = line(header::SIG).parse().expect("a signature");
        assert!(verify::verify(&signer.public(), &signature, &signed));
        json!({
            "text": String::from_utf8(text).expect("text"),
            "path": line(header::PATH),
            "rootText": String::from_utf8(signed).expect("text"),
            "signature": signature,
        })
    });
    json!({
        "about": "Three deliveries under one signature: the leaf is the text, Dex-Path leads to the root, the signature is over rootText.",
        "publicKey": signer.public(),
        "messages": messages.collect::<Vec<_>>(),
    })
}

fn subjects() -> Value {
    let case = |to: &str, action: &[&str]| {
        let published = subject::published(&address(to), action);
        json!({"to": to, "action": action, "published": published, "stored": subject::stored_of_published(&published, 2)})
    };
    json!({
        "about": "How addresses and action tokens become subjects. Stored: as the input stream keeps it in partition 2.",
        "in": [
            case("hat:bob.hubat.net", &["credit", "fitbit"]),
            case("hat:bob.hubat.net", &["release", "acme.steps"]),
            case("hat:bob.hubat.net", &["data"]),
            case("platform:hubat.net", &["certify"]),
            case("org:acme", &["register"]),
            case("lane:k3", &["receipt"]),
        ],
        "out": [
            subject::delivery(&address("hat:bob.hubat.net"), None),
            subject::delivery(&address("org:acme"), Some(&Id::new("acme.steps").expect("id"))),
            subject::outcome(&address("plug:fitbit")),
            subject::request(&address("hat:bob.hubat.net")),
            subject::recall(&address("org:acme")),
        ],
    })
}

/// Holds a file of vectors against `value`, what this code computes; or writes it.
pub(crate) fn check(file: &str, value: &Value) {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
    if std::env::var_os("DEX_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).expect("writes the vectors");
    }
    let kept = std::fs::read_to_string(&path).expect("reads the vectors");
    assert!(kept == text, "{path} is not what this code computes; see the head of {}", file!());
}

#[test]
fn signing_vectors_are_current() {
    check("signing.json", &signing());
}

#[test]
fn job_vectors_are_current() {
    check("jobs.json", &jobs());
}

#[test]
fn subject_vectors_are_current() {
    check("subjects.json", &subjects());
}
