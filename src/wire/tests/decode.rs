//! Decoding: round trips, tampering, limits, and arbitrary input.

use bytes::Bytes;
use proptest::prelude::*;

use super::{ORIGIN, address, arrive, arrive_message, genuine, signer};
use crate::domain::{Action, Address, Limits, MessageId, Reason, Timestamp};
use crate::wire::header::{self, HeaderList};
use crate::wire::outgoing::{MessageOptions, Outgoing, message_in};
use crate::wire::{message_id_v7, signed_text};

const BODY: &str = r#"[{"endpoint":"fitbit/steps","data":{"n":1}}]"#;

fn full_message() -> Outgoing {
    let options = MessageOptions {
        deadline: Some("2026-01-01T01:00:00Z".parse().expect("a time")),
        reply: Some("_INBOX.abc.1".into()),
        want_proof: true,
        pull: Some(message_id_v7(1_767_225_600_000, [9; 10])),
        job: None,
    };
    message_in(
        &signer(),
        ORIGIN,
        &address("hat:bob.hubat.net"),
        &address("hat:bob.hubat.net"),
        &["release", "acme.steps"],
        message_id_v7(1_767_225_600_000, [3; 10]),
        &options,
        Bytes::from_static(BODY.as_bytes()),
    )
}

fn changed(change: impl FnOnce(&mut HeaderList)) -> Result<crate::wire::Incoming, Box<crate::wire::Refused>> {
    let message = full_message();
    let mut headers = message.header_list();
    change(&mut headers);
    arrive(&message.subject, &headers, message.payload, true)
}

fn set(headers: &mut HeaderList, name: &str, value: &str) {
    headers.0.retain(|(n, _)| n != name);
    headers.0.push((name.into(), value.into()));
}

#[test]
fn a_full_message_arrives_as_it_was_meant() {
    let message = full_message();
    assert_eq!(message.subject, "dex.v1.in.hat.bob_hubat_net.release.acme_steps");
    let incoming = arrive_message(&message).expect("well-formed");
    let cause = incoming.cause();
    assert_eq!(cause.subject, message.subject);
    assert_eq!(cause.from, address("hat:bob.hubat.net"));
    assert_eq!(incoming.command.addressed, address("hat:bob.hubat.net"));
    assert!(matches!(&incoming.command.action, Action::Release { debit, .. } if debit.as_str() == "acme.steps"));
    assert_eq!(incoming.command.deadline, Some(Timestamp(1_767_229_200_000_000_000)));
    assert_eq!(incoming.command.pull, Some(message_id_v7(1_767_225_600_000, [9; 10])));
    assert_eq!(incoming.reply.as_deref(), Some("_INBOX.abc.1"));
    assert!(incoming.want_proof && !incoming.reply_ignored);
    let (key, signature, text) = incoming.to_verify().expect("signed");
    assert!(crate::wire::verify(&key, &signature, text));
    assert_eq!(signed_text::of_cause(ORIGIN, cause).as_deref(), Some(text));
}

#[test]
fn a_message_for_another_exchange_does_not_verify() {
    let incoming = arrive_message(&full_message()).expect("well-formed");
    let (key, signature, _) = incoming.to_verify().expect("signed");
    let other = signed_text::of_cause("dex.other", incoming.cause()).expect("signed");
    assert!(!crate::wire::verify(&key, &signature, &other));
}

#[test]
fn each_header_is_checked() {
    let cases: [(&str, &str, &str); 12] = [
        (header::ID, "01890A5D-AC96-774B-BCCE-B302099A8057", "Dex-Id"),
        (header::ID, "01890a5dac96774bbcceb302099a8057", "Dex-Id"),
        (header::ID, "01890a5d-ac96-474b-bcce-b302099a8057", "Dex-Id"),
        (header::ID, "01890a5d-ac96-874b-bcce-b302099a8057", "Dex-Id"),
        (header::FROM, "cat:bob", "Dex-From"),
        (header::FROM, "offer:o", "never speaks"),
        (header::KEY, "UABC", "Dex-Key"),
        (header::SIG, "abc", "Dex-Sig"),
        (header::DEADLINE, "2026-01-01 01:00:00Z", "Dex-Deadline"),
        (header::DEADLINE, "2026-01-01T01:00:00+01:00", "Dex-Deadline"),
        (header::WANT, "everything", "Dex-Want"),
        (header::PULL, "x", "Dex-Pull"),
    ];
    for (name, value, names) in cases {
        let refused = changed(|h| set(h, name, value)).expect_err(value);
        assert_eq!(refused.reason, Reason::Malformed);
        assert!(refused.detail.contains(names), "{}", refused.detail);
        assert_eq!(refused.reply.as_deref(), Some("_INBOX.abc.1"));
    }
    for name in [header::ID, header::FROM, header::KEY, header::SIG] {
        let refused = changed(|h| h.0.retain(|(n, _)| n != name)).expect_err(name);
        assert_eq!(refused.detail, format!("header {name} is missing"));
    }
    for name in [
        header::ID,
        header::FROM,
        header::KEY,
        header::SIG,
        header::DEADLINE,
        header::REPLY,
        header::WANT,
        header::PULL,
    ] {
        let refused = changed(|h| {
            let again = h.0.iter().find(|(n, _)| n == name).expect("there").clone();
            h.0.push(again);
        })
        .expect_err(name);
        assert_eq!(refused.detail, format!("header {name} is given more than once"));
    }
}

#[test]
fn a_reply_that_is_no_inbox_is_ignored_and_seen() {
    let incoming = changed(|h| set(h, header::REPLY, "dex.v1.pub.checkpoint")).expect("well-formed");
    assert_eq!((incoming.reply.as_deref(), incoming.reply_ignored), (None, true));
    let incoming = changed(|h| h.0.retain(|(n, _)| n != header::REPLY)).expect("well-formed");
    assert_eq!((incoming.reply.as_deref(), incoming.reply_ignored), (None, false));
}

#[test]
fn unsigned_messages_pass_only_under_a_trusted_broker() {
    let message = full_message();
    let mut headers = message.header_list();
    headers.0.retain(|(n, _)| n != header::KEY && n != header::SIG);
    let incoming = arrive(&message.subject, &headers, message.payload.clone(), false).expect("trusted");
    assert!(incoming.to_verify().is_none() && incoming.text.is_empty());
    assert!(signed_text::of_cause(ORIGIN, incoming.cause()).is_none());
    assert!(arrive(&message.subject, &headers, message.payload.clone(), true).is_err());
    // Half a signature is never all right, and a whole one is checked.
    let mut half = message.header_list();
    half.0.retain(|(n, _)| n != header::SIG);
    assert!(arrive(&message.subject, &half, message.payload.clone(), false).is_err());
    let whole = arrive(&message.subject, &message.header_list(), message.payload, false).expect("signed");
    assert!(whole.to_verify().is_some());
}

#[test]
fn sizes_and_depth_are_bounded_before_parsing() {
    let limits = Limits::default();
    let message = full_message();
    let headers = message.header_list();
    let body = |n: usize| Bytes::from(format!(r#"{{"endpoint":"a/b","data":"{}"}}"#, "x".repeat(n - 28)));
    assert_eq!(body(100).len(), 100);
    assert!(arrive(&message.subject, &headers, body(limits.body_bytes), true).is_ok());
    let refused = arrive(&message.subject, &headers, body(limits.body_bytes + 1), true).expect_err("over");
    assert_eq!(refused.reason, Reason::TooLarge);
    assert!(refused.id.is_some() && refused.from.is_some());

    let nested = |depth: usize| {
        // The record's object and its data nest two deep already when depth is 2.
        Bytes::from(format!(r#"{{"endpoint":"a/b","data":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1)))
    };
    assert!(arrive(&message.subject, &headers, nested(limits.depth), true).is_ok());
    let refused = arrive(&message.subject, &headers, nested(limits.depth + 1), true).expect_err("deep");
    assert_eq!(refused.reason, Reason::Malformed);

    let mut long = headers.clone();
    long.0.push(("X-Other".into(), "x".repeat(limits.header_bytes)));
    let refused = arrive(&message.subject, &long, message.payload.clone(), true).expect_err("over");
    assert_eq!((refused.reason, refused.id), (Reason::TooLarge, None));

    let many = format!("[{}]", vec![r#"{"endpoint":"a/b","data":1}"#; limits.records + 1].join(","));
    let refused = arrive(&message.subject, &headers, many.into(), true).expect_err("many");
    assert_eq!(refused.reason, Reason::TooLarge);
}

fn party() -> impl Strategy<Value = Address> {
    ("(hat|plug|app|org|platform|operator)", "[a-z0-9-][a-z0-9.-]{0,30}[a-z0-9-]")
        .prop_map(|(kind, id)| format!("{kind}:{id}").parse().expect("an address"))
}

prop_compose! {
    fn message()(
        from in party(),
        hat in "[a-z0-9-]{1,20}",
        ms in 0u64..(1 << 48),
        random in any::<[u8; 10]>(),
        deadline in proptest::option::of(0i64..i64::MAX),
        reply in proptest::option::of("_INBOX\\.[A-Za-z0-9]{1,20}"),
        want_proof in any::<bool>(),
        pull in proptest::option::of(any::<[u8; 10]>()),
        data in "\\PC{0,40}",
    ) -> Outgoing {
        let options = MessageOptions {
            deadline: deadline.map(Timestamp),
            reply,
            want_proof,
            pull: pull.map(|random| message_id_v7(ms, random)),
            job: pull.map(|random| uuid::Uuid::from_bytes([random[0]; 16])),
        };
        let body = serde_json::json!([{"endpoint": "a/b", "data": data}]).to_string();
        let to = address(&format!("hat:{hat}"));
        let id: MessageId = message_id_v7(ms, random);
        message_in(&signer(), ORIGIN, &from, &to, &["credit", "fitbit"], id, &options, body.into())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_built_arrives_and_verifies(message in message()) {
        let incoming = arrive_message(&message);
        prop_assert!(incoming.is_ok(), "{:?}", incoming);
        prop_assert!(genuine(&message.subject, &message.header_list(), message.payload));
    }

    #[test]
    fn any_changed_byte_is_noticed(message in message(), part in 0usize..12, at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f) {
        let mut subject = message.subject.clone();
        let mut headers = message.header_list();
        let mut payload = message.payload.to_vec();
        let change = |bytes: &mut Vec<u8>| {
            let i = at.index(bytes.len());
            let before = bytes[i];
            bytes[i] = byte;
            before != byte
        };
        let text = |s: &mut String| {
            let mut bytes = std::mem::take(s).into_bytes();
            let is = change(&mut bytes);
            *s = String::from_utf8(bytes).expect("ascii");
            is
        };
        let count = headers.0.len();
        let is = match part {
            0 => text(&mut subject),
            1 => change(&mut payload),
            n => text(&mut headers.0[n % count].1),
        };
        prop_assume!(is);
        prop_assert!(!genuine(&subject, &headers, payload.into()));
    }

    #[test]
    fn a_removed_or_added_header_is_noticed(message in message(), which in 0usize..4) {
        let name = [header::DEADLINE, header::REPLY, header::WANT, header::PULL][which];
        let value = ["2026-01-01T01:00:00Z", "_INBOX.added", "proof", "01890a5d-ac96-774b-bcce-b302099a8057"][which];
        let mut headers = message.header_list();
        let before = headers.0.len();
        headers.0.retain(|(n, _)| n != name);
        if headers.0.len() == before {
            headers.0.push((name.into(), value.into()));
        }
        prop_assert!(!genuine(&message.subject, &headers, message.payload));
    }

    #[test]
    fn nothing_makes_decoding_panic(
        subject in prop_oneof!["\\PC{0,60}", "dex\\.v1\\.p\\.[0-9]{1,2}\\.(hat|org|lane|offer)\\.[a-z_.]{1,20}\\.[a-z-]{1,12}(\\.[a-z_]{1,9})?"],
        headers in proptest::collection::vec(("(Dex-(Id|From|Key|Sig|Deadline|Reply|Want|Pull)|X)", "\\PC{0,40}"), 0..12),
        payload in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), "[\\[\\]{}\":,a-z0-9\\\\]{0,200}".prop_map(String::into_bytes)],
    ) {
        let headers: HeaderList = headers.into_iter().collect();
        let _ = arrive(&subject, &headers, payload.clone().into(), true);
        let mut good = full_message().header_list();
        good.0.extend(headers.0);
        let _ = arrive(&subject, &good, payload.clone().into(), true);
        let message = full_message();
        let _ = arrive(&message.subject, &message.header_list(), payload.into(), false);
    }
}
