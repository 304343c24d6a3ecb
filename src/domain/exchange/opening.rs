//! What all exchanges have in common when they open: quotas, deadline, what is recorded of the content.

use bytes::Bytes;
use smol_str::SmolStr;

use super::delivery_id::delivery_id;
use crate::domain::event::{Authority, Direction, Opened};
use crate::domain::hat::Hat;
use crate::domain::records::RecordSpan;
use crate::domain::{Address, Cause, Command, Context, Digest, MessageId, Reason, Timestamp};

/// Most endpoints told apart in one entry; the rest is summed under an empty name.
const ENDPOINTS_MAX: usize = 64;

/// The exchange's deadline.
///
/// # Errors
/// `malformed` when the one asked for is too near or too far.
pub fn deadline(ctx: &Context<'_>, command: &Command) -> Result<Timestamp, Reason> {
    let limits = ctx.limits;
    match command.deadline {
        None => Ok(command.stored_at.plus(limits.deadline_default)),
        Some(asked) => {
            let ahead = asked.since(command.stored_at);
            if (limits.deadline_min..=limits.deadline_max).contains(&ahead) {
                Ok(asked)
            } else {
                Err(Reason::Malformed)
            }
        }
    }
}

/// Whether the sender may send one more message this minute and the HAT takes one more exchange.
///
/// # Errors
/// `over-quota` or `recipient-over-quota`.
pub fn quotas(ctx: &Context<'_>, hat: &Hat, from: &Address, at: Timestamp) -> Result<(), Reason> {
    if hat.minute.of(from, at) >= ctx.limits.messages_per_minute {
        return Err(Reason::OverQuota);
    }
    room(ctx, hat, 1)
}

/// Whether the HAT takes `more` exchanges.
///
/// # Errors
/// `recipient-over-quota`.
pub fn room(ctx: &Context<'_>, hat: &Hat, more: usize) -> Result<(), Reason> {
    if hat.open.len() + more > ctx.limits.open_per_hat {
        return Err(Reason::RecipientOverQuota);
    }
    Ok(())
}

/// What moves, to whom, under which right.
pub struct Move<'a> {
    /// The exchange's id.
    pub exchange: MessageId,
    /// The fan-out it is a part of.
    pub parent: Option<MessageId>,
    /// Which way.
    pub direction: Direction,
    /// Under which right.
    pub authority: Authority,
    /// Who receives.
    pub to: Address,
    /// The pull that it answers.
    pub pull: Option<MessageId>,
    /// When it expires.
    pub deadline: Timestamp,
    /// SHA-256 of what came, records and bytes of it.
    pub came: (Digest, u32, u32),
    /// What leaves, and how many records.
    pub leaves: (&'a Bytes, u32),
    /// Records delivered per endpoint.
    pub endpoints: Vec<(SmolStr, u32)>,
}

/// The event of an exchange that opens.
pub fn opened(ctx: &Context<'_>, cause: &Cause, what: Move<'_>) -> Opened {
    let debit = match &what.authority {
        Authority::Debit(debit) => Some(debit),
        Authority::Plug(_) | Authority::App(_) => None,
    };
    let (content, count_out) = what.leaves;
    let (digest_in, count_in, bytes_in) = what.came;
    let whole = u32::try_from(content.len()) == Ok(bytes_in) && count_in == count_out;
    Opened {
        delivery: delivery_id(ctx.delivery_key, &what.to, &cause.from, what.exchange, debit),
        exchange: what.exchange,
        from: cause.from.clone(),
        parent: what.parent,
        direction: what.direction,
        authority: what.authority,
        to: what.to,
        pull: what.pull,
        since: None,
        limit: None,
        deadline: what.deadline,
        digest_in,
        // The same bytes that came have the digest that the signature covers already.
        digest_out: if whole { digest_in } else { Digest::of(content) },
        count_in,
        count_out,
        bytes_in,
        bytes_out: u32::try_from(content.len()).unwrap_or(u32::MAX),
        endpoints: what.endpoints,
    }
}

/// Records per endpoint of those that `keep` selects, in order of the endpoint's name.
pub fn tally(items: &[RecordSpan], keep: impl Fn(&str) -> bool) -> Vec<(SmolStr, u32)> {
    let mut counts: Vec<(SmolStr, u32)> = Vec::new();
    let mut rest = 0u32;
    for item in items.iter().filter(|item| keep(&item.endpoint)) {
        let known = counts.iter().position(|(endpoint, _)| *endpoint == item.endpoint);
        match known {
            Some(place) => counts[place].1 += 1,
            None if counts.len() < ENDPOINTS_MAX - 1 => counts.push((item.endpoint.clone(), 1)),
            None => rest += 1,
        }
    }
    counts.sort_unstable();
    if rest > 0 {
        counts.push((SmolStr::default(), rest));
    }
    counts
}
