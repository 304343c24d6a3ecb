//! Messages from the exchange: golden forms, and what their recipient makes of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::{ORIGIN, address, arrive_message, signer};
use crate::domain::command::PullAsk;
use crate::domain::event::{Authority, Direction, Opened, Part};
use crate::domain::{Action, Digest, Id, MessageId, Outcome, Reason, Status, Timestamp};
use crate::wire::header::{self, HeaderList};
use crate::wire::outcome::{Leaf, OutcomeOut, Proof};
use crate::wire::outgoing::{self, MessageOptions, Outgoing};
use crate::wire::problem::Problem;
use crate::wire::received::{self, ReceivedError, Trust};
use crate::wire::{message_id_v7, sign::Signer};

const CONTENT: &[u8] = br#"[{"endpoint":"fitbit/steps","data":{"n":1}}]"#;
const RECEIPT_TO: &str = "dex.v1.in.lane.k3.receipt";

fn id(n: u8) -> MessageId {
    message_id_v7(1_767_225_600_000, [n; 10])
}

fn opened(direction: Direction) -> Opened {
    let (from, to, authority) = match direction {
        Direction::Credit => ("plug:fitbit", "hat:bob.hubat.net", Authority::Plug(Id::new("fitbit").expect("id"))),
        Direction::Release => ("hat:bob.hubat.net", "org:acme", Authority::Debit(Id::new("acme.steps").expect("id"))),
        Direction::Pull => ("org:acme", "hat:bob.hubat.net", Authority::Debit(Id::new("acme.steps").expect("id"))),
    };
    Opened {
        exchange: id(1),
        from: address(from),
        parent: None,
        direction,
        authority,
        to: address(to),
        delivery: id(2).0,
        pull: (direction == Direction::Release).then(|| id(3)),
        job: None,
        since: (direction == Direction::Pull).then_some(Timestamp(1_767_225_600_000_000_000)),
        skip: None,
        limit: (direction == Direction::Pull).then_some(50),
        deadline: Timestamp(1_767_229_200_000_000_000),
        digest_in: Digest::of(CONTENT),
        digest_out: Digest::of(CONTENT),
        count_in: 1,
        count_out: 1,
        bytes_in: 44,
        bytes_out: 44,
        endpoints: vec![("fitbit/steps".into(), 1)],
        large: None,
        dropped: crate::domain::pii::Dropped::default(),
        without_pii: false,
    }
}

fn a_delivery(direction: Direction) -> Outgoing {
    outgoing::delivery(&signer(), ORIGIN, &opened(direction), RECEIPT_TO, Bytes::from_static(CONTENT))
}

fn receive(message: &Outgoing) -> Result<received::Delivery, ReceivedError> {
    receive_as(message, &message.header_list())
}

fn receive_as(message: &Outgoing, headers: &HeaderList) -> Result<received::Delivery, ReceivedError> {
    let keys = [signer().public()];
    received::delivery(&message.subject, headers, message.payload.clone(), ORIGIN, &keys)
}

#[test]
fn a_delivery_reads_back_at_its_recipient() {
    let message = a_delivery(Direction::Release);
    assert_eq!(message.subject, "dex.v1.out.org.acme.delivery.acme_steps");
    let delivery = receive(&message).expect("genuine");
    let opened = opened(Direction::Release);
    assert_eq!(delivery.id, opened.delivery);
    assert_eq!(delivery.from, address("dex:dex.example"));
    assert_eq!(delivery.source, opened.from);
    assert_eq!(delivery.digest, opened.digest_out);
    assert_eq!(delivery.count, 1);
    assert_eq!(delivery.receipt_to, RECEIPT_TO);
    assert_eq!(delivery.authority, opened.authority);
    assert_eq!(delivery.deadline, opened.deadline);
    assert_eq!(delivery.pull, opened.pull);
    assert_eq!(delivery.body, CONTENT);

    let credit = a_delivery(Direction::Credit);
    assert_eq!(credit.subject, "dex.v1.out.hat.bob_hubat_net.delivery");
    assert_eq!(credit.header(header::AUTHORITY), Some("plug:fitbit"));
    assert_eq!(receive(&credit).expect("genuine").pull, None);
}

#[test]
fn a_delivery_of_another_key_exchange_or_body_is_refused() {
    let message = a_delivery(Direction::Release);
    let other = [Signer::from_seed(&[9; 32]).public()];
    let keys = [signer().public()];
    let read = |origin, keys: &[_], body: Bytes| {
        received::delivery(&message.subject, &message.header_list(), body, origin, keys).map(|_| ())
    };
    let body = message.payload.clone();
    assert_eq!(read(ORIGIN, &keys, body.clone()), Ok(()));
    assert_eq!(read(ORIGIN, &other, body.clone()), Err(ReceivedError::Key));
    assert!(matches!(read("dex.other", &keys, body), Err(ReceivedError::Header(why)) if why.contains("dex.other")));
    assert_eq!(read(ORIGIN, &keys, Bytes::from_static(b"[]")), Err(ReceivedError::Digest));
}

#[test]
fn deliveries_are_verified_together_as_they_are_alone() {
    let good = a_delivery(Direction::Release);
    let mut forged = good.clone();
    let count = forged.headers.iter_mut().find(|(name, _)| *name == header::COUNT).expect("it has a count");
    count.1 = "7".into();
    let keys = [signer().public()];
    let lists = [good.header_list(), forged.header_list(), good.header_list()];
    let came =
        |body: &Bytes| -> Vec<_> { lists.iter().map(|list| (good.subject.as_str(), list, body.clone())).collect() };
    let mut rng = rand::thread_rng();
    let verdicts = received::deliveries(came(&good.payload), ORIGIN, &keys, &mut rng);
    let alone = received::delivery(&good.subject, &lists[0], good.payload.clone(), ORIGIN, &keys);
    assert_eq!(verdicts, [alone.clone(), Err(ReceivedError::Signature), alone]);
    let other = Bytes::from_static(b"[]");
    let verdicts = received::deliveries(came(&other), ORIGIN, &keys, &mut rng);
    assert!(verdicts.iter().all(|verdict| *verdict == Err(ReceivedError::Digest)));
}

#[test]
fn deliveries_that_share_a_signature_are_verified_one_by_one_and_together() {
    let keys = [signer().public()];
    let contents: Vec<Bytes> = (0..37).map(|n| Bytes::from(format!(r#"[{{"endpoint":"a/b","data":{n}}}]"#))).collect();
    let ready = |signer: Option<&Signer>| {
        let of = |content: &Bytes| {
            outgoing::unsigned_delivery(
                signer,
                ORIGIN,
                &opened(Direction::Release),
                &outgoing::Shown::of(&opened(Direction::Release)),
                RECEIPT_TO,
                content.clone(),
            )
        };
        outgoing::sign_together(signer, ORIGIN, contents.iter().map(of).collect())
    };
    let messages = ready(Some(&signer()));
    let signatures: std::collections::BTreeSet<_> = messages.iter().map(|it| it.header(header::SIG)).collect();
    // 16, 16 and 5.
    assert_eq!(signatures.len(), 3);
    let alone: Vec<_> = messages.iter().map(|it| receive_as(it, &it.header_list())).collect();
    assert!(alone.iter().zip(&contents).all(|(read, content)| read.as_ref().is_ok_and(|it| it.body == *content)));
    let lists: Vec<_> = messages.iter().map(Outgoing::header_list).collect();
    let came = messages.iter().zip(&lists).map(|(it, list)| (it.subject.as_str(), list, it.payload.clone())).collect();
    assert_eq!(received::deliveries(came, ORIGIN, &keys, &mut rand::thread_rng()), alone);

    // Another's place, another's path, none, or one that is no path: refused.
    let with = |path: Option<&str>| {
        let mut list = lists[3].clone();
        list.0.retain(|(name, _)| name != header::PATH);
        list.0.extend(path.map(|path| (header::PATH.to_owned(), path.to_owned())));
        receive_as(&messages[3], &list)
    };
    let path = |n: usize| messages[n].header(header::PATH).expect("it has a path");
    assert!(with(Some(path(3))).is_ok());
    assert_eq!(with(Some(path(4))), Err(ReceivedError::Signature));
    assert_eq!(with(Some(&path(3).replacen("3.16", "2.16", 1))), Err(ReceivedError::Signature));
    assert_eq!(with(None), Err(ReceivedError::Signature));
    assert!(matches!(with(Some("3.16.")), Err(ReceivedError::Header(why)) if why.contains("Dex-Path")));
    // One alone needs no path, and an exchange that signs nothing gives none.
    let one = outgoing::unsigned_delivery(
        &signer(),
        ORIGIN,
        &opened(Direction::Release),
        &outgoing::Shown::of(&opened(Direction::Release)),
        RECEIPT_TO,
        contents[0].clone(),
    );
    let one = outgoing::sign_together(&signer(), ORIGIN, vec![one]);
    assert_eq!((one[0].header(header::PATH), receive(&one[0]).is_ok()), (None, true));
    assert!(ready(None).iter().all(|it| it.header(header::SIG).is_none() && it.header(header::PATH).is_none()));
}

#[test]
fn an_unsigned_delivery_is_taken_on_the_brokers_word_only() {
    let content = Bytes::from_static(CONTENT);
    let message = outgoing::delivery(None, ORIGIN, &opened(Direction::Release), RECEIPT_TO, content.clone());
    assert_eq!((message.header(header::KEY), message.header(header::SIG)), (None, None));
    let list = message.header_list();
    let keys = [signer().public()];
    let read = |trust: Trust<'_>| received::delivery(&message.subject, &list, content.clone(), ORIGIN, trust);
    assert!(matches!(read(Trust::Keys(&keys)), Err(ReceivedError::Header(_))));
    assert!(matches!(read(Trust::Keys(&[])), Err(ReceivedError::Header(_))));
    assert_eq!(read(Trust::Broker).expect("taken").count, opened(Direction::Release).count_out);
}

#[test]
fn a_request_and_a_recall_read_back() {
    let keys = [signer().public()];
    let pulled = opened(Direction::Pull);
    let message = outgoing::request(&signer(), ORIGIN, &pulled);
    assert_eq!(message.subject, "dex.v1.out.hat.bob_hubat_net.request");
    assert_eq!(message.payload, r#"{"since":"2026-01-01T00:00:00Z","limit":50}"#);
    let request =
        received::request(&message.subject, &message.header_list(), &message.payload, ORIGIN, &keys).expect("genuine");
    assert_eq!((request.pull, request.source), (pulled.exchange, address("org:acme")));
    assert_eq!(request.debit.as_str(), "acme.steps");
    let ask = PullAsk { since: pulled.since, skip: pulled.skip, limit: Some(50) };
    assert_eq!(request.ask, ask);

    let message = outgoing::recall_request(&signer(), ORIGIN, &address("org:acme"), id(4), id(2).0, RECEIPT_TO);
    assert_eq!(message.subject, "dex.v1.out.org.acme.recall");
    let recall = received::recall_request(&message.subject, &message.header_list(), &message.payload, ORIGIN, &keys)
        .expect("genuine");
    assert_eq!((recall.id, recall.delivery), (id(4).0, id(2).0));
    assert_eq!(recall.receipt_to, RECEIPT_TO);
    // One kind of message cannot pass for another.
    assert!(
        received::delivery(&message.subject, &message.header_list(), message.payload.clone(), ORIGIN, &keys).is_err()
    );
}

#[test]
fn the_exchange_s_own_messages_arrive_with_version_8_ids() {
    let hat = address("hat:bob.hubat.net");
    let id = crate::wire::effect_id(ORIGIN, &hat, 7, 0, Timestamp(1_767_225_600_000_000_000));
    let message = outgoing::message_in(
        &signer(),
        ORIGIN,
        &address("dex:dex.example"),
        &address("offer:steps"),
        &["reserve"],
        id,
        &MessageOptions::default(),
        Bytes::from_static(br#"{"hat":"bob.hubat.net"}"#),
    );
    let incoming = arrive_message(&message).expect("well-formed");
    assert_eq!(
        incoming.command.action,
        Action::OfferReserve { of: crate::domain::event::HatClaim { hat: hat.id, claim: None }, by: None }
    );
}

fn an_outcome() -> OutcomeOut {
    OutcomeOut {
        outcome: Outcome {
            exchange: id(1),
            status: Status::Accepted,
            reason: None,
            parts: vec![],
            delivery: Some(id(2).0),
            digest_in: Digest([0xab; 32]),
            digest_out: Some(Digest([0xcd; 32])),
            count: 1,
            dropped: crate::domain::pii::Dropped::default(),
            at: Timestamp(1_767_225_600_500_000_000),
        },
        leaf: Leaf { log: ORIGIN.into(), index: 41 },
        tree_size: 48,
        proof: None,
    }
}

#[test]
fn outcomes_are_written_as_the_protocol_says() {
    let ab = "ab".repeat(32);
    let cd = "cd".repeat(32);
    let one = format!(
        r#"{{"exchange":"{}","status":"accepted","delivery":"{}","digestIn":"{ab}","digestOut":"{cd}","count":1,"at":"2026-01-01T00:00:00.5Z","leaf":{{"log":"dex.example","index":41}},"treeSize":48}}"#,
        id(1),
        id(2),
    );
    let accepted = an_outcome();
    let reply = outgoing::reply_outcome("_INBOX.a", &accepted);
    assert_eq!((reply.subject.as_str(), reply.header(header::CONTENT_TYPE)), ("_INBOX.a", Some("application/json")));
    assert_eq!(reply.payload, one);
    let mut fanned = accepted.clone();
    fanned.outcome.delivery = None;
    fanned.outcome.digest_out = None;
    fanned.outcome.status = Status::Disputed;
    fanned.outcome.reason = Some(Reason::DigestMismatch);
    fanned.outcome.parts = vec![Part {
        exchange: id(5),
        debit: Id::new("acme.steps").expect("id"),
        dropped: crate::domain::pii::Dropped::default(),
    }];
    fanned.proof = Some(Box::new(Proof {
        entry: "AA==".into(),
        salt: "AQ==".into(),
        path: vec![Digest([1; 32])],
        checkpoint: "dex.example\n48\n".into(),
    }));
    let stored = outgoing::outcomes(&address("plug:fitbit"), &[accepted.clone(), fanned.clone()]);
    assert_eq!(stored.subject, "dex.v1.out.plug.fitbit.outcome");
    let second = format!(
        r#"{{"exchange":"{}","status":"disputed","reason":"digest-mismatch","parts":[{{"exchange":"{}","debit":"acme.steps"}}],"digestIn":"{ab}","count":1,"at":"2026-01-01T00:00:00.5Z","leaf":{{"log":"dex.example","index":41}},"treeSize":48,"proof":{{"entry":"AA==","salt":"AQ==","path":["{}"],"checkpoint":"dex.example\n48\n"}}}}"#,
        id(1),
        id(5),
        "01".repeat(32),
    );
    assert_eq!(stored.payload, format!("[{one},{second}]"));
    assert_eq!(received::outcomes(&stored.payload), Ok(vec![accepted.clone(), fanned]));
    assert_eq!(received::outcomes(&reply.payload), Ok(vec![accepted]));
    assert!(received::outcomes(b"{}").is_err());
}

#[test]
fn a_problem_is_told_from_an_outcome_by_its_media_type() {
    let problem = Problem::new(Reason::BadSignature, None, Some(id(1)));
    let reply = outgoing::reply_problem("_INBOX.a", &problem);
    assert_eq!(reply.header(header::CONTENT_TYPE), Some("application/problem+json"));
    assert_eq!(serde_json::from_slice::<Problem>(&reply.payload).expect("reads"), problem);
}

proptest! {
    #[test]
    fn any_changed_byte_of_a_delivery_is_noticed(part in 0usize..11, at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f) {
        let message = a_delivery(Direction::Release);
        let mut headers = message.header_list();
        prop_assert_eq!(headers.0.len(), 11);
        let mut bytes = headers.0[part].1.clone().into_bytes();
        let i = at.index(bytes.len());
        prop_assume!(bytes[i] != byte);
        bytes[i] = byte;
        headers.0[part].1 = String::from_utf8(bytes).expect("ascii");
        prop_assert!(receive_as(&message, &headers).is_err());
    }
}
