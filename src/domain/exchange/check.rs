//! The checks that come before any action's own, in the protocol's order.

use std::sync::Arc;

use crate::domain::registration::{Registration, Standing};
use crate::domain::{Action, Address, Basis, Cause, Command, Context, Decision, Kind, Known, Reason};

/// An authenticated sender.
pub struct Sender {
    /// Who.
    pub party: Address,
    /// Its registration, as it stood.
    pub registration: Arc<Registration>,
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
        Speaker::Party(Sender { party: cause.from.clone(), registration: Arc::default(), key: None })
    } else {
        known_sender(ctx, own, cause)?
    };
    let sender = match sender {
        Speaker::Party(sender) => Some(sender),
        Speaker::Pending => None,
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
    let Some(sender) = sender else { return Err(Decision::rejected(Reason::NotApproved)) };
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

/// Whose signature it is.
enum Speaker {
    /// A party's, under a key that it ever held.
    Party(Sender),
    /// Of a registration that waits: its claim, not yet the party.
    Pending,
}

fn known_sender(ctx: &Context<'_>, own: &Registration, cause: &Cause) -> Result<Speaker, Decision> {
    let registration = if cause.from == *ctx.entity {
        Arc::new(own.clone())
    } else {
        ctx.registry.registration(&cause.from).unwrap_or_default()
    };
    if registration.standing == Standing::Unknown {
        return Err(Decision::Anonymous(Reason::UnknownParty));
    }
    let Some(key) = &cause.key else {
        // Decoding lets a message without a key through only where the broker vouches.
        return if ctx.trusted_broker {
            Ok(Speaker::Party(Sender { party: cause.from.clone(), registration, key: None }))
        } else {
            Err(Decision::Anonymous(Reason::BadSignature))
        };
    };
    if let Some(n) = registration.key(key).map(|record| record.n) {
        let key = Some(Basis { entity: cause.from.clone(), n });
        return Ok(Speaker::Party(Sender { party: cause.from.clone(), registration, key }));
    }
    if registration.keys.is_empty() && registration.pending.contains_key(key) {
        return Ok(Speaker::Pending);
    }
    Err(Decision::Anonymous(Reason::BadSignature))
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
