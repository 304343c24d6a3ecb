//! The 29 calls of the original, each held against its recorded shape over a real exchange. The cases are data:
//! `tests/rest/calls/*.json`, in the order of their names, on one running daemon.

use std::collections::BTreeSet;

use crate::support::contract::{Case, Stage, cases, is_of};

/// The calls as the original's clients make them, written down from what is known of those clients and not from this
/// gateway: number, method, paths (`*` is any one segment), and the statuses that a client tells apart.
const CALLS: [(u8, &str, &[&str], &[u16]); 29] = [
    (1, "GET", &["/api/users/access_token"], &[200, 401]),
    (2, "POST", &["/stats/report"], &[200, 400, 401]),
    (3, "GET", &["/stats"], &[200]),
    (4, "GET", &["/stats/available-data"], &[200]),
    (5, "POST", &["/stats/available-data/descriptions"], &[200, 401, 403]),
    (6, "GET", &["/api/dataplugs"], &[200]),
    (7, "GET", &["/api/dataplugs/*/connect"], &[200, 401, 403, 404]),
    (8, "POST", &["/api/notices"], &[200, 401, 403]),
    (9, "GET", &["/api/offer/*/claims"], &[200, 401, 403]),
    (10, "GET", &["/api/v2/offers", "/api/v3/offers"], &[200]),
    (11, "POST", &["/api/v2/offer", "/api/v3/offer"], &[201, 400, 401, 403]),
    (12, "GET", &["/api/v2/offer/*/claims", "/api/v3/offer/*/claims"], &[200, 401, 403]),
    (13, "PUT", &["/api/v2/offer/*/registerClaim", "/api/v3/offer/*/registerClaim"], &[200, 400, 401, 403, 404]),
    (14, "GET", &["/api/v2/offer/*/claim"], &[200, 401, 403, 404]),
    (15, "PUT", &["/api/v2/offer/*", "/api/v3/offer/*"], &[200, 400, 401, 403, 404]),
    (16, "POST", &["/api/users/registerHat"], &[200, 400]),
    (17, "POST", &["/api/v3/users/registerHat"], &[200, 400]),
    (18, "GET", &["/api/users/register-consent/*", "/api/v3/users/register-consent/*"], &[200, 401]),
    (19, "POST", &["/api/users/update-application"], &[200, 401, 403]),
    (20, "GET", &["/api/v2/applications"], &[200]),
    (21, "GET", &["/api/v3/applications"], &[200]),
    (22, "GET", &["/api/v2/applications/*", "/api/v3/applications/*"], &[200, 404]),
    (23, "GET", &["/api/v2/applications-history", "/api/v3/applications-history"], &[200]),
    (24, "POST", &["/api/v2/applications", "/api/v3/applications"], &[201, 400, 401, 403]),
    (25, "PUT", &["/api/v2/applications/*", "/api/v3/applications/*"], &[200, 400, 401, 403, 404]),
    (26, "GET", &["/api/v2/applications/*/publish", "/api/v3/applications/*/publish"], &[200, 401, 403, 404]),
    (27, "GET", &["/api/v2/applications/*/suspend", "/api/v3/applications/*/suspend"], &[200, 401, 403, 404]),
    (28, "PUT", &["/api/v2/applications/developer", "/api/v3/applications/developer"], &[200, 400, 401]),
    (29, "POST", &["/api/v2/applications/*/versions", "/api/v3/applications/*/versions"], &[201, 400, 401, 403, 404]),
];
/// Those that change something by `GET` or `PUT`: each must do the same by `POST`, too.
const TWINS: [u8; 7] = [7, 13, 14, 15, 18, 26, 27];
/// Which calls, paths, statuses and twins no case shows.
fn unshown(cases: &[(String, Case)]) -> Vec<String> {
    let mut shown: BTreeSet<(u8, String, String, u16)> = BTreeSet::new();
    for (_, case) in cases {
        let Some(call) = case.call.filter(|_| !case.own) else { continue };
        for variant in &case.variants {
            let (method, path) = case.asked(variant);
            let path = path.replace("{v}", variant.split('-').next().unwrap_or(variant));
            shown.insert((call, method.to_string(), path, case.status));
        }
    }
    let mut missing = Vec::new();
    for (call, method, forms, statuses) in CALLS {
        for form in forms {
            let of = |status: u16| {
                let mut all = shown.iter().filter(|it| it.0 == call && it.1 == method && it.3 == status);
                // A 404 is of a name that is in the path.
                all.any(|it| is_of(form, &it.2))
            };
            missing.extend(
                statuses
                    .iter()
                    .filter(|status| !of(**status))
                    .map(|status| format!("{call}: {method} {form} {status}")),
            );
        }
        let posted = |it: &(u8, String, String, u16)| it.0 == call && it.1 == "POST" && it.3 < 300;
        if TWINS.contains(&call) && !shown.iter().any(posted) {
            missing.push(format!("{call}: by POST"));
        }
    }
    missing
}

#[test]
fn no_call_of_the_original_is_without_its_cases() {
    let cases = cases("calls");
    assert_eq!(unshown(&cases), Vec::<String>::new());
    // And a call that nobody shows is seen.
    let fewer: Vec<(String, Case)> = cases.into_iter().filter(|(_, case)| case.call != Some(19)).collect();
    assert_eq!(unshown(&fewer).len(), 3);
}

#[tokio::test]
async fn all_calls_of_the_original_have_their_recorded_shape() {
    Stage::new().await.run(&cases("calls")).await;
}
