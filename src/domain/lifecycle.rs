//! Registration and its life, the same for every kind of party: who may do what to whom.

use super::command::{Action, Cause, Command};
use super::entity::{Context, Draft};
use super::entry::Basis;
use super::event::Event;
use super::exchange::Sender;
use super::exchange::check::not_in_force;
use super::id::{Address, Kind};
use super::registration::{Profile, Registration, Standing};
use super::verdict::Reason;

/// Decides an action on a party's registration.
///
/// # Errors
/// The first check that fails.
pub fn decide(
    ctx: &Context<'_>,
    own: &Registration,
    sender: &Sender,
    command: &Command,
    cause: &Cause,
) -> Result<Vec<Draft>, Reason> {
    let event = match &command.action {
        Action::Register { key, profile } => {
            if !fits(ctx.entity.kind, profile) {
                return Err(Reason::Malformed);
            }
            let basis = registers(ctx, own, sender, cause)?;
            bounded(ctx, own, key)?;
            let event = Event::Registered { key: *key, profile: profile.clone(), by: cause.from.clone() };
            return Ok(vec![Draft::new(event).on(basis)]);
        }
        Action::Approve { key } => {
            operator(sender)?;
            let Some(key) = key else { return Err(Reason::Malformed) };
            if !own.pending.contains_key(key) {
                return Err(if own.key(key).is_some() { Reason::AlreadyExists } else { Reason::NotFound });
            }
            Event::Approved { key: Some(*key) }
        }
        Action::Suspend => {
            overseer(ctx, sender)?;
            stands(own, Standing::Active)?;
            Event::Suspended
        }
        Action::Resume => {
            overseer(ctx, sender)?;
            stands(own, Standing::Suspended)?;
            Event::Resumed
        }
        Action::Retire => {
            // Only a HAT retires: its address is never given out again.
            if ctx.entity.kind != Kind::Hat {
                return Err(Reason::NotPermitted);
            }
            if cause.from != *ctx.entity {
                overseer(ctx, sender)?;
            }
            match own.standing {
                Standing::Active | Standing::Suspended => Event::Retired,
                Standing::Retired => return Err(Reason::Retired),
                Standing::Unknown | Standing::Pending => return Err(Reason::UnknownParty),
            }
        }
        Action::RotateKey { key } => {
            if cause.from != *ctx.entity {
                return Err(Reason::NotPermitted);
            }
            not_in_force(own.standing, Reason::UnknownParty).map_or(Ok(()), Err)?;
            bounded(ctx, own, key)?;
            if own.key(key).is_some() {
                return Err(Reason::AlreadyExists);
            }
            Event::KeyRotated { key: *key }
        }
        Action::RevokeKey { key, since } => {
            if cause.from != *ctx.entity {
                overseer(ctx, sender)?;
            }
            if *since > command.stored_at {
                return Err(Reason::Malformed);
            }
            if own.key(key).is_none() {
                return Err(Reason::NotFound);
            }
            Event::KeyRevoked { key: *key, since: *since }
        }
        _ => return Err(Reason::NotPermitted),
    };
    Ok(vec![Draft::new(event)])
}

/// Who may register this entity: the operator a platform, a platform a HAT of its domain, a plug, app
/// or org itself.
fn registers(ctx: &Context<'_>, own: &Registration, sender: &Sender, cause: &Cause) -> Result<Vec<Basis>, Reason> {
    let vouched = vec![Basis { entity: sender.party.clone(), n: sender.registration.standing_n }];
    match ctx.entity.kind {
        Kind::Platform => {
            operator(sender)?;
            never(own)?;
            Ok(vouched)
        }
        Kind::Hat => {
            if !vouches(&cause.from, ctx.entity) {
                return Err(Reason::NotPermitted);
            }
            not_in_force(sender.registration.standing, Reason::NotApproved).map_or(Ok(()), Err)?;
            never(own)?;
            Ok(vouched)
        }
        Kind::Plug | Kind::App | Kind::Org => {
            if cause.from != *ctx.entity {
                return Err(Reason::NotPermitted);
            }
            if own.pending.len() >= ctx.limits.pending_per_id {
                return Err(Reason::OverQuota);
            }
            if matches!(own.standing, Standing::Suspended | Standing::Retired) {
                return Err(not_in_force(own.standing, Reason::NotApproved).unwrap_or(Reason::WrongState));
            }
            Ok(Vec::new())
        }
        Kind::Operator | Kind::Offer | Kind::Lane | Kind::Dex => Err(Reason::NotPermitted),
    }
}

/// A profile of another kind would bring its kind's rights: a HAT needs no approval.
fn fits(kind: Kind, profile: &Profile) -> bool {
    matches!(
        (kind, profile),
        (Kind::Hat, Profile::Hat)
            | (Kind::Plug, Profile::Plug { .. })
            | (Kind::App, Profile::App { .. })
            | (Kind::Org, Profile::Org { .. })
            | (Kind::Platform, Profile::Platform { .. })
    )
}

fn never(own: &Registration) -> Result<(), Reason> {
    match own.standing {
        Standing::Unknown | Standing::Pending => Ok(()),
        Standing::Retired => Err(Reason::Retired),
        Standing::Active | Standing::Suspended => Err(Reason::AlreadyExists),
    }
}

fn bounded(ctx: &Context<'_>, own: &Registration, key: &super::bytes::Key) -> Result<(), Reason> {
    let held = own.keys.len() + own.pending.len();
    if own.key(key).is_some() || own.pending.contains_key(key) {
        return Err(Reason::AlreadyExists);
    }
    if held >= ctx.limits.keys_per_party + ctx.limits.pending_per_id || own.keys.len() >= ctx.limits.keys_per_party {
        return Err(Reason::OverQuota);
    }
    Ok(())
}

/// A platform vouches for the HATs whose address ends in its own, and no others.
fn vouches(platform: &Address, hat: &Address) -> bool {
    platform.kind == Kind::Platform
        && hat.id.as_str().strip_suffix(platform.id.as_str()).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
}

fn operator(sender: &Sender) -> Result<(), Reason> {
    let known = sender.registration.profile == Some(Profile::Operator) && sender.party.kind == Kind::Operator;
    if known && sender.registration.standing == Standing::Active { Ok(()) } else { Err(Reason::NotPermitted) }
}

/// The operator, and a platform over its own HATs.
fn overseer(ctx: &Context<'_>, sender: &Sender) -> Result<(), Reason> {
    if ctx.entity.kind == Kind::Hat && vouches(&sender.party, ctx.entity) {
        return not_in_force(sender.registration.standing, Reason::NotPermitted).map_or(Ok(()), Err);
    }
    operator(sender)
}

fn stands(own: &Registration, wanted: Standing) -> Result<(), Reason> {
    if own.standing == wanted {
        return Ok(());
    }
    Err(match own.standing {
        Standing::Unknown => Reason::UnknownParty,
        Standing::Retired => Reason::Retired,
        Standing::Pending | Standing::Active | Standing::Suspended => Reason::WrongState,
    })
}
