//! The arguments of a whole message: what `dex send` and `dex sign` share.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::client::Order;
use crate::domain::{Address, MessageId, Timestamp};
use crate::wire::subject;

use super::fail::Failure;
use super::parse::{self, ActionArg};

/// What the body of a message may have, bytes, as exchanges are usually configured.
const BODY_BYTES_USUAL: u64 = 512 * 1024;
/// Most that any exchange may be set to take in a body.
const BODY_BYTES_MAX: usize = 900_000;

/// A message, whole.
#[derive(Debug, clap::Args)]
pub struct MessageArgs {
    /// Entity that is addressed, like hat:bob.hubat.net
    #[arg(long, value_name = "ADDRESS", required_unless_present = "subject", requires = "action")]
    to: Option<Address>,
    /// Action with its object, like credit.facebook, data or debit-enable.acme.steps
    #[arg(long, value_name = "ACTION", requires = "to")]
    action: Option<ActionArg>,
    /// Whole subject instead of --to and --action, such as a delivery's Dex-Receipt-To
    #[arg(long, value_name = "SUBJECT", conflicts_with_all = ["to", "action"])]
    subject: Option<String>,
    /// Body: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY", default_value = "")]
    body: String,
    /// Id of the message (UUIDv7), to repeat one; a fresh one when not given
    #[arg(long, value_name = "UUID")]
    pub id: Option<MessageId>,
    /// Settle within this span or expire: 1s to 7d
    #[arg(long, value_name = "SPAN", value_parser = parse::span)]
    pub deadline: Option<Duration>,
    /// Settle by this instant (RFC 3339 UTC) or expire
    #[arg(long, value_name = "TIME", conflicts_with = "deadline")]
    pub deadline_at: Option<Timestamp>,
    /// Id of the pull that this release answers
    #[arg(long, value_name = "UUID")]
    pub pull: Option<MessageId>,
    /// Id of the job that brought the records of this credit
    #[arg(long, value_name = "UUID")]
    pub job: Option<uuid::Uuid>,
    /// Ask for entry, salt, inclusion path and checkpoint with the outcome
    #[arg(long)]
    pub want_proof: bool,
}

impl MessageArgs {
    /// The subject, checked for its form.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is no subject of a message to the exchange.
    pub fn subject(&self) -> Result<String, Failure> {
        let subject = match (&self.subject, &self.to, &self.action) {
            (Some(subject), _, _) => subject.clone(),
            (None, Some(to), Some(action)) => subject::published(to, &action.tokens()),
            _ => return Err(Failure::Usage("name --to and --action, or --subject".into())),
        };
        match subject::parse(&subject) {
            Ok(_) => Ok(subject),
            Err(error) => Err(Failure::Usage(format!("subject {subject}: {error}"))),
        }
    }

    /// The body, read.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it cannot be read.
    pub fn body(&self) -> Result<Bytes, Failure> {
        parse::body(&self.body)
    }

    /// The message as an order for the client.
    ///
    /// # Errors
    /// [`Failure::Usage`] when subject or body make no sense.
    pub fn order(&self) -> Result<Order, Failure> {
        let body = self.body()?;
        // No broker takes more (`limits.body_bytes` goes no further); it would say so in its own words.
        if body.len() > BODY_BYTES_MAX {
            return Err(Failure::Usage(format!(
                "the body has {} bytes, and a message takes {BODY_BYTES_MAX} at most: larger records go as a credit, \
                 release or data with --body @FILE",
                body.len()
            )));
        }
        self.order_of(body)
    }

    /// The file of the body, when it is too large for a message and goes by the object store.
    ///
    /// # Errors
    /// As [`MessageArgs::subject`].
    pub fn large(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(file) = self.body.strip_prefix('@').map(PathBuf::from) else { return Ok(None) };
        let large = std::fs::metadata(&file).is_ok_and(|facts| facts.len() > BODY_BYTES_USUAL);
        let subject = self.subject()?;
        let fits = subject::parse(&subject).is_ok_and(|of| matches!(of.verb, "credit" | "release" | "data"));
        Ok((large && fits).then_some(file))
    }

    /// The message with this body.
    ///
    /// # Errors
    /// As [`MessageArgs::subject`].
    pub fn order_of(&self, body: Bytes) -> Result<Order, Failure> {
        let mut order = Order::on(self.subject()?, body);
        if let Some(id) = self.id {
            order = order.id(id);
        }
        if let Some(span) = self.deadline {
            order = order.settle_within(span);
        }
        if let Some(instant) = self.deadline_at {
            order = order.settle_by(instant);
        }
        if let Some(pull) = self.pull {
            order = order.answers(pull);
        }
        if self.want_proof {
            order = order.want_proof();
        }
        Ok(order)
    }
}
