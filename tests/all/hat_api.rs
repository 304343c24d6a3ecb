//! The client of the HTTP API of HATs, against HATs that behave and HATs that do not.

use std::time::{Duration, Instant};

use dex::bridge::hat::data::Kept;
use dex::bridge::hat::plug::Standing;
use dex::bridge::hat::rsa::HatKey;
use dex::bridge::hat::secret::Source;
use dex::bridge::hat::{Account, Door, DoorOptions, Fault, HatError, Session};
use dex::http::resolve::Fixed;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::support::cast::id;
use crate::support::http_hat::{HttpHats, Mode, OTHER_PUBLIC, PLATFORM, PUBLIC};

const BOB: &str = "bob.hubat.net";

struct Setting {
    hats: HttpHats,
    door: Door,
    session: Session,
    _folder: tempfile::TempDir,
}

fn options(hats: &HttpHats) -> DoorOptions {
    DoorOptions {
        plain: true,
        private: true,
        fixed: vec![Fixed::parse(&hats.resolve("hubat.net")).expect("reads")],
        limit: Duration::from_millis(1500),
        connect: Duration::from_secs(1),
        answer_bytes: 1 << 20,
    }
}

fn setting() -> Setting {
    let hats = HttpHats::start();
    let door = Door::new(&options(&hats)).expect("built");
    let folder = tempfile::tempdir().expect("folder");
    let password = folder.path().join("password");
    std::fs::write(&password, PLATFORM.1).expect("written");
    let account = Account { domain: String::new(), username: PLATFORM.0.into(), password: Source::File(password) };
    let key = HatKey::parse(PUBLIC).expect("a key");
    let session = Session::new(door.clone(), id(BOB), key, Some(account));
    Setting { hats, door, session, _folder: folder }
}

fn raw(value: &serde_json::Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

#[tokio::test]
async fn records_are_stored_once_and_each_fate_is_told() {
    let s = setting();
    let facebook = id("facebook");
    let denied = s.session.post_one(&facebook, "facebook/feed", &raw(&json!({"n": 0}))).await.expect_err("not set up");
    assert_eq!(denied.fault, Fault::Status(403));
    assert_eq!(s.session.application(&facebook).await.expect("told"), Standing { setup: false, enabled: false });
    s.session.set_up(&facebook).await.expect("set up");

    let good = [raw(&json!({"n": 1})), raw(&json!({"text": "a b", "n": 2})), raw(&json!({"unwelcome": true}))];
    let records: Vec<&RawValue> = good.iter().map(|record| &**record).collect();
    let mut kept = [Kept::Unknown; 3];
    s.session.post_many(&facebook, "facebook/feed", &records, &mut kept).await.expect("posted");
    assert_eq!(kept, [Kept::Stored, Kept::Stored, Kept::Unknown]);
    assert_eq!(s.session.post_one(&facebook, "facebook/feed", records[2]).await.expect("told"), Kept::Refused);
    // The same again: passed over, and each alone says why.
    let mut again = [Kept::Unknown; 3];
    s.session.post_many(&facebook, "facebook/feed", &records, &mut again).await.expect("posted");
    assert_eq!(again, [Kept::Unknown; 3]);
    assert_eq!(s.session.post_one(&facebook, "facebook/feed", records[0]).await.expect("told"), Kept::Held);
    assert_eq!(s.hats.records(BOB, "facebook/feed").len(), 2);
    // One login, one token of the plug, for all of it.
    assert_eq!(s.hats.asked(BOB, "GET /users/access_token"), 1);
    assert_eq!(s.hats.asked(BOB, "GET /api/v2.6/applications/facebook/access-token"), 1);
}

#[tokio::test]
async fn a_lying_hat_is_believed_nothing_that_was_not_sent() {
    let s = setting();
    let facebook = id("facebook");
    s.session.set_up(&facebook).await.expect("set up");
    s.hats.behave(BOB, Mode::ClaimAll, "/api/v2.6/data");
    let sent = [raw(&json!({"n": 1})), raw(&json!({"n": 2}))];
    let records: Vec<&RawValue> = sent.iter().map(|record| &**record).collect();
    let mut kept = [Kept::Unknown; 2];
    s.session.post_many(&facebook, "facebook/feed", &records, &mut kept).await.expect("answered");
    assert_eq!(kept, [Kept::Unknown; 2], "six invented records are not ours");
    let one = s.session.post_one(&facebook, "facebook/feed", records[0]).await.expect_err("another record");
    assert!(matches!(one.fault, Fault::Form(_)), "{one}");
}

/// Every way to misbehave ends in its own fault, in time, within bounds, and with no word of what was sent.
#[tokio::test]
async fn misbehaviour_ends_in_a_fault_that_names_what_and_where() {
    let s = setting();
    s.session.check_key().await.expect("the pinned key");
    s.session.application(&id("facebook")).await.expect("logged in");
    let cases = [
        (Mode::Fail(500), Fault::Status(500)),
        (Mode::Fail(404), Fault::Status(404)),
        (Mode::Hang, Fault::Timeout),
        (Mode::Slow(Duration::from_secs(4)), Fault::Timeout),
        (Mode::Endless, Fault::TooLarge(1 << 20)),
        (Mode::Huge, Fault::TooLarge(1 << 20)),
        (Mode::Garbage, Fault::Form("the application")),
        (Mode::Redirect("http://169.254.169.254/latest/meta-data".into()), Fault::Redirect),
        (Mode::Redirect("http://eve.hubat.net/api/v2.6/applications/facebook".into()), Fault::Redirect),
        (Mode::Redirect("https://bob.hubat.net/api/v2.6/applications/facebook".into()), Fault::Redirect),
        (Mode::Redirect("/api/v2.6/applications/facebook".into()), Fault::Redirect),
    ];
    for (mode, fault) in cases {
        s.hats.behave(BOB, mode.clone(), "/api/v2.6/applications");
        let began = Instant::now();
        let error = s.session.application(&id("facebook")).await.expect_err("a fault");
        assert_eq!(error.fault, fault, "{mode:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{mode:?} took {:?}", began.elapsed());
        let text = error.to_string();
        assert!(text.contains("/applications/{id}") && text.contains(BOB), "{text}");
        assert!(!text.contains(PLATFORM.1) && !text.contains("eyJ") && !text.contains("169.254"), "{text}");
    }
    s.hats.behave(BOB, Mode::Busy(503, 7), "/");
    let busy = s.session.application(&id("facebook")).await.expect_err("busy");
    assert_eq!(busy.after, Some(Duration::from_secs(7)));
    // A redirect on the same host is followed.
    s.hats.behave(BOB, Mode::Redirect("/publickey".into()), "/old");
    s.hats.behave(BOB, Mode::Well, "/");
    s.session.application(&id("facebook")).await.expect("well again");
    let error: HatError = s.door.public_key(&id("127.0.0.1")).await.expect_err("no name");
    assert_eq!(error.fault, Fault::Address);
}

#[tokio::test]
async fn private_addresses_are_not_gone_to_unless_allowed() {
    let hats = HttpHats::start();
    let door = Door::new(&DoorOptions { private: false, ..options(&hats) }).expect("built");
    let error = door.public_key(&id(BOB)).await.expect_err("loopback");
    assert_eq!(error.fault, Fault::NotPublic);
    assert_eq!(hats.asked(BOB, "GET"), 0, "not even a connection");
    let open = Door::new(&options(&hats)).expect("built");
    open.public_key(&id(BOB)).await.expect("allowed by the configuration");
    open.probe(&id(BOB)).await.expect("up");
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_seen_in_the_page_and_in_tokens() {
    let s = setting();
    s.hats.change_key(BOB);
    assert_eq!(s.session.check_key().await.expect_err("another").fault, Fault::OtherKey);
    let error = s.session.application(&id("facebook")).await.expect_err("a token of another key");
    assert_eq!(error.fault, Fault::OtherKey);
    assert_eq!(s.hats.asked(BOB, "GET /api"), 0, "nothing is asked with such a token");
    assert_ne!(HatKey::parse(OTHER_PUBLIC), HatKey::parse(PUBLIC));
}

#[tokio::test]
async fn a_debit_is_proposed_enabled_by_the_owner_and_read() {
    let s = setting();
    let debit = id("acme.feed");
    let terms = crate::support::cast::terms(&"org:acme".parse().expect("an address"));
    let now = dex::client::ids::now();
    s.session.propose(&debit, 1, &terms, now).await.expect("proposed");
    assert_eq!(s.session.propose(&debit, 1, &terms, now).await.expect_err("there").fault, Fault::Duplicate);
    let (shown, tag) = s.session.debit(&debit, None).await.expect("told").expect("new");
    assert!(!shown.active && tag.is_some());
    assert_eq!(s.session.debit(&debit, tag.as_deref()).await.expect("told"), None, "not modified");
    assert_eq!(s.session.values(&debit).await.expect_err("not yet").fault, Fault::NotEnabled);

    s.hats.keep(BOB, "facebook/feed", &json!({"message": "hi"}));
    s.hats.enable(BOB, "acmeDfeed");
    let (shown, _) = s.session.debit(&debit, tag.as_deref()).await.expect("told").expect("changed");
    assert_eq!(shown.permissions_active.expect("active").bundle.name, "acmeDfeedR1");
    let values = s.session.values(&debit).await.expect("read");
    assert_eq!(values.bundle["feed"].len(), 1);
    s.session.propose(&debit, 2, &terms, now).await.expect("amended");
    let (shown, _) = s.session.debit(&debit, None).await.expect("told").expect("new");
    assert_eq!(shown.permissions_active.expect("the old one").bundle.name, "acmeDfeedR1");
    assert_eq!(shown.permissions_latest.expect("waits").bundle.name, "acmeDfeedR2");
    s.hats.condition(BOB, "grown-up", false);
    let values = s.session.values(&debit).await.expect("read");
    assert_eq!((values.conditions.len(), values.bundle["feed"].len()), (1, 0));
}
