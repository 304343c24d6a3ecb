//! The checks that come before any action's own, in the protocol's order.

use std::sync::Arc;

use crate::domain::registration::{KeyRecord, Registration, Standing};
use crate::domain::{Action, Address, Basis, Cause, Command, Context, Decision, Kind, Known, Reason};

/// An authenticated sender.
pub struct Sender {
    /// Who.
    pub party: Address,
    /// Its registration, as it stood.
    pub registration: Registration,
    /// The entry that brought the key that signed; none where the broker vouches.
    pub key: Option<Basis>,
}

/// Authenticates a message and looks at its id. `own` is the deciding entity's own registration: exact
/// where the registry's view may be a moment behind.
///
/// # Errors
/// The decision that ends it here: counted as anonymous, repeated, or a refusal.
pub fn authenticate(
    ctx: &Context<'_>,
    own: &Registration,
    command: &Command,
    cause: &Cause,
    known: Known,
) -> Result<Sender, Decision> {
    let sender = if introduces_itself(command, cause) {
        Sender { party: cause.from.clone(), registration: Registration::default(), key: None }
    } else {
        known_sender(ctx, own, cause)?
    };
    match known {
        Known::Same => return Err(Decision::Repeat),
        Known::Other => return Err(Decision::rejected(Reason::Conflict)),
        Known::New => {}
    }
    // The exchange's own messages take their id's time from their cause, which may be old by now.
    if cause.from.kind != Kind::Dex && stale(ctx, command, cause) {
        return Err(Decision::rejected(Reason::Stale));
    }
    if let (Some(key), Some(_)) = (&cause.key, &sender.key)
        && !sender.registration.in_force(key, command.stored_at)
    {
        return Err(Decision::rejected(Reason::RevokedKey));
    }
    Ok(sender)
}

/// A plug, app or org that registers signs with the key that its message brings: that proves the key.
fn introduces_itself(command: &Command, cause: &Cause) -> bool {
    let Action::Register { key, .. } = &command.action else { return false };
    let alone = matches!(command.addressed.kind, Kind::Plug | Kind::App | Kind::Org);
    alone && cause.from == command.addressed && cause.key.as_ref() == Some(key)
}

fn known_sender(ctx: &Context<'_>, own: &Registration, cause: &Cause) -> Result<Sender, Decision> {
    let registration = if cause.from == *ctx.entity {
        own.clone()
    } else {
        let found = ctx.registry.registration(&cause.from);
        found.map(Arc::unwrap_or_clone).unwrap_or_default()
    };
    if registration.standing == Standing::Unknown {
        return Err(Decision::Anonymous(Reason::UnknownParty));
    }
    let Some(key) = &cause.key else {
        // Decoding lets a message without a key through only where the broker vouches.
        return if ctx.trusted_broker {
            Ok(Sender { party: cause.from.clone(), registration, key: None })
        } else {
            Err(Decision::Anonymous(Reason::BadSignature))
        };
    };
    let held = registration.key(key).map(|KeyRecord { n, .. }| *n);
    let pending = registration.pending.get(key).map(|pending| pending.n);
    match held.or(pending) {
        None => Err(Decision::Anonymous(Reason::BadSignature)),
        // A key that waits for approval is the party's claim, not yet the party.
        Some(_) if held.is_none() => Err(if registration.keys.is_empty() {
            Decision::rejected(Reason::NotApproved)
        } else {
            Decision::Anonymous(Reason::BadSignature)
        }),
        Some(n) => {
            let basis = (n > 0).then(|| Basis { entity: cause.from.clone(), n });
            let key = Some(basis.unwrap_or(Basis { entity: cause.from.clone(), n: 0 }));
            Ok(Sender { party: cause.from.clone(), registration, key })
        }
    }
}

fn stale(ctx: &Context<'_>, command: &Command, cause: &Cause) -> bool {
    let made = crate::domain::Timestamp::from_unix_ms(cause.id.unix_ms());
    let behind = command.stored_at.since(made);
    behind > ctx.limits.id_back || behind < -ctx.limits.id_ahead
}

/// The reason why a party that must be in force is not; `None` when it is.
pub fn not_in_force(standing: Standing, never: Reason) -> Option<Reason> {
    match standing {
        Standing::Active => None,
        Standing::Unknown => Some(never),
        Standing::Pending => Some(Reason::NotApproved),
        Standing::Suspended => Some(Reason::Suspended),
        Standing::Retired => Some(Reason::Retired),
    }
}
