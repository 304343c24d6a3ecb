//! Laws of the schedule and of what is said of jobs.

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::schedule::{self, Place};
use super::{JobError, JobLimits, JobWord, ids};
use crate::domain::id::Id;
use crate::domain::time::{SECOND, Timestamp};

fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

const JOB: &str = "019b76da-a800-8111-9111-111111111105";

#[test]
fn fields_go_with_their_status_only() {
    let read = |value: serde_json::Value| {
        let word: JobWord = serde_json::from_value(value).map_err(|error| error.to_string())?;
        word.check()
    };
    for good in [
        json!({"job": JOB, "status": "progress", "continuation": "p2", "records": 3}),
        json!({"job": JOB, "status": "done"}),
        json!({"job": JOB, "status": "done", "continuation": null, "retryAfterSeconds": 9}),
        json!({"job": JOB, "status": "failed", "error": "timeout"}),
        json!({"status": "wanted", "endpoint": "steps"}),
        json!({"status": "wanted"}),
    ] {
        assert_eq!(read(good.clone()), Ok(()), "{good}");
    }
    for (bad, says) in [
        (json!({"status": "done"}), "needs the field job"),
        (json!({"job": JOB, "status": "wanted"}), "job does not go with"),
        (json!({"job": JOB, "status": "progress"}), "needs the field continuation"),
        (json!({"job": JOB, "status": "progress", "continuation": null}), "a text, not null"),
        (json!({"job": JOB, "status": "failed"}), "needs the field error"),
        (json!({"job": JOB, "status": "failed", "error": "tired"}), "unknown variant"),
        (json!({"job": JOB, "status": "failed", "error": "gone", "continuation": "x"}), "continuation does not go"),
        (json!({"job": JOB, "status": "done", "error": "gone"}), "error does not go"),
        (json!({"job": JOB, "status": "done", "continuation": "x".repeat(4097)}), "4097 bytes"),
        (json!({"status": "wanted", "records": 1}), "records does not go"),
        (json!({"job": JOB, "status": "done", "surplus": 1}), "unknown field"),
    ] {
        let told = read(bad.clone()).expect_err("it is wrong");
        assert!(told.contains(says), "{bad}: {told}");
    }
}

#[test]
fn absent_and_null_continuations_are_two_things() {
    let job: Uuid = JOB.parse().expect("a UUID");
    for word in [JobWord::done(job, None), JobWord::done(job, Some(None)), JobWord::done(job, Some(Some("x".into())))] {
        let text = serde_json::to_string(&word).expect("JSON");
        assert_eq!(serde_json::from_str::<JobWord>(&text).expect("a word"), word, "{text}");
    }
}

#[test]
fn a_life_is_about_a_round_and_long_enough_for_several_leases() {
    let limits = JobLimits::default();
    assert_eq!(limits.life(Some(60)), 600 * SECOND);
    assert_eq!(limits.life(Some(7200)), 7200 * SECOND);
    assert_eq!(limits.life(Some(86_400 * 30)), 86_400 * SECOND);
    assert_eq!(limits.life(None), 600 * SECOND);
    let slow = JobLimits { lease_seconds: 3600, ..limits };
    assert_eq!(slow.life(Some(60)), 18_000 * SECOND);
}

/// How many of 20,000 HATs come to lie in each of 20 parts of the window: none has a fifth more or less than its share.
fn flat(window: i64, at: impl Fn(Place) -> i64) {
    let mut parts = [0u32; 20];
    for n in 0..20_000 {
        let place = Place::of(&id(&format!("h{n}.hubat.net")), &id("fitbit"), "steps", Timestamp(7 * SECOND));
        let within = at(place);
        assert!((0..window).contains(&within), "{within}");
        parts[usize::try_from(within / (window / 20 + 1)).expect("small")] += 1;
    }
    assert!(parts.iter().all(|part| (800..=1200).contains(part)), "{parts:?}");
}

#[test]
fn what_is_due_at_once_is_spread_flat() {
    let now = Timestamp(1_000 * SECOND);
    flat(900 * SECOND, |place| schedule::overdue(now, 86_400, place).since(now));
    flat(15 * SECOND, |place| schedule::overdue(now, 60, place).since(now));
    flat(60 * SECOND, |place| schedule::first(now, 3600, place).since(now));
    flat(720 * SECOND, |place| schedule::next_round(now, 3600, place).since(now.plus(3240 * SECOND)));
    flat(360 * SECOND, |place| schedule::not_before(now, 3600, place).since(now.plus(3600 * SECOND)));
}

proptest! {
    #[test]
    fn nothing_is_tried_before_the_source_allows_it(
        hat in "[a-z]{1,9}", attempt in 1u32..30, after in proptest::option::of(0u32..100_000), at in 0i64..1_000_000,
    ) {
        let at = Timestamp(at * SECOND);
        let place = Place::of(&id(&hat), &id("fitbit"), "steps", at);
        let next = schedule::retry(at, attempt, after, place);
        prop_assert!(next.since(at) >= 30 * SECOND);
        prop_assert!(next.since(at) >= i64::from(after.unwrap_or(0)) * SECOND);
        let most = (5400 * SECOND).max(i64::from(after.unwrap_or(0)) * SECOND * 11 / 10 + SECOND);
        prop_assert!(next.since(at) <= most, "{}", next.since(at));
    }

    #[test]
    fn rounds_keep_their_interval(refresh in 60u32..10_000_000, round in 0i64..1_000_000) {
        let planned = Timestamp(round * SECOND);
        let place = Place::of(&id("bob"), &id("fitbit"), "steps", planned);
        let (next, refresh) = (schedule::next_round(planned, refresh, place).since(planned), i64::from(refresh) * SECOND);
        prop_assert!(next >= refresh - refresh / 10 && next <= refresh + refresh / 10);
    }

    #[test]
    fn ids_are_of_their_form_and_of_what_they_name(source in "\\PC{0,20}", other in "\\PC{0,20}", n: u64) {
        let (bob, eve, plug) = (id("bob"), id("eve"), id("fitbit"));
        let digest = ids::content_digest(&json!({"n": n}));
        let record = ids::record_id(&plug, &bob, "steps", &source, &digest);
        prop_assert_eq!((record.get_version_num(), record.get_variant()), (8, uuid::Variant::RFC4122));
        prop_assert_eq!(record, ids::record_id(&plug, &bob, "steps", &source, &digest));
        prop_assert_ne!(record, ids::record_id(&plug, &eve, "steps", &source, &digest));
        prop_assert_eq!(source == other, record == ids::record_id(&plug, &bob, "steps", &other, &digest));
        let at = Timestamp::from_unix_ms(1_767_225_600_123);
        let page = ids::page_id(at, &plug, &bob, "steps", &[record]);
        prop_assert_eq!((page.unix_ms(), page.0.get_version_num()), (1_767_225_600_123, 7));
        let job = ids::job_id("dex.example", &bob, &plug, "steps", at, n);
        prop_assert_eq!((job.get_version_num(), job.get_variant()), (8, uuid::Variant::RFC4122));
        prop_assert_ne!(job, ids::job_id("dex.example", &bob, &plug, "steps", at, n.wrapping_add(1)));
    }
}

#[test]
fn the_words_of_errors_are_those_on_the_wire() {
    for error in JobError::ALL {
        assert_eq!(serde_json::to_value(error).expect("JSON"), json!(error.as_str()));
    }
}
