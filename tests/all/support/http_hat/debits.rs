//! Data debits of a HAT as the original has them: revisions, accepted and ended by the owner.

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Hat, OWNER, problem, show};

#[derive(Clone)]
pub(super) struct Permission {
    pub(super) body: Value,
    accepted: bool,
    canceled: bool,
}

#[derive(Default)]
pub(super) struct Debit {
    creator: String,
    pub(super) permissions: Vec<Permission>,
}

impl Debit {
    fn active(&self) -> Option<&Permission> {
        self.permissions.iter().rev().find(|permission| permission.accepted && !permission.canceled)
    }
}

pub(super) fn enable(hat: &mut Hat, id: &str) -> Option<()> {
    let debit = hat.debits.get_mut(id)?;
    for permission in &mut debit.permissions {
        permission.accepted = false;
    }
    let newest = debit.permissions.last_mut()?;
    (newest.accepted, newest.canceled) = (true, false);
    Some(())
}

pub(super) fn disable(hat: &mut Hat, id: &str) -> Option<()> {
    for permission in &mut hat.debits.get_mut(id)?.permissions {
        permission.canceled = true;
    }
    Some(())
}

pub(super) fn debit(
    hat: &mut Hat,
    method: &str,
    id: &str,
    rest: &[&str],
    user: &str,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return problem(404, "Not Found", "no such route");
    }
    let owner = user == OWNER.0;
    if method == "POST" || method == "PUT" {
        let Ok(asked) = serde_json::from_slice::<Value>(body) else { return problem(400, "Bad Request", "not JSON") };
        let name = &asked["bundle"]["name"];
        let taken = |debit: &Debit| debit.permissions.iter().any(|it| it.body["bundle"]["name"] == *name);
        if hat.debits.iter().any(|(key, debit)| (method == "POST" || key != id) && taken(debit))
            || (method == "POST" && hat.debits.contains_key(id))
        {
            return problem(400, "Bad Request", "Duplicate data debit");
        }
        if method == "PUT" && !hat.debits.contains_key(id) {
            return problem(404, "Not Found", "no such debit");
        }
        for field in ["purpose", "start", "period", "cancelAtPeriodEnd", "requestClientName", "termsUrl", "bundle"] {
            if asked.get(field).is_none() {
                return problem(400, "Bad Request", &format!("{field} is missing"));
            }
        }
        let debit = hat.debits.entry(id.to_owned()).or_default();
        debit.creator = user.to_owned();
        debit.permissions.push(Permission { body: asked, accepted: false, canceled: false });
        let shown = show_debit(id, debit);
        return if method == "POST" { HttpResponse::Created().json(shown) } else { HttpResponse::Ok().json(shown) };
    }
    let Some(known) = hat.debits.get(id) else { return problem(404, "Not Found", "no such debit") };
    if !owner && known.creator != user {
        return problem(403, "Forbidden", "not yours");
    }
    match rest {
        ["enable"] if owner => drop(enable(hat, id)),
        ["disable"] if owner => drop(disable(hat, id)),
        ["enable" | "disable"] => return problem(403, "Forbidden", "owner only"),
        ["values"] => return values(hat, known),
        _ => {}
    }
    let shown = show_debit(id, &hat.debits[id]);
    let tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(&Sha256::digest(shown.to_string().as_bytes())[..8]));
    if request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return HttpResponse::NotModified().insert_header((ETAG, tag)).finish();
    }
    HttpResponse::Ok().insert_header((ETAG, tag)).json(shown)
}

fn show_debit(id: &str, debit: &Debit) -> Value {
    let permission = |it: &Permission| {
        let mut shown = it.body.clone();
        shown["accepted"] = json!(it.accepted);
        if it.canceled {
            shown["canceledAt"] = json!("2026-01-01T00:00:00Z");
        }
        shown["active"] = json!(it.accepted && !it.canceled);
        shown
    };
    let active = debit.active();
    json!({
        "dataDebitKey": id, "active": active.is_some(), "accepted": active.is_some(),
        "permissions": debit.permissions.iter().map(permission).collect::<Vec<_>>(),
        "permissionsActive": active.map(permission),
        "permissionsLatest": debit.permissions.last().map(permission),
    })
}

fn values(hat: &Hat, debit: &Debit) -> HttpResponse {
    let Some(active) = debit.active() else {
        return problem(400, "Bad Request", "Data Debit not enabled");
    };
    let mut bundle = serde_json::Map::new();
    let holds = hat.conditions.values().all(|holds| *holds);
    for (property, query) in active.body["bundle"]["bundle"].as_object().into_iter().flatten() {
        let endpoints: Vec<&str> =
            query["endpoints"].as_array().into_iter().flatten().filter_map(|it| it["endpoint"].as_str()).collect();
        let found = hat.records.iter().filter(|record| holds && endpoints.contains(&record.endpoint.as_str()));
        bundle.insert(property.clone(), found.map(show).collect());
    }
    let mut answer = json!({ "bundle": bundle });
    if !hat.conditions.is_empty() {
        answer["conditions"] = json!(hat.conditions);
    }
    HttpResponse::Ok().json(answer)
}
