//! `notice.list` and `notice.show`: notices that stand, with their text. Whom a notice names is told as numbers only.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::actors::herald::meant;
use crate::actors::notices::OpenNotice;
use crate::actors::shared::Shared;
use crate::domain::notice::Notice;
use crate::domain::{Address, Id, Kind, RegistryView};
use crate::wire::Problem;

use super::ask::{Answer, malformed, not_found, question};
use super::hats;

/// Most notices on one page.
const PAGE_MAX: usize = 400;
/// A page ends when it has so many bytes.
const PAGE_BYTES: usize = 256 * 1024;
/// Most roles of one question.
const ROLES_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    hat: Option<Id>,
    party: Option<Address>,
    roles: Option<Vec<SmolStr>>,
    email: Option<SmolStr>,
    after: Option<Uuid>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    notice: Uuid,
}

/// Who reads.
enum Reader {
    /// A HAT: what is for it.
    Hat(Id),
    /// Who is known to somebody by roles and an email address: what operators tell such.
    Somebody(BTreeSet<SmolStr>, Option<SmolStr>),
    /// Who asks for the notices of one party, or of all.
    Poster(Option<Address>),
}

/// The notices for a HAT, for somebody with these roles and this email address, or of a party, or all: by pages, the
/// oldest first.
pub fn list(shared: &Shared, body: &[u8]) -> Answer {
    let Question { hat, party, roles, email, after, limit } = question(body)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("limit is not 1 to {PAGE_MAX}")));
    }
    let reader = match (hat, party, roles, email) {
        (Some(hat), None, None, None) => Reader::Hat(hats::hat(shared, hat)?.0.id),
        (None, party, None, None) => Reader::Poster(party),
        (None, None, roles, email) => {
            let roles = roles.unwrap_or_default();
            if roles.len() > ROLES_MAX {
                return Err(malformed(format!("roles has more than {ROLES_MAX} elements")));
            }
            Reader::Somebody(roles.iter().map(|role| role.to_lowercase().into()).collect(), email)
        }
        _ => return Err(malformed("ask for a hat, for a party, or for roles and an email".into())),
    };
    let (mut items, mut bytes, mut last, mut more) = (Vec::new(), 0, None, false);
    for (id, open) in shared.notices.after(after) {
        // Who is suspended is not heard.
        let heard = shared.registry.registration(&open.poster).is_some_and(|poster| poster.active().is_ok());
        if !heard && !matches!(reader, Reader::Poster(_)) {
            continue;
        }
        if let Reader::Poster(Some(poster)) = &reader
            && open.poster != *poster
        {
            continue;
        }
        // Ended, but its entry is still to come.
        if open.standing.posted.expires <= shared.clock.now() {
            continue;
        }
        let notice = read(&open, shared)?;
        let item = match &reader {
            Reader::Hat(hat) => {
                let meant = meant(shared, &open.poster, &notice, hat).map_err(|error| unreadable(&error))?;
                meant.map(|_| line(id, &open, &notice))
            }
            Reader::Somebody(roles, email) => {
                let target = &notice.target;
                let named = email.as_ref().is_some_and(|email| target.names_email(email));
                let meant = target.is_everybody() || target.by_roles(roles) || named;
                (meant && open.poster.kind == Kind::Operator).then(|| line(id, &open, &notice))
            }
            Reader::Poster(_) => Some(whole(id, &open, &notice)),
        };
        let Some(item) = item else { continue };
        if items.len() == limit || bytes >= PAGE_BYTES {
            more = true;
            break;
        }
        bytes += item.to_string().len();
        items.push(item);
        last = Some(id);
    }
    let mut answer = json!({ "items": items });
    if more {
        answer["next"] = json!(last);
    }
    Ok(answer)
}

/// One notice, with how far it was told.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let One { notice: id } = question(body)?;
    let open = shared.notices.get(&id).ok_or_else(|| not_found(format!("no notice {id} stands")))?;
    Ok(whole(id, &open, &read(&open, shared)?))
}

fn read(open: &OpenNotice, shared: &Shared) -> Result<Notice, Problem> {
    open.body(shared).map_err(|error| unreadable(&error))
}

fn unreadable(error: &str) -> Problem {
    tracing::error!(%error, "a query cannot read a notice");
    Problem::new(crate::domain::Reason::Internal, "a notice cannot be read; the daemon's log says why".to_owned(), None)
}

/// What a HAT is told.
fn line(id: Uuid, open: &OpenNotice, notice: &Notice) -> Value {
    json!({
        "notice": id,
        "from": open.poster,
        "message": notice.message,
        "at": open.standing.at,
        "expires": open.standing.posted.expires,
    })
}

fn whole(id: Uuid, open: &OpenNotice, notice: &Notice) -> Value {
    let (posted, told) = (&open.standing.posted, &open.standing.told);
    let mut whole = line(id, open, notice);
    whole["target"] = json!({
        "withAnyRole": notice.target.with_any_role,
        "withAllRoles": notice.target.with_all_roles,
        "emails": posted.emails,
        "hats": posted.hats,
    });
    whole["told"] = json!({
        "published": told.sent, "listed": told.listed, "passed": told.passed, "done": told.done,
    });
    whole
}
