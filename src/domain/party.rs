//! What is alike in the registrations of all parties: approval, suspension, keys.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::app::{Manifest, VERSIONS_MAX, Version};
use super::bytes::Key;
use super::command::{Action, Command};
use super::entity::{Context, Decision, Draft, Known};
use super::entry::Basis;
use super::event::Event;
use super::exchange::check::{self, Case, permit};
use super::id::Kind;
use super::pii;
use super::registration::{Profile, Registration, Standing};
use super::time::Timestamp;
use super::verdict::Reason;

/// The registration of what never registers.
pub(crate) static UNREGISTERED: Registration = Registration {
    standing: Standing::Unknown,
    keys: Vec::new(),
    profile: None,
    pending: BTreeMap::new(),
    standing_n: 0,
    versions: Vec::new(),
    seconded: None,
    suspended_itself: false,
    approved_n: 0,
    allowed: None,
    classified: None,
    jobs: None,
};

/// Decides for an entity that is a registration and nothing more.
pub(crate) fn decide(own: &Registration, ctx: &Context<'_>, command: &Command, known: Known) -> Decision {
    let Some(cause) = &command.cause else {
        return match &command.action {
            Action::OperatorDeclare { keys } => declare(own, ctx, keys),
            _ => Decision::Nothing,
        };
    };
    match check::authenticate(own, ctx, command, cause, known) {
        Ok(case) => Decision::of(judge(own, &case)),
        Err(decision) => decision,
    }
}

fn judge(own: &Registration, case: &Case<'_>) -> Result<Vec<Draft>, Reason> {
    match &case.command.action {
        Action::Classify { endpoint, word } => return pii::classify(own, case, endpoint, word),
        Action::AllowClasses { classes } => return pii::allow(own, case, *classes),
        _ => {}
    }
    // Operators and the exchange itself are as the configuration says.
    let registers = match case.ctx.entity.kind {
        Kind::Plug | Kind::App | Kind::Org | Kind::Bridge => true,
        Kind::Platform => false,
        _ => return Err(Reason::NotPermitted),
    };
    let operator = case.is_operator();
    match &case.command.action {
        Action::Register { key, profile } if registers => register(own, case, *key, profile),
        Action::Register { key, profile } => certify(own, case, *key, profile),
        Action::Approve { key } if registers => approve(own, case, *key),
        Action::Publish { key, version } if registers => publish(own, case, *key, version),
        Action::Decline { key, why } if registers => decline(own, case, key, why),
        Action::Account { account, roles, approved } => account_changed(own, case, account, roles, *approved),
        // Its maker may take an app back for now, and put it back in force unless an operator took it.
        Action::Suspend => suspend(own, case, operator || is_own_app(case)),
        Action::Resume => resume(own, case, operator || (is_own_app(case) && own.suspended_itself)),
        Action::RotateKey { key } => rotate_key(own, case, *key),
        Action::RevokeKey { key, since } => revoke_key(own, case, operator, *key, *since),
        _ => Err(Reason::NotPermitted),
    }
}

/// The configuration's keys of an operator or of the exchange itself.
fn declare(own: &Registration, ctx: &Context<'_>, keys: &[Key]) -> Decision {
    if !matches!(ctx.entity.kind, Kind::Operator | Kind::Dex | Kind::Bridge) {
        return Decision::Nothing;
    }
    let mut declared = keys.to_vec();
    declared.sort_unstable();
    declared.dedup();
    let current = own.keys.iter().filter(|held| held.until.is_none());
    let mut current: Vec<Key> = current.map(|held| held.key).collect();
    current.sort_unstable();
    if own.standing == Standing::Active && current == declared {
        return Decision::Nothing;
    }
    Decision::one(Draft::further(Event::OperatorDeclared { keys: declared }))
}

fn is_of_kind(profile: &Profile, kind: Kind) -> bool {
    matches!(
        (profile, kind),
        (Profile::Plug { .. }, Kind::Plug)
            | (Profile::App { .. }, Kind::App)
            | (Profile::Org { .. }, Kind::Org)
            | (Profile::Bridge { .. }, Kind::Bridge)
            | (Profile::Platform { .. }, Kind::Platform)
    )
}

/// A plug, an app or an org registers itself, again too: with another key, or with another profile.
fn register(own: &Registration, case: &Case<'_>, key: Option<Key>, profile: &Profile) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self())?;
    let key = key.ok_or(Reason::Malformed)?;
    match own.standing {
        Standing::Suspended => return Err(Reason::Suspended),
        Standing::Retired => return Err(Reason::Retired),
        Standing::Unknown | Standing::Pending | Standing::Active => {}
    }
    let at = case.at();
    let approved = own.standing == Standing::Active;
    let waits = own.pending.get(&key);
    let held = own.keys.iter().any(|held| held.key == key);
    let in_force = held && own.keys_at(at).any(|k| k.key == key);
    if held && !in_force {
        return Err(Reason::RevokedKey);
    }
    // The claims of others leave room for the party itself: it has few keys.
    if waits.is_none() && !in_force && own.pending.len() >= case.ctx.limits.pending_per_id {
        return Err(Reason::OverQuota);
    }
    if !is_of_kind(profile, case.ctx.entity.kind) {
        return Err(Reason::Malformed);
    }
    follows(own, key, profile)?;
    let same = approved && in_force && own.profile.as_ref() == Some(profile);
    if same || waits.is_some_and(|pending| pending.profile == *profile) {
        return Err(Reason::AlreadyExists);
    }
    Ok(vec![registered(case, key, profile)])
}

fn registered(case: &Case<'_>, key: Key, profile: &Profile) -> Draft {
    Draft::caused(Event::Registered { key: Some(key), profile: profile.clone(), by: case.from().clone() })
}

/// The operator's word for it, as a basis.
fn operator_basis(case: &Case<'_>) -> Vec<Basis> {
    case.key_basis().into_iter().collect()
}

/// An operator certifies a platform: in force at once.
fn certify(own: &Registration, case: &Case<'_>, key: Option<Key>, profile: &Profile) -> Result<Vec<Draft>, Reason> {
    permit(case.is_operator())?;
    case.sender_approved()?;
    let key = key.ok_or(Reason::Malformed)?;
    if !is_of_kind(profile, case.ctx.entity.kind) {
        return Err(Reason::Malformed);
    }
    if own.standing != Standing::Unknown {
        return Err(Reason::AlreadyExists);
    }
    let draft = registered(case, key, profile);
    Ok(vec![draft.on(operator_basis(case))])
}

/// The bridge itself or an operator changes the roles of an account of its gateway.
fn account_changed(
    own: &Registration,
    case: &Case<'_>,
    account: &SmolStr,
    roles: &[SmolStr],
    approved: bool,
) -> Result<Vec<Draft>, Reason> {
    permit(case.ctx.entity.kind == Kind::Bridge && (case.is_self() || case.is_operator()))?;
    own.active()?;
    case.sender_approved()?;
    let event = Event::AccountChanged { account: account.clone(), roles: roles.to_vec(), approved };
    Ok(vec![Draft::caused(event).on(operator_basis(case))])
}

/// An operator approves the pending registration that `key` names.
fn approve(own: &Registration, case: &Case<'_>, key: Option<Key>) -> Result<Vec<Draft>, Reason> {
    permit(case.is_operator())?;
    match own.standing {
        Standing::Pending | Standing::Active => {}
        Standing::Unknown => return Err(Reason::UnknownParty),
        Standing::Suspended => return Err(Reason::Suspended),
        Standing::Retired => return Err(Reason::Retired),
    }
    case.sender_approved()?;
    let key = key.ok_or(Reason::Malformed)?;
    let held = own.keys.iter().any(|held| held.key == key);
    let Some(pending) = own.pending.get(&key) else {
        return Err(if held { Reason::AlreadyExists } else { Reason::NotFound });
    };
    // It may have been rotated away, for it was stolen, since the registration came: it never comes back.
    if held && !own.keys_at(case.at()).any(|k| k.key == key) {
        return Err(Reason::RevokedKey);
    }
    if !held && own.keys.len() >= case.ctx.limits.keys_per_party {
        return Err(Reason::OverQuota);
    }
    let mut basis = operator_basis(case);
    basis.push(Basis { entity: case.ctx.entity.clone(), n: pending.n });
    let event = match second(own, case, key, pending.n)? {
        true => Event::Approved { key: Some(key) },
        false => Event::Seconded { key, registered: pending.n, by: case.from().clone() },
    };
    Ok(vec![Draft::caused(event).on(basis)])
}

/// Whether this operator's word completes an approval: always, unless two are needed. A word for a registration that
/// has changed since counts for nothing.
fn second(own: &Registration, case: &Case<'_>, key: Key, registered: u64) -> Result<bool, Reason> {
    if !case.ctx.limits.four_eyes {
        return Ok(true);
    }
    let first = own.seconded.as_ref().filter(|first| first.key == key && first.registered == registered);
    match first {
        None => Ok(false),
        Some(first) if first.by == *case.from() => Err(Reason::AlreadyExists),
        Some(_) => Ok(true),
    }
}

/// An operator publishes the version that it has looked at.
fn publish(own: &Registration, case: &Case<'_>, key: Key, version: &SmolStr) -> Result<Vec<Draft>, Reason> {
    permit(case.is_operator())?;
    let waits = own.pending.get(&key).map(|pending| &pending.profile);
    match waits {
        Some(Profile::App { version: waiting, .. }) if waiting != version => Err(Reason::NotFound),
        _ => approve(own, case, Some(key)),
    }
}

/// An operator refuses what waits, and says why.
fn decline(own: &Registration, case: &Case<'_>, key: &Key, why: &SmolStr) -> Result<Vec<Draft>, Reason> {
    permit(case.is_operator())?;
    case.sender_approved()?;
    if !own.pending.contains_key(key) {
        return Err(Reason::NotFound);
    }
    let event = Event::Declined { key: *key, why: why.clone() };
    Ok(vec![Draft::caused(event).on(operator_basis(case))])
}

fn is_own_app(case: &Case<'_>) -> bool {
    case.ctx.entity.kind == Kind::App && case.is_self()
}

/// That an app's next manifest follows those that were published: a higher version than all of them; or the last one
/// again, or the one that waits with this key, changed in nothing that decides what it may do.
fn follows(own: &Registration, key: Key, profile: &Profile) -> Result<(), Reason> {
    let Profile::App { version, manifest: Some(manifest), .. } = profile else {
        // What once had a manifest keeps having one.
        let had = own.profile.as_ref().is_some_and(|profile| profile.manifest().is_some());
        return if had && matches!(profile, Profile::App { .. }) { Err(Reason::WrongState) } else { Ok(()) };
    };
    let alike = |held: &Manifest| {
        (&held.permissions, &held.kind, &held.status) == (&manifest.permissions, &manifest.kind, &manifest.status)
    };
    // Who looks at a version that waits and then publishes it by its number gets what was looked at.
    let waiting = own.pending.get(&key).map(|pending| &pending.profile);
    if let Some(Profile::App { version: waits, manifest: held, .. }) = waiting
        && waits == version
        && !held.as_deref().is_some_and(alike)
    {
        return Err(Reason::WrongState);
    }
    let number = |text: &SmolStr| text.parse::<Version>().ok();
    let last = own.versions.last();
    if last.is_some_and(|last| last.version == *version) {
        let held = own.profile.as_ref().and_then(Profile::manifest);
        // Brought without a manifest it was accepted for its namespaces alone.
        return if held.is_some_and(|held| alike(held)) { Ok(()) } else { Err(Reason::WrongState) };
    }
    if own.versions.len() >= VERSIONS_MAX {
        return Err(Reason::OverQuota);
    }
    let higher = own.versions.iter().all(|published| number(&published.version) < number(version));
    if higher { Ok(()) } else { Err(Reason::WrongState) }
}

/// Suspends; `guardian` says whether the sender may.
pub(crate) fn suspend(own: &Registration, case: &Case<'_>, guardian: bool) -> Result<Vec<Draft>, Reason> {
    permit(guardian)?;
    case.sender_approved()?;
    match own.active() {
        // An operator's word over the party's own: from then on only an operator resumes it.
        Err(Reason::Suspended) if own.suspended_itself && case.is_operator() => {
            Ok(vec![Draft::caused(Event::Suspended).on(operator_basis(case))])
        }
        Ok(_) => Ok(vec![Draft::caused(Event::Suspended).on(operator_basis(case))]),
        Err(Reason::Suspended | Reason::NotApproved) => Err(Reason::WrongState),
        Err(reason) => Err(reason),
    }
}

/// Ends a suspension; `guardian` says whether the sender may.
pub(crate) fn resume(own: &Registration, case: &Case<'_>, guardian: bool) -> Result<Vec<Draft>, Reason> {
    permit(guardian)?;
    // Who is suspended by its own word ends that itself.
    if !is_own_app(case) {
        case.sender_approved()?;
    }
    match own.active() {
        Err(Reason::Suspended) => Ok(vec![Draft::caused(Event::Resumed).on(operator_basis(case))]),
        Ok(_) | Err(Reason::NotApproved) => Err(Reason::WrongState),
        Err(reason) => Err(reason),
    }
}

/// The party takes another key. One that it held before never comes back.
pub(crate) fn rotate_key(own: &Registration, case: &Case<'_>, key: Key) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self())?;
    own.active()?;
    if own.keys.len() >= case.ctx.limits.keys_per_party {
        return Err(Reason::OverQuota);
    }
    if own.keys.iter().any(|held| held.key == key) {
        return Err(Reason::AlreadyExists);
    }
    Ok(vec![Draft::caused(Event::KeyRotated { key }).on(operator_basis(case))])
}

/// A key is not in force from `since` on; a registration that waits with it falls. By the party itself,
/// or by whom `guardian` allows.
pub(crate) fn revoke_key(
    own: &Registration,
    case: &Case<'_>,
    guardian: bool,
    key: Key,
    since: Timestamp,
) -> Result<Vec<Draft>, Reason> {
    permit(case.is_self() || guardian)?;
    if !case.is_self() {
        case.sender_approved()?;
    }
    if own.standing == Standing::Unknown {
        return Err(Reason::UnknownParty);
    }
    // Before the first approval everybody who claims the id speaks under it: each for its own key only.
    let signed = case.cause.key;
    permit(guardian || own.standing != Standing::Pending || signed.is_none_or(|signed| signed == key))?;
    let held = own.keys.iter().any(|held| held.key == key);
    if !held && !own.pending.contains_key(&key) {
        return Err(Reason::NotFound);
    }
    if since > case.at() {
        return Err(Reason::Malformed);
    }
    Ok(vec![Draft::caused(Event::KeyRevoked { key, since }).on(operator_basis(case))])
}
