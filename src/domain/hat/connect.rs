//! Plugs and apps: connected and disconnected by the HAT.

use super::state::Hat;
use crate::domain::exchange::check::not_in_force;
use crate::domain::{Action, Address, Basis, Cause, Command, Context, Draft, Event, Id, Kind, Reason};

pub(super) fn decide(ctx: &Context<'_>, hat: &Hat, command: &Command, cause: &Cause) -> Result<Vec<Draft>, Reason> {
    if cause.from != *ctx.entity {
        return Err(Reason::NotPermitted);
    }
    hat.in_force()?;
    let many = ctx.limits.connections_per_hat;
    let draft = match &command.action {
        Action::PlugConnect { plug } => {
            let approval = approved(ctx, Kind::Plug, plug)?;
            fresh(hat.plugs.contains_key(plug), hat.plugs.len(), many)?;
            Draft::new(Event::PlugConnected { plug: plug.clone() }).on(vec![approval])
        }
        Action::AppSetup { app } => {
            let approval = approved(ctx, Kind::App, app)?;
            fresh(hat.apps.contains_key(app), hat.apps.len(), many)?;
            Draft::new(Event::AppSetUp { app: app.clone() }).on(vec![approval])
        }
        Action::PlugDisconnect { plug } => {
            hat.plugs.get(plug).ok_or(Reason::NotConnected)?;
            Draft::new(Event::PlugDisconnected { plug: plug.clone() })
        }
        Action::AppDisable { app } => {
            hat.apps.get(app).ok_or(Reason::NotConnected)?;
            Draft::new(Event::AppDisabled { app: app.clone() })
        }
        _ => return Err(Reason::NotPermitted),
    };
    Ok(vec![draft])
}

fn approved(ctx: &Context<'_>, kind: Kind, id: &Id) -> Result<Basis, Reason> {
    let party = Address::new(kind, id.clone());
    let registration = ctx.registry.registration(&party).ok_or(Reason::NotFound)?;
    match not_in_force(registration.standing, Reason::NotFound) {
        Some(reason) => Err(reason),
        None => Ok(Basis { entity: party, n: registration.standing_n }),
    }
}

fn fresh(there: bool, held: usize, many: usize) -> Result<(), Reason> {
    match (there, held >= many) {
        (true, _) => Err(Reason::AlreadyExists),
        (false, true) => Err(Reason::OverQuota),
        (false, false) => Ok(()),
    }
}
