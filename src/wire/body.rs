//! Reads a body into the action that its subject names. Unknown fields are refused.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

use crate::domain::app::Manifest;
use crate::domain::command::{PullAsk, Receipt};
use crate::domain::event::{DebitTerms, HatClaim, OfferTerms};
use crate::domain::exchange::pull::bounded;
use crate::domain::plug;
use crate::domain::records::RecordsError;
use crate::domain::{
    Action, Address, Id, Key, Kind, Limits, MessageId, Pin, Profile, Reason, Records, Timestamp, Transport,
};

use super::actions::{self, Object};
use super::{classes, form, object, report};

/// Why a subject and body are no action.
pub type Wrong = (Reason, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestOf {
    key: Key,
    manifest: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishOf {
    key: Key,
    version: Option<SmolStr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclineOf {
    key: Key,
    why: SmolStr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupOf {
    version: Option<SmolStr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyOnly {
    key: Key,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HatRegister {
    #[serde(default)]
    key: Option<Key>,
    #[serde(default)]
    public_key: Option<Pin>,
    #[serde(default)]
    transport: Transport,
    #[serde(default)]
    bridge: Option<Id>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PinOnly {
    public_key: Pin,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entrust {
    transport: Transport,
    #[serde(default)]
    bridge: Option<Id>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    account: SmolStr,
    roles: Vec<SmolStr>,
    approved: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyName {
    key: Key,
    name: SmolStr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlugRegister {
    key: Key,
    name: SmolStr,
    namespace: SmolStr,
    manifest: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppRegister {
    key: Key,
    name: SmolStr,
    version: SmolStr,
    namespaces: Vec<SmolStr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    key: Key,
    since: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enable {
    #[serde(default)]
    revision: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Disable {
    #[serde(default)]
    at_period_end: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimOf {
    hat: Id,
    claim: Option<MessageId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimBy {
    hat: Id,
    claim: Option<MessageId>,
    by: Option<Address>,
}

impl ClaimOf {
    fn of(self) -> HatClaim {
        HatClaim { hat: self.hat, claim: self.claim }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimOver {
    hat: Id,
    claim: Option<MessageId>,
    #[serde(default)]
    completed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimOnly {
    claim: Option<MessageId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserved {
    terms: DebitTerms,
    claim: Option<MessageId>,
    until: Option<Timestamp>,
}

/// Reads the action. Size and depth of `body` are checked already.
///
/// # Errors
/// [`Reason::Malformed`] or [`Reason::TooLarge`] with a sentence that says what and where.
pub fn read(to: &Address, verb: &str, object: Option<&str>, body: &Bytes, limits: &Limits) -> Result<Action, Wrong> {
    let kind = to.kind;
    let Some((_, wanted)) = actions::find(kind, verb) else {
        let detail = match actions::actions_of(kind) {
            [] => format!("the kind {kind} has no actions"),
            _ => format!("the kind {kind} has no action {verb:?}; it has {}", actions::names(kind)),
        };
        return Err((Reason::Malformed, detail));
    };
    let object = match (wanted, object) {
        (Object::None, None) => None,
        (Object::None, Some(_)) => {
            return Err(malformed(format!("action {verb} takes no further token in the subject")));
        }
        (Object::Id(what), None) => {
            return Err(malformed(format!("action {verb} needs the {what} as a further token in the subject")));
        }
        (Object::Exchange, None) => {
            return Err(malformed(format!("action {verb} needs the exchange's id as a further token in the subject")));
        }
        (_, Some(token)) => {
            Some(Id::from_token(token).map_err(|e| malformed(format!("the subject's last token: {e}")))?)
        }
    };
    let action = of(to, verb, object, body, limits)?;
    check(&action).map_err(malformed)?;
    Ok(action)
}

fn of(to: &Address, verb: &str, object: Option<Id>, body: &Bytes, limits: &Limits) -> Result<Action, Wrong> {
    // Actions with an object come first: `object` is there exactly when the table says so.
    if let Some(object) = object {
        return with_object(to.kind, verb, object, body, limits);
    }
    let register = |key, profile| Ok(Action::Register { key: Some(key), profile });
    match (to.kind, verb) {
        (_, "data") if object::is_reference(body) => {
            Ok(Action::DataObject { object: object::read(body).map_err(malformed)? })
        }
        (_, "data") => Ok(Action::Data { records: records(body, limits)? }),
        (_, "receipt") => Ok(Action::Receipt(json::<Receipt>(body)?)),
        (Kind::Hat, "register") => {
            let HatRegister { key, public_key, transport, bridge } = json(body)?;
            Ok(Action::Register { key, profile: Profile::Hat { public_key, transport, bridge } })
        }
        (Kind::Hat, "report") => Ok(Action::Report(report::read(body)?)),
        (Kind::Plug, "register") => {
            let PlugRegister { key, name, namespace, manifest } = json(body)?;
            let manifest = manifest.map(|manifest| plug::Manifest::read(&manifest)).transpose();
            let manifest = manifest.map_err(|fault| malformed(fault.to_string()))?.map(Arc::new);
            register(key, Profile::Plug { name, namespace, manifest })
        }
        (Kind::Plug, "report") => Ok(Action::PlugReport(json(body)?)),
        (_, "schedule") => Ok(Action::PlugSchedule(json(body)?)),
        (Kind::App, "register" | "version") => app(to, verb, body),
        (Kind::App, "publish") => {
            let PublishOf { key, version } = json(body)?;
            Ok(match version {
                Some(version) => Action::Publish { key, version },
                None => Action::Approve { key: Some(key) },
            })
        }
        (_, "decline") => {
            let DeclineOf { key, why } = json(body)?;
            Ok(Action::Decline { key, why })
        }
        (Kind::Org, "register") => {
            let b: KeyName = json(body)?;
            register(b.key, Profile::Org { name: b.name })
        }
        (Kind::Bridge, "register") => {
            let b: KeyName = json(body)?;
            register(b.key, Profile::Bridge { name: b.name })
        }
        (_, "account") => {
            let Account { account, roles, approved } = json(body)?;
            Ok(Action::Account { account, roles, approved })
        }
        (_, "notice") => Ok(Action::Notice { notice: Box::new(json(body)?), body: body.clone() }),
        (_, "pin-key") => Ok(Action::PinKey { public_key: json::<PinOnly>(body)?.public_key }),
        (_, "entrust") => {
            let Entrust { transport, bridge } = json(body)?;
            Ok(Action::Entrust { transport, bridge })
        }
        (Kind::Platform, "certify") => {
            let b: KeyName = json(body)?;
            register(b.key, Profile::Platform { name: b.name })
        }
        (_, "classify") => Ok(json::<classes::Classify>(body)?.action()),
        (_, "allow") => Ok(Action::AllowClasses { classes: json::<classes::Allow>(body)?.classes }),
        (Kind::Offer, "register") => Ok(Action::OfferRegister { terms: json::<OfferTerms>(body)? }),
        (Kind::Offer, "approve") => nothing(body, Action::Approve { key: None }),
        (_, "approve" | "publish") => Ok(Action::Approve { key: Some(json::<KeyOnly>(body)?.key) }),
        (_, "suspend") => nothing(body, Action::Suspend),
        (_, "resume") => nothing(body, Action::Resume),
        (_, "retire") => nothing(body, Action::Retire),
        (_, "rotate-key") => Ok(Action::RotateKey { key: json::<KeyOnly>(body)?.key }),
        (_, "revoke-key") => {
            let Revoke { key, since } = json(body)?;
            Ok(Action::RevokeKey { key, since })
        }
        (_, "reject") => nothing(body, Action::OfferReject),
        (_, "close") => nothing(body, Action::OfferClose),
        (_, "pay") => nothing(body, Action::OfferPay),
        (_, "reserve") => {
            let ClaimBy { hat, claim, by } = json(body)?;
            Ok(Action::OfferReserve { of: HatClaim { hat, claim }, by })
        }
        (_, "confirm") => Ok(Action::OfferConfirm(json::<ClaimOf>(body)?.of())),
        (_, "lapse") => {
            let ClaimOver { hat, claim, completed } = json(body)?;
            Ok(Action::OfferLapse { of: HatClaim { hat, claim }, completed })
        }
        _ => Err(unread(verb)),
    }
}

/// An app's manifest, or in a first registration the little that the exchange itself needs.
fn app(to: &Address, verb: &str, body: &Bytes) -> Result<Action, Wrong> {
    let value: serde_json::Value = json(body)?;
    if verb == "register" && value.get("manifest").is_none() {
        let AppRegister { key, name, version, namespaces } = json(body)?;
        let profile = Profile::App { name, version, namespaces, manifest: None };
        return Ok(Action::Register { key: Some(key), profile });
    }
    let ManifestOf { key, manifest } = json(body)?;
    let manifest = Manifest::read(&to.id, &manifest).map_err(|fault| malformed(fault.to_string()))?;
    let (name, version) = (manifest.info.name.clone(), manifest.info.version.clone());
    let (namespaces, manifest) = (manifest.namespaces(), Some(Arc::new(manifest)));
    Ok(Action::Register { key: Some(key), profile: Profile::App { name, version, namespaces, manifest } })
}

fn with_object(kind: Kind, verb: &str, object: Id, body: &Bytes, limits: &Limits) -> Result<Action, Wrong> {
    if matches!(verb, "credit" | "release") && object::is_reference(body) {
        let named = object::read(body).map_err(malformed)?;
        return Ok(match verb {
            "credit" => Action::CreditObject { by: object, object: named },
            _ => Action::ReleaseObject { debit: object, object: named },
        });
    }
    match verb {
        "credit" => Ok(Action::Credit { by: object, records: records(body, limits)? }),
        "release" => Ok(Action::Release { debit: object, records: records(body, limits)? }),
        "pull" => {
            let ask = if body.is_empty() { PullAsk::default() } else { json(body)? };
            Ok(match kind {
                Kind::Offer => Action::OfferPull { debit: object, ask },
                _ => Action::Pull { debit: object, ask },
            })
        }
        "pull-asked" => Ok(Action::PullAsked { offer: object, pull: Box::new(json(body)?) }),
        "recall" => {
            let exchange: MessageId = object.as_str().parse().map_err(|_| {
                malformed("the subject's last token is not the id of an exchange (a lower-case UUID)".into())
            })?;
            nothing(body, Action::Recall { exchange })
        }
        "job" => Ok(Action::Job { plug: object, word: Box::new(json(body)?) }),
        "plug-connect" => nothing(body, Action::PlugConnect { plug: object }),
        "plug-disconnect" => nothing(body, Action::PlugDisconnect { plug: object }),
        "app-setup" => {
            let version = if body.is_empty() { None } else { json::<SetupOf>(body)?.version };
            Ok(Action::AppSetup { app: object, version })
        }
        "app-disable" => nothing(body, Action::AppDisable { app: object }),
        "debit-propose" => Ok(Action::DebitPropose { debit: object, terms: json(body)? }),
        "debit-amend" => Ok(Action::DebitAmend { debit: object, terms: json(body)? }),
        "debit-enable" => Ok(Action::DebitEnable {
            debit: object,
            revision: if body.is_empty() { None } else { json::<Enable>(body)?.revision },
        }),
        "debit-disable" => Ok(Action::DebitDisable {
            debit: object,
            at_period_end: !body.is_empty() && json::<Disable>(body)?.at_period_end,
        }),
        "claim" => nothing(body, Action::Claim { offer: object }),
        "withdraw" => nothing(body, Action::Withdraw { offer: object }),
        "claim-reserved" => {
            let Reserved { terms, claim, until } = json(body)?;
            Ok(Action::ClaimReserved { offer: object, terms, claim, until })
        }
        "claim-refused" => Ok(Action::ClaimRefused { offer: object, claim: claim(body)? }),
        "claim-released" => Ok(Action::ClaimReleased { offer: object, claim: claim(body)? }),
        "claim-lapsed" => Ok(Action::ClaimLapsed { offer: object, claim: claim(body)? }),
        _ => Err(unread(verb)),
    }
}

/// What serde's types cannot say.
fn check(action: &Action) -> Result<(), String> {
    match action {
        Action::Register { key, profile } => {
            key.as_ref().map_or(Ok(()), form::key)?;
            match profile {
                Profile::Hat { public_key, transport, bridge } => {
                    if key.is_none() && public_key.is_none() {
                        return Err("a HAT has a key, a publicKey or both".to_owned());
                    }
                    form::carried(*transport, bridge.is_some() && public_key.is_some())
                }
                Profile::Operator => Ok(()),
                Profile::Plug { name, namespace, .. } => {
                    form::name("name", name)?;
                    form::namespace("namespace", namespace)
                }
                Profile::App { name, version, namespaces, .. } => {
                    form::name("name", name)?;
                    form::name("version", version)?;
                    if namespaces.len() > form::NAMESPACES_MAX {
                        return Err(format!("namespaces has more than {} elements", form::NAMESPACES_MAX));
                    }
                    namespaces.iter().try_for_each(|n| form::namespace("an element of namespaces", n))
                }
                Profile::Org { name } | Profile::Platform { name } | Profile::Bridge { name } => {
                    form::name("name", name)
                }
            }
        }
        Action::RotateKey { key } => form::key(key),
        Action::Decline { why, .. } => form::text("why", why),
        Action::PlugReport(said) => form::jobs(said),
        Action::PlugSchedule(said) => form::schedule(said),
        Action::Job { word, .. } => word.check(),
        Action::Entrust { transport, bridge } => form::carried(*transport, bridge.is_some()),
        Action::Notice { notice, .. } => form::notice(notice),
        Action::Account { account, roles, .. } => form::account(account, roles),
        Action::DebitPropose { terms, .. } | Action::DebitAmend { terms, .. } => {
            form::own_debit(terms)?;
            form::debit(terms)
        }
        Action::ClaimReserved { terms, .. } => form::debit(terms),
        Action::Classify { endpoint, word } => classes::check(endpoint, word),
        Action::OfferRegister { terms } => form::offer(terms),
        Action::Pull { ask, .. } | Action::OfferPull { ask, .. } => bounded(ask),
        Action::PullAsked { pull, .. } => bounded(&pull.ask),
        Action::Receipt(receipt) => match &receipt.reason {
            Some(reason) => form::text("reason", reason),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Wrong> {
    // The reader would take the fields as a list, too.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(malformed("the body is not a JSON object".into()));
    }
    serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        malformed(form::not_taken(&error).unwrap_or_else(|| format!("the body: {error}")))
    })
}

/// The claim that a message of an offer is about.
fn claim(body: &Bytes) -> Result<Option<MessageId>, Wrong> {
    if body.is_empty() { Ok(None) } else { Ok(json::<ClaimOnly>(body)?.claim) }
}

fn nothing(body: &Bytes, action: Action) -> Result<Action, Wrong> {
    if !body.is_empty() {
        json::<Nothing>(body)?;
    }
    Ok(action)
}

fn records(body: &Bytes, limits: &Limits) -> Result<Records, Wrong> {
    Records::parse(body.clone(), limits.records).map_err(|e| {
        let reason = match e {
            RecordsError::TooMany(..) => Reason::TooLarge,
            _ => Reason::Malformed,
        };
        (reason, e.to_string())
    })
}

fn malformed(detail: String) -> Wrong {
    (Reason::Malformed, detail)
}

/// A table entry that no reader is for; a test walks the whole table, so it cannot be met.
fn unread(verb: &str) -> Wrong {
    (Reason::Internal, format!("action {verb} has no reader"))
}
