//! `hat.show`: a HAT's standing, connections and debits; never what its exchanges carry.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::actors::shared::Shared;
use crate::domain::app::Accepted;
use crate::domain::hat::Hat;
use crate::domain::plug;
use crate::domain::{Address, Id, Kind, Profile, RegistryView, Standing};
use crate::store::load;
use crate::wire::Problem;

use super::ask::{Answer, not_found, question, unreadable};
use super::debits;
use crate::wire::standing;

/// Most debits shown with their HAT.
const DEBITS_SHOWN: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    hat: Id,
}

/// The committed state of a HAT.
///
/// # Errors
/// `not-found` when it was never registered, `internal` when its state cannot be read.
pub fn hat(shared: &Shared, id: Id) -> Result<(Address, Hat), Problem> {
    let address = Address::new(Kind::Hat, id);
    let hat: Hat = load(&shared.db, &shared.tail, &address).map_err(|error| unreadable(&error))?;
    if hat.registration.standing == Standing::Unknown {
        return Err(not_found(format!("{address} was never registered at {}", shared.origin)));
    }
    Ok((address, hat))
}

/// An app's version that the owner has accepted, and whether the published one wants to be accepted anew.
fn accepted_line(shared: &Shared, app: &Id, accepted: &Accepted) -> Value {
    let registration = shared.registry.registration(&Address::new(Kind::App, app.clone()));
    let active = registration.as_ref().is_some_and(|registration| registration.active().is_ok());
    let published = registration.as_ref().and_then(|registration| registration.profile.as_ref());
    let outdated = published.and_then(Profile::manifest).map(|manifest| manifest.outdates(&accepted.version));
    json!({
        "app": app, "version": accepted.version, "namespaces": accepted.namespaces, "at": accepted.at,
        "active": active, "needsUpdating": outdated.unwrap_or(false),
    })
}

/// Standing, keys, platform, plugs, apps, debits, and how many exchanges are open.
pub fn show(shared: &Shared, body: &[u8]) -> Answer {
    let Question { hat: id } = question(body)?;
    let (address, hat) = hat(shared, id)?;
    let now = shared.clock.now();
    let mut answer = standing::view(&address, &hat.registration);
    answer["platform"] = json!(hat.platform);
    answer["plugs"] = hat.plugs.keys().map(|plug| json!(plug)).collect();
    let line = |(plug, asked): (&Id, &plug::Asked)| json!({ "plug": plug, "at": asked.at, "until": asked.until });
    answer["connecting"] = hat.connecting.iter().map(line).collect();
    answer["apps"] = hat.apps.keys().map(|app| json!(app)).collect();
    answer["accepted"] = hat.accepted.iter().map(|(app, accepted)| accepted_line(shared, app, accepted)).collect();
    // The rest is told by `debit.list`, page by page.
    let debits = hat.debits.iter().take(DEBITS_SHOWN).map(|(id, debit)| debits::line(id, debit, now));
    answer["debits"] = Value::Array(debits.collect());
    answer["debitCount"] = json!(hat.debits.len());
    answer["claims"] = hat.claims.keys().map(|offer| json!(offer)).collect();
    answer["openExchanges"] = json!(hat.open.len());
    answer["entries"] = json!(hat.n);
    Ok(answer)
}
