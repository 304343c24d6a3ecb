//! Recurrences within bounds.

use std::time::{Duration, Instant};

use rrule::RRuleSet;

use super::zone::{civil_of, local};

/// Longest rule, bytes.
const RULE_BYTES_MAX: usize = 512;

/// Most occurrences of all recurrences of one document, those before the window too.
pub(super) const STEPS_MAX: usize = 200_000;
/// Longest time for all recurrences of one document: a rule that never comes true takes long to tell.
const TIME_MAX: Duration = Duration::from_secs(3);

/// What may still be spent on one document.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    until: Instant,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { steps: STEPS_MAX, until: Instant::now() + TIME_MAX }
    }

    fn step(&mut self) -> Result<(), Unexpanded> {
        self.steps = self.steps.checked_sub(1).ok_or(Unexpanded::TooMany)?;
        Ok(())
    }
}

/// A rule that cannot be expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unexpanded {
    /// The library does not read it.
    Unreadable,
    /// It takes more steps or time than is left.
    TooMany,
}

/// The local times of a rule from `first` to `until`, wall seconds. `to_wall` makes the instant of an UNTIL in UTC a
/// local time. Each occurrence takes one step of the budget, wanted or not.
pub(super) fn rule(
    first: i64,
    rule: &str,
    until: i64,
    to_wall: impl Fn(i64) -> i64,
    budget: &mut Budget,
) -> Result<Vec<i64>, Unexpanded> {
    if Instant::now() > budget.until {
        return Err(Unexpanded::TooMany);
    }
    let rule = rule.trim();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"=;,+-".contains(&b);
    if rule.len() > RULE_BYTES_MAX || !rule.bytes().all(plain) {
        return Err(Unexpanded::Unreadable);
    }
    // Counted in local time, which the library takes for UTC.
    let parts: Vec<String> = rule
        .split(';')
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("UNTIL") => {
                let (wall, date, utc) = local(value).ok_or(Unexpanded::Unreadable)?;
                let wall = match (date, utc) {
                    (true, _) => wall + 86_399,
                    (_, true) => to_wall(wall),
                    _ => wall,
                };
                Ok(format!("UNTIL={}", written(wall).ok_or(Unexpanded::Unreadable)?))
            }
            _ => Ok(part.to_ascii_uppercase()),
        })
        .collect::<Result<_, _>>()?;
    let start = written(first).ok_or(Unexpanded::Unreadable)?;
    let text = format!("DTSTART:{start}\nRRULE:{}", parts.join(";"));
    let set: RRuleSet = text.parse().map_err(|_| Unexpanded::Unreadable)?;
    let mut found = Vec::new();
    for time in &set.limit() {
        let wall = time.timestamp();
        if wall > until {
            break;
        }
        budget.step()?;
        found.push(wall);
    }
    Ok(found)
}

fn written(wall: i64) -> Option<String> {
    let local = civil_of(wall)?;
    if !(1..=9999).contains(&local.year()) {
        return None;
    }
    let (date, time) = (local.date(), local.time());
    Some(format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    ))
}
