//! One content for all debits of a HAT: read once, sifted for each of them.

use uuid::Uuid;

use super::out::Out;
use super::source::Source;
use super::{Facts, Found, Object, Slate, Stopped, Terms};
use crate::domain::exchange::delivery_id::part_id;
use crate::domain::exchange::release::delivery_of;
use crate::domain::id::{Id, MessageId};
use crate::domain::limits::Limits;
use crate::domain::records::Records;
use crate::domain::verdict::Reason;

/// What was found for one debit of those that a content went to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFound {
    /// The debit.
    pub debit: Id,
    /// The part's exchange.
    pub exchange: MessageId,
    /// The part's delivery, under whose name what is delivered lies on disk.
    pub delivery: Uuid,
    /// What is delivered; else why nothing is.
    pub facts: Result<Facts, Reason>,
}

struct Part {
    debit: Id,
    exchange: MessageId,
    delivery: Uuid,
    terms: Terms,
    out: Result<Out, Reason>,
}

/// The reader of a content for several recipients. Memory: a batch of records, and what comes of it for one debit.
pub struct Fan {
    source: Source,
    parts: Vec<Part>,
    most: u64,
}

impl Fan {
    /// For the parts of the exchange `parent` under these debits; all that is written for them comes to at most `most` bytes.
    /// A part that is refused is wiped at once, so it takes nothing of that, as in a fan-out of a body.
    pub fn new(
        object: Object,
        parent: MessageId,
        debits: impl IntoIterator<Item = (Id, Terms)>,
        most: u64,
        limits: &Limits,
    ) -> Self {
        let each = limits.large_bytes.max(object.size);
        let parts = debits.into_iter().map(|(debit, terms)| {
            let exchange = part_id(parent, &debit);
            let delivery = delivery_of(&terms.mask(), terms.gate.without_pii(), exchange, &debit);
            Part { debit, exchange, delivery, terms, out: Ok(Out::new(each)) }
        });
        Fan { source: Source::new(object, limits), parts: parts.collect(), most }
    }

    /// The deliveries of its parts, in the order in which [`push`](Self::push) wants their places.
    pub fn deliveries(&self) -> Vec<Uuid> {
        self.parts.iter().map(|part| part.delivery).collect()
    }

    /// Takes the next bytes; what is delivered of part `n` goes to `to[n]`.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of any part may be delivered then.
    pub fn push<W: Slate>(&mut self, piece: &[u8], to: &mut [W]) -> Result<(), Stopped> {
        let (parts, most) = (&mut self.parts, self.most);
        self.source.push(piece, &mut |records| take(parts, most, &records, to))
    }

    /// The content is over; what was found for each debit.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of any part may be delivered then.
    pub fn finish<W: Slate>(mut self, to: &mut [W]) -> Result<Found, Stopped> {
        let (parts, most) = (&mut self.parts, self.most);
        self.source.finish(&mut |records| take(parts, most, &records, to))?;
        let mut found = Vec::with_capacity(self.parts.len());
        for (part, to) in self.parts.into_iter().zip(to) {
            let Part { debit, exchange, delivery, terms, out } = part;
            let facts = match out.map(|out| out.finish(&terms, to)) {
                Ok(Ok(facts)) => Ok(facts),
                Ok(Err(Stopped::Refused(reason))) | Err(reason) => Err(reason),
                Ok(Err(stopped)) => return Err(stopped),
            };
            found.push(PartFound { debit, exchange, delivery, facts });
        }
        Ok(Found::Parts(found))
    }
}

/// One client's mapping that makes too much of it does not keep it from the others.
fn take<W: Slate>(parts: &mut [Part], most: u64, records: &Records, to: &mut [W]) -> Result<(), Stopped> {
    let mut all = 0;
    for (part, to) in parts.iter_mut().zip(to) {
        let Ok(out) = &mut part.out else { continue };
        match out.select(&part.terms, records, to) {
            Ok(()) => all += out.size,
            Err(Stopped::Refused(reason)) => {
                to.wipe()?;
                part.out = Err(reason);
            }
            Err(stopped) => return Err(stopped),
        }
    }
    if all > most { Err(Reason::RecipientOverQuota.into()) } else { Ok(()) }
}
