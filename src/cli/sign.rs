//! `dex sign`: a message's headers and signed text, without sending it.

use std::process::ExitCode;

use crate::client::ids;
use crate::domain::{Digest, MessageId, Timestamp};
use crate::wire::signed_text;
use crate::wire::{MessageOptions, Outgoing, message_id_v7, outgoing};

use super::args::Globals;
use super::fail::Failure;
use super::message::MessageArgs;
use super::{link, out};

/// Examples, shown by `dex sign --help`.
pub const EXAMPLES: &str = "Examples:
  dex sign --as hat:bob.hubat.net --key bob.key --to hat:bob.hubat.net --action data --body @notes.json
  dex sign --origin dex.example --as plug:facebook --key fb.key --to hat:bob.hubat.net --action credit.facebook \\
      --id 01890a5d-ac96-774b-bcce-b302099a8057 --body '[]' --json

With --origin nothing is asked of the exchange; with --id, too, the output is the same every time: a test vector.";

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the message cannot be made, or the exchange does not say its origin.
pub fn run(globals: &Globals, message: &MessageArgs) -> Result<ExitCode, Failure> {
    let signer = link::signer(globals)?;
    let party = link::speaker(globals, None, "the party that the message is from")?;
    let (subject, body) = (message.subject()?, message.body()?);
    let origin = match &globals.origin {
        Some(origin) => origin.clone(),
        None => {
            let health = link::wait(link::ask(globals, "health", &serde_json::json!({})))?;
            let origin = health["origin"].as_str();
            origin.ok_or_else(|| Failure::Finding("health names no origin".into()))?.to_owned()
        }
    };
    let options = MessageOptions {
        deadline: message.deadline_at.or_else(|| message.deadline.map(after)),
        reply: None,
        want_proof: message.want_proof,
        pull: message.pull,
        job: message.job,
    };
    let id = message.id.unwrap_or_else(fresh);
    let signed = outgoing::message_on(&signer, &origin, &party, subject, id, &options, body);
    show(globals, &origin, &signed)
}

fn after(span: std::time::Duration) -> Timestamp {
    ids::now().plus(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

fn fresh() -> MessageId {
    let random: [u8; 10] = rand::random();
    message_id_v7(ids::now().unix_ms(), random)
}

fn show(globals: &Globals, origin: &str, message: &Outgoing) -> Result<ExitCode, Failure> {
    let digest = Digest::of(&message.payload);
    let fields = outgoing::fields(message, origin, digest);
    let mut text = Vec::new();
    signed_text::write_in(&mut text, &fields);
    let text = String::from_utf8_lossy(&text);
    if globals.json {
        let headers: serde_json::Map<String, serde_json::Value> =
            message.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        let mut shown = serde_json::json!({
            "origin": origin,
            "subject": message.subject,
            "headers": headers,
            "bodyDigest": digest,
            "bodyBytes": message.payload.len(),
            "signedText": text,
        });
        if let Ok(body) = std::str::from_utf8(&message.payload) {
            shown["body"] = body.into();
        }
        out::json(&shown)?;
    } else {
        out::line(format_args!("{}\n", message.subject))?;
        for (name, value) in &message.headers {
            out::line(format_args!("{name}: {value}"))?;
        }
        out::line(format_args!("\n{text}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
