//! A client that is not to know whose data it is given asks for it all the same: by the id under which it knows the debit.
//! The offer knows which HAT that is, and asks it in the client's name.

use serde::{Deserialize, Serialize};

use super::check::{Case, active, permit};
use super::delivery_id::delivery_id;
use super::pull::{ask_body, requested};
use crate::domain::bytes::Digest;
use crate::domain::command::PullAsk;
use crate::domain::entity::Draft;
use crate::domain::entry::Basis;
use crate::domain::event::{Event, Opened};
use crate::domain::hat::Hat;
use crate::domain::id::{Address, Id, MessageId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Reason;

/// What the client has asked its offer for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnnamedPull {
    /// The client's message.
    pub pull: MessageId,
    /// The client.
    pub by: Address,
    /// SHA-256 of the message's body.
    pub digest: Digest,
    /// Answered by then, or expired.
    pub deadline: Timestamp,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "PullAsk::is_everything")]
    pub ask: PullAsk,
}

/// Decides `hat.<hat>.pull-asked.<offer>`, from the exchange. A refusal is the answer to the client, so it is an event of
/// its own.
pub(crate) fn asked(hat: &Hat, case: &Case<'_>, offer: &Id, pull: &UnnamedPull) -> Result<Vec<Draft>, Reason> {
    permit(case.is_dex())?;
    case.sender_approved()?;
    Ok(match open(hat, case, offer, pull) {
        Ok((opened, basis)) => vec![Draft::caused(Event::Opened(Box::new(opened))).on(basis)],
        Err(reason) => {
            let UnnamedPull { pull, by, digest, .. } = pull.clone();
            vec![Draft::caused(Event::PullRefused { pull, by, digest, reason })]
        }
    })
}

fn open(hat: &Hat, case: &Case<'_>, offer: &Id, pull: &UnnamedPull) -> Result<(Opened, Vec<Basis>), Reason> {
    hat.registration.active()?;
    let debit = hat.debits.get(offer).filter(|debit| debit.without_pii() && debit.client == pull.by);
    let debit = debit.ok_or(Reason::DebitNotFound)?;
    let standing = active(case.ctx, &pull.by)?;
    let (_, enabled) = debit.in_force(case.at())?;
    // There is nothing that could be answered yet.
    if debit.holds_back() {
        return Err(Reason::OfferBelowMinimum);
    }
    if case.at() >= pull.deadline {
        return Err(Reason::DeadlinePassed);
    }
    let limits = case.ctx.limits;
    if !hat.minute.allows(&pull.by, false, case.at(), limits.messages_per_minute) {
        return Err(Reason::OverQuota);
    }
    if hat.open.len() >= limits.open_per_hat {
        return Err(Reason::RecipientOverQuota);
    }
    let to = case.ctx.entity;
    let delivery = delivery_id(case.ctx.delivery_key, to, &pull.by, pull.pull, Some(offer));
    hat.free(delivery)?;
    let opened = Opened {
        exchange: pull.pull,
        digest_in: pull.digest,
        deadline: pull.deadline,
        // What is told of it must not lead its sender to the HAT.
        without_pii: true,
        ..requested(&pull.by, to, offer, delivery, &pull.ask, &ask_body(&pull.ask))
    };
    let basis = vec![Basis { entity: pull.by.clone(), n: standing }, Basis { entity: to.clone(), n: enabled }];
    Ok((opened, basis))
}
