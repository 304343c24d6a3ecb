//! Notices: who posts, how often, what targets mean, and that the state is the fold of its entries.

use std::collections::BTreeSet;

use proptest::prelude::*;
use smol_str::SmolStr;

use super::world::*;
use crate::domain::notice::{Notice, OPEN_MAX, Target, Told, may_tell, roles_of};
use crate::domain::time::SECOND;
use crate::domain::*;

const PLUG: &str = "plug:facebook";
const ROOT: &str = "operator:root";

fn post(message: &str) -> Action {
    let notice = Notice { message: message.into(), target: Target::default(), expires: None };
    let body = serde_json::to_vec(&notice).expect("JSON").into();
    Action::Notice { notice: Box::new(notice), body }
}

fn until(seconds: i64, w: &World) -> Action {
    let expires = Some(w.now.plus(seconds * SECOND));
    let notice = Notice { message: "x".into(), target: Target::default(), expires };
    Action::Notice { notice: Box::new(notice), body: ::bytes::Bytes::from_static(b"{}") }
}

#[test]
fn only_itself_so_often_and_for_so_long() {
    let mut w = World::new();
    assert_eq!(w.refuses(PLUG, ROOT, post("in another's name")), Reason::NotPermitted);
    for seconds in [-1, 0, 31 * 86_400] {
        let action = until(seconds, &w);
        assert_eq!(w.refuses(PLUG, PLUG, action), Reason::Malformed, "{seconds} s");
    }
    for _ in 0..OPEN_MAX {
        w.must(PLUG, PLUG, post("hello"));
    }
    assert_eq!(w.refuses(PLUG, PLUG, post("one more")), Reason::OverQuota);
    // Another party has its own count; who is suspended posts nothing.
    w.must(ROOT, ROOT, post("from the operator"));
    w.must(PLUG, ROOT, Action::Suspend);
    assert_eq!(w.refuses(PLUG, PLUG, post("still here")), Reason::Suspended);
}

#[test]
fn it_is_told_forward_only_and_ends_once() {
    let mut w = World::new();
    let events = w.must(ROOT, ROOT, post("hello"));
    let [Event::NoticePosted(posted)] = events.as_slice() else { panic!("{events:?}") };
    let notice = posted.notice;
    let root = a(ROOT);
    let told = |through: &str, done| Action::NoticeTold {
        notice,
        told: Told { through: Some(id(through)), sent: 2, listed: 0, passed: 1, done },
    };
    assert!(matches!(w.local(&root, told("b.net", false)), Decision::Record(_)));
    assert_eq!(w.local(&root, told("a.net", false)), Decision::Nothing, "never back");
    assert!(matches!(w.local(&root, told("c.net", true)), Decision::Record(_)));
    assert_eq!(w.local(&root, told("d.net", true)), Decision::Nothing, "all were told");
    let entry = w.ledger.last().expect("an entry").0.clone();
    assert!(effects_of(&entry).is_empty());
    assert!(matches!(w.local(&root, Action::Deadline { delivery: notice }), Decision::Record(_)));
    let entry = w.ledger.last().expect("an entry").0.clone();
    assert_eq!(effects_of(&entry), [Effect::Close { delivery: notice }]);
    assert_eq!(w.local(&root, Action::Deadline { delivery: notice }), Decision::Nothing);
}

#[test]
fn a_hat_is_known_by_its_connections() {
    let w = World::new();
    let roles = roles_of(w.hat("hat:bob.hubat.net"), w.now);
    assert!(roles.contains("hatuser") && roles.contains(PLUG), "{roles:?}");
    assert!(may_tell(&a(PLUG), &roles) && may_tell(&a(ROOT), &roles));
    assert!(!may_tell(&a("plug:fitbit"), &roles));
}

fn names() -> impl Strategy<Value = Vec<SmolStr>> {
    proptest::collection::vec(prop::sample::select(vec!["a", "B", "c", "D"]).prop_map(SmolStr::from), 0..3)
}

proptest! {
    /// The words of docs/protocol.md §5.6, written anew.
    #[test]
    fn a_target_means_what_is_written(any in names(), all in names(), hats in names(), emails in names(), has in names(), hat in 0usize..4) {
        let hat = id(["a", "b", "c", "d"][hat]);
        let target = Target {
            with_any_role: any.clone(),
            with_all_roles: all.clone(),
            with_email: emails.clone(),
            with_hat_address: hats.iter().map(|name| id(&name.to_lowercase())).collect(),
        };
        let roles: BTreeSet<SmolStr> = has.iter().map(|role| role.to_lowercase().into()).collect();
        let holds = |role: &SmolStr| has.iter().any(|mine| mine.eq_ignore_ascii_case(role));
        let named = hats.iter().any(|name| name.eq_ignore_ascii_case(hat.as_str()));
        let by_any = any.is_empty() || any.iter().any(holds);
        let by_all = !all.iter().any(|role| !holds(role));
        let by_role = !(any.is_empty() && all.is_empty()) && by_any && by_all;
        let everybody = [&any, &all, &emails, &hats].iter().all(|list| list.is_empty());
        prop_assert_eq!(target.selects(&hat, &roles), named || by_role || everybody);
        // A target that is a list means nobody else, so only its HATs need to be looked at.
        if target.is_list() && !named {
            prop_assert!(!target.selects(&hat, &roles));
        }
    }
}
