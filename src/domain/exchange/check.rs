//! What is checked of every message before what it asks: sender, key, id and time, in this order.

use std::ops::Deref;
use std::sync::Arc;

use crate::domain::command::{Action, Cause, Command};
use crate::domain::entity::{Context, Decision, Known};
use crate::domain::entry::Basis;
use crate::domain::id::{Address, Kind};
use crate::domain::registration::{Registration, Standing};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// A registration, of the deciding entity itself or out of the registry.
pub(crate) enum Registered<'a> {
    /// The deciding entity's own, exact.
    Own(&'a Registration),
    /// From the read model.
    Shared(Arc<Registration>),
}

impl Deref for Registered<'_> {
    type Target = Registration;

    fn deref(&self) -> &Registration {
        match self {
            Registered::Own(own) => own,
            Registered::Shared(shared) => shared,
        }
    }
}

/// A message whose sender is authenticated, with what it is decided in.
pub(crate) struct Case<'a> {
    /// The bounds, the registry, the deciding entity.
    pub ctx: &'a Context<'a>,
    /// The message.
    pub command: &'a Command,
    /// Its facts.
    pub cause: &'a Cause,
    /// The deciding entity's registration.
    pub own: &'a Registration,
    /// Its sender's registration. A party that registers itself may have none yet.
    pub sender: Registered<'a>,
    /// Number of the entry that brought the key it signed with; none where the broker stands for it.
    pub key_n: Option<u64>,
}

impl Case<'_> {
    /// Event time: when the message was stored.
    pub fn at(&self) -> Timestamp {
        self.command.stored_at
    }

    /// Who speaks.
    pub fn from(&self) -> &Address {
        &self.cause.from
    }

    /// Whether the deciding entity itself speaks.
    pub fn is_self(&self) -> bool {
        self.cause.from == *self.ctx.entity
    }

    /// Whether what is said counts as said by `party`: it speaks itself, or the bridge that it is entrusted to does.
    pub fn speaks_for(&self, party: &Address) -> bool {
        self.cause.from == *party || (self.is_bridge() && self.is_entrusted(party))
    }

    /// Whether the deciding HAT's owner speaks: the HAT itself, or its bridge.
    pub fn is_owner(&self) -> bool {
        self.speaks_for(self.ctx.entity)
    }

    /// Whose word this counts as: the deciding HAT's when its bridge speaks, else that of who speaks.
    pub fn speaker(&self) -> &Address {
        if self.is_owner() { self.ctx.entity } else { &self.cause.from }
    }

    /// Whether a bridge speaks.
    pub fn is_bridge(&self) -> bool {
        self.cause.from.kind == Kind::Bridge
    }

    fn is_entrusted(&self, party: &Address) -> bool {
        let bridge = Some(&self.cause.from.id);
        if *party == *self.ctx.entity {
            return self.own.bridge() == bridge;
        }
        self.ctx.registry.registration(party).is_some_and(|of| of.bridge() == bridge)
    }

    /// Whether an operator speaks.
    pub fn is_operator(&self) -> bool {
        self.cause.from.kind == Kind::Operator
    }

    /// Whether the exchange itself speaks, by way of its input stream.
    pub fn is_dex(&self) -> bool {
        self.cause.from.kind == Kind::Dex && self.cause.from.id.as_str() == self.ctx.origin
    }

    /// That the sender is in force. What is not approved yet is said later, as a lack of authority.
    pub fn sender_standing(&self) -> Result<(), Reason> {
        match self.sender.active() {
            Ok(_) | Err(Reason::NotApproved) => Ok(()),
            Err(reason) => Err(reason),
        }
    }

    /// That neither the sender nor the `party` that it speaks for is suspended: what they say is not heard till they are
    /// resumed. Who has retired is heard on what it still owes.
    pub fn heard_for(&self, party: &Address) -> Result<(), Reason> {
        let carried = match party {
            party if party == self.from() => self.sender.standing,
            party if party == self.ctx.entity => self.own.standing,
            party => self.ctx.registry.registration(party).map_or(Standing::Unknown, |of| of.standing),
        };
        if [self.sender.standing, carried].contains(&Standing::Suspended) { Err(Reason::Suspended) } else { Ok(()) }
    }

    /// That the sender is approved; the number of the entry that says so.
    pub fn sender_approved(&self) -> Result<u64, Reason> {
        self.sender.active()
    }

    /// The entry that brought the sender's key.
    pub fn key_basis(&self) -> Option<Basis> {
        self.key_n.map(|n| Basis { entity: self.cause.from.clone(), n })
    }
}

/// That `party` is in force by the registry; the number of the entry that says so.
pub(crate) fn active(ctx: &Context<'_>, party: &Address) -> Result<u64, Reason> {
    match ctx.registry.registration(party) {
        Some(registration) => registration.active(),
        None => Err(Reason::UnknownParty),
    }
}

/// That a condition for speaking on this subject holds.
pub(crate) fn permit(holds: bool) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(Reason::NotPermitted) }
}

/// Plugs, apps and orgs register themselves with the key that the body brings.
fn self_registration(ctx: &Context<'_>, command: &Command, cause: &Cause) -> bool {
    matches!(command.action, Action::Register { .. })
        && matches!(ctx.entity.kind, Kind::Plug | Kind::App | Kind::Org | Kind::Bridge)
        && cause.from == *ctx.entity
}

fn is_stale(ctx: &Context<'_>, command: &Command, cause: &Cause) -> bool {
    // The exchange repeats its own messages until they have an answer, however long that takes.
    if cause.from.kind == Kind::Dex {
        return false;
    }
    let made = Timestamp::from_unix_ms(cause.id.unix_ms());
    // An id counts whole milliseconds, so one made just now may seem to lie up to one back.
    made.since(command.stored_at) > ctx.limits.id_ahead || command.stored_at.since(made) > ctx.limits.id_back
}

/// Authenticates the sender, then looks at the id and at the key's time. `own` is the registration of
/// the deciding entity.
pub(crate) fn authenticate<'a>(
    own: &'a Registration,
    ctx: &'a Context<'a>,
    command: &'a Command,
    cause: &'a Cause,
    known: Known,
) -> Result<Case<'a>, Decision> {
    let sender = if cause.from == *ctx.entity {
        Registered::Own(own)
    } else {
        match ctx.registry.registration(&cause.from) {
            Some(registration) => Registered::Shared(registration),
            None => return Err(Decision::Anonymous(Reason::UnknownParty)),
        }
    };
    let registers = self_registration(ctx, command, cause);
    if sender.standing == Standing::Unknown && !registers {
        return Err(Decision::Anonymous(Reason::UnknownParty));
    }
    let good = match (&cause.key, &command.action) {
        (None, _) => ctx.trusted_broker,
        (Some(signed), Action::Register { key, .. }) if registers => Some(*signed) == *key,
        (Some(signed), _) => sender.ever_held(signed),
    };
    if !good {
        return Err(Decision::Anonymous(Reason::BadSignature));
    }
    match known {
        Known::Same => return Err(Decision::Repeat),
        Known::Other => return Err(Decision::rejected(Reason::Conflict)),
        Known::New => {}
    }
    if is_stale(ctx, command, cause) {
        return Err(Decision::rejected(Reason::Stale));
    }
    let mut key_n = None;
    if let Some(signed) = &cause.key
        && !registers
    {
        key_n = sender.in_force(signed, command.stored_at);
        if key_n.is_none() {
            return Err(Decision::rejected(Reason::RevokedKey));
        }
    }
    Ok(Case { ctx, command, cause, own, sender, key_n })
}

/// When an exchange opened by this message ends at the latest.
pub(crate) fn deadline(case: &Case<'_>) -> Result<Timestamp, Reason> {
    let limits = case.ctx.limits;
    match case.command.deadline {
        None => Ok(case.at().plus(limits.deadline_default)),
        Some(deadline) => {
            let ahead = deadline.since(case.at());
            if (limits.deadline_min..=limits.deadline_max).contains(&ahead) {
                Ok(deadline)
            } else {
                Err(Reason::Malformed)
            }
        }
    }
}
