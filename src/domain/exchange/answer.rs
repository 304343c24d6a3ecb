//! What passes of a HAT's answer to a pull.

use std::borrow::Cow;

use crate::domain::bundle::{Bundle, Compiled, Taken, TooLarge};
use crate::domain::command::PullAsk;
use crate::domain::records::Records;

/// What a bundle makes of the records that a HAT answers with, and of that what was asked for: the whole
/// ordered and limited by the bundle first, then without the first `skip`, at most `limit` of it.
///
/// `evaluated`: a bridge brings what the HAT itself has made of the bundle; only what the bundle names passes.
///
/// # Errors
/// [`TooLarge`] when it comes to more than `most` bytes.
pub(crate) fn answer(
    (bundle, programs): (&Bundle, &Compiled),
    conditions: Option<&Bundle>,
    records: &Records,
    ask: &PullAsk,
    evaluated: bool,
    most: usize,
) -> Result<Option<Taken>, TooLarge> {
    // What a condition looks at may be older than what is asked for.
    if !evaluated && !conditions_hold(programs, conditions, records, most)? {
        return Ok(None);
    }
    let Some(records) = since(records, ask) else {
        return Ok(None);
    };
    let taken = if evaluated {
        programs.of_evaluated(bundle).take(&records, most)
    } else {
        programs.of(bundle).answer(&records, most)
    };
    Ok(taken?.and_then(|taken| taken.part(ask.skip, ask.limit)))
}

/// Whether each property of the debit's conditions finds a record among those that the HAT brings.
fn conditions_hold(
    programs: &Compiled,
    conditions: Option<&Bundle>,
    records: &Records,
    most: usize,
) -> Result<bool, TooLarge> {
    let Some(conditions) = conditions else {
        return Ok(true);
    };
    let found = programs.of_conditions(conditions).conditions(records, most)?;
    Ok(found.values().all(|found| *found))
}

/// Without the records that say that they are too old. Of those that say nothing the HAT knows when they came.
pub(crate) fn since<'r>(records: &'r Records, ask: &PullAsk) -> Option<Cow<'r, Records>> {
    let Some(since) = ask.since else {
        return Some(Cow::Borrowed(records));
    };
    let text = records.text();
    records.only(|item| item.view(text).source_time().is_none_or(|time| time > since))
}
