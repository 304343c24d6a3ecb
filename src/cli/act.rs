//! One action from the command line: sent, waited for, shown.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{ClientError, Order};
use crate::domain::{Address, Status};
use crate::wire::OutcomeOut;

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::{link, out};

/// An action to be sent.
pub struct Act<'a> {
    /// To whom.
    pub to: Address,
    /// The action's tokens, ids as they are.
    pub action: &'a [&'a str],
    /// Its body.
    pub body: Value,
    /// Who speaks when `--as` does not say.
    pub usual: Option<Address>,
    /// Who may, in words.
    pub who: &'a str,
}

impl Act<'_> {
    /// Sends it and shows the outcome.
    ///
    /// # Errors
    /// [`Failure`] when there is no key, party, broker or daemon, or no outcome in time.
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Failure> {
        let party = link::speaker(globals, self.usual, self.who)?;
        let order = Order::new(&self.to, self.action, body(&self.body));
        let answer = link::wait(link::send(globals, party, order))?;
        show(globals, answer)
    }
}

/// A JSON object as a body; an action without content has none.
fn body(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    }
}

/// Shows an outcome on stdout, a refusal also on stderr with what it means.
///
/// # Errors
/// [`Failure`] when no outcome came.
pub fn show(globals: &Globals, answer: Result<OutcomeOut, ClientError>) -> Result<ExitCode, Failure> {
    let refusal = match answer {
        Ok(outcome) => {
            outcome_line(globals, &outcome)?;
            return Ok(code(outcome.outcome.status));
        }
        Err(ClientError::Refused(refusal)) => refusal,
        Err(error) => return Err(error.into()),
    };
    match &refusal.outcome {
        Some(outcome) => outcome_line(globals, outcome)?,
        None if globals.json => out::json(&serde_json::json!({
            "exchange": refusal.id,
            "status": Status::Rejected,
            "reason": refusal.reason,
            "detail": refusal.detail,
        }))?,
        None => out::line(format_args!("rejected  {}  {}", refusal.id, refusal.reason))?,
    }
    let detail = refusal.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    Err(Failure::Finding(format!("refused: {}: {}{detail}", refusal.reason, refusal.reason.explanation())))
}

fn code(status: Status) -> ExitCode {
    match status {
        Status::Accepted | Status::Pending | Status::Settled => ExitCode::SUCCESS,
        Status::Rejected | Status::Disputed | Status::Expired | Status::Recalled => ExitCode::from(FINDING),
    }
}

fn outcome_line(globals: &Globals, it: &OutcomeOut) -> Result<(), Failure> {
    if globals.json {
        return out::json(it);
    }
    let outcome = &it.outcome;
    let reason = outcome.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
    out::line(format_args!(
        "{}  {}{reason}  leaf {} of {}  {}",
        outcome.status, outcome.exchange, it.leaf.index, it.leaf.log, outcome.at
    ))?;
    for part in &outcome.parts {
        out::line(format_args!("  part  {}  debit {}", part.exchange, part.debit))?;
    }
    if let Some(proof) = &it.proof {
        out::line(proof.checkpoint.trim_end())?;
    }
    Ok(())
}
