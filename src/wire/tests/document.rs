//! `docs/protocol.md` says what this code does: actions, reasons, statuses, headers, limits, vectors.

use crate::domain::{Kind, Limits, Reason, Status};
use crate::wire::problem::http_status;
use crate::wire::{actions, header, query, subject};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");
const VECTORS: &str = include_str!("../../../tests/vectors/signing.json");

fn says(text: &str) {
    assert!(DOCUMENT.contains(text), "docs/protocol.md does not say {text:?}");
}

#[test]
fn every_word_of_the_protocol_is_in_the_document() {
    for kind in Kind::ALL {
        says(&format!("| `{kind}` |"));
        for (verb, object) in actions::actions_of(kind) {
            match object {
                actions::Object::None => says(&format!("`{verb}`")),
                _ => says(&format!("{verb}.<")),
            }
        }
    }
    for reason in Reason::ALL {
        let (text, status) = (reason.explanation(), http_status(reason));
        says(&format!("| `{reason}` | {text} | {status} |"));
    }
    for status in Status::ALL {
        says(&format!("| `{status}` |"));
    }
    for name in [
        header::ID,
        header::FROM,
        header::KEY,
        header::SIG,
        header::PATH,
        header::DEADLINE,
        header::REPLY,
        header::WANT,
        header::PULL,
        header::JOB,
        header::SOURCE,
        header::DIGEST,
        header::DIGEST_IN,
        header::COUNT,
        header::RECEIPT_TO,
        header::AUTHORITY,
        header::CONTENT_TYPE,
    ] {
        says(name);
    }
    for query in [query::HEALTH, query::TRACE, query::TRUST, query::CHECKPOINT, query::PROOF] {
        says(&format!("| `{query}` |"));
    }
}

#[test]
fn the_limits_in_the_document_are_the_defaults() {
    let limits = Limits::default();
    assert_eq!(limits.body_bytes, 512 * 1024);
    says("| body | 512 KiB");
    assert_eq!(limits.header_bytes, 4 * 1024);
    says("| header block | 4 KiB");
    says(&format!("| nesting of the body | {} ", limits.depth));
    assert_eq!(limits.records, 10_000);
    says("| records in a body | 10,000 ");
    says(&format!("| value of a `Dex-*` header | {} bytes", header::VALUE_BYTES_MAX));
    says(&format!("| subject | {} bytes", subject::SUBJECT_BYTES_MAX));
    says(&format!("| revisions of one debit | {} |", limits.revisions_per_debit));
}

#[test]
fn the_vectors_in_the_document_are_the_published_ones() {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).expect("JSON");
    for n in [0, 3] {
        let vector = &vectors["messages"][n];
        for field in ["seed", "publicKey", "body", "signature"] {
            says(vector[field].as_str().expect("text"));
        }
        let text = vector["text"].as_str().expect("text");
        says(&text.replace('\n', "␊\n            "));
    }
}
