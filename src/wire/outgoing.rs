//! Builds what is published: messages to the exchange, and its messages to participants.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::event::{Authority, Opened};
use crate::domain::exchange::pull::ask_body;
use crate::domain::pii::pseudonym;
use crate::domain::plug::Connection;
use crate::domain::{Address, Digest, Kind, MessageId, Timestamp};

use super::header::{self, HeaderList};
use super::outcome::OutcomeOut;
use super::problem::{PROBLEM_TYPE, Problem};
use super::sign::Signer;
use super::signed_text::{self, Fields, OutFields};
use super::subject;
use super::together::{TOGETHER_MAX, together};

/// A message ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub subject: String,
    /// Its headers, in order.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub payload: Bytes,
}

impl Outgoing {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The headers as a list that can be read from.
    pub fn header_list(&self) -> HeaderList {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// The optional headers of a message to the exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageOptions {
    /// Settle by then or expire.
    pub deadline: Option<Timestamp>,
    /// Inbox for the first outcome.
    pub reply: Option<String>,
    /// The proof shall come with the outcome.
    pub want_proof: bool,
    /// The pull that is answered.
    pub pull: Option<MessageId>,
    /// The job that brought the records.
    pub job: Option<Uuid>,
}

/// A message to the exchange `origin`. The elements of `action` are given unescaped:
/// `["credit", "facebook"]`. Without a `signer` it is good only where the broker's authentication stands for
/// signatures.
#[allow(clippy::too_many_arguments, reason = "each is one line of the signed text")]
pub fn message_in<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    from: &Address,
    to: &Address,
    action: &[&str],
    id: MessageId,
    options: &MessageOptions,
    body: Bytes,
) -> Outgoing {
    let subject = subject::published(to, action);
    message_on(signer, origin, from, subject, id, options, body)
}

/// Like [`message_in`] on a subject that is given whole, such as a delivery's `Dex-Receipt-To`.
pub fn message_on<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    from: &Address,
    subject: String,
    id: MessageId,
    options: &MessageOptions,
    body: Bytes,
) -> Outgoing {
    let signer = signer.into();
    let mut headers = Vec::with_capacity(8);
    headers.push((header::ID, id.to_string()));
    headers.push((header::FROM, from.to_string()));
    let optional = [
        (header::KEY, signer.map(|signer| signer.public().to_string())),
        (header::DEADLINE, options.deadline.map(|t| t.to_string())),
        (header::REPLY, options.reply.clone()),
        (header::WANT, options.want_proof.then(|| header::WANT_PROOF.to_owned())),
        (header::PULL, options.pull.map(|id| id.to_string())),
        (header::JOB, options.job.map(|id| id.hyphenated().to_string())),
    ];
    headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let mut message = Outgoing { subject, headers, payload: body };
    if let Some(signer) = signer {
        let mut text = Vec::new();
        let digest = Digest::of(&message.payload);
        signed_text::write_in(&mut text, &fields(&message, origin, digest));
        message.headers.push((header::SIG, signer.sign(&text).to_string()));
    }
    message
}

/// What its recipient is shown of an exchange: who sent it, under which right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The sender, or its pseudonym.
    pub source: Address,
    /// The right, under the name that the recipient knows it by.
    pub authority: Authority,
}

impl Shown {
    /// Both as they are.
    pub fn of(opened: &Opened) -> Self {
        Shown { source: opened.from.clone(), authority: opened.authority.clone() }
    }

    /// What the recipient may know: of a debit without personal data only names that the exchange has made by `key`.
    pub fn to_recipient(opened: &Opened, key: &[u8; 32]) -> Self {
        match &opened.authority {
            Authority::Debit(offer) if opened.without_pii => Shown {
                source: pseudonym::source(key, &opened.from, &opened.to),
                authority: Authority::Debit(pseudonym::debit(key, &opened.from.id, offer)),
            },
            _ => Shown::of(opened),
        }
    }
}

/// Content for its recipient. Without a `signer`, as all of the exchange's messages, it is good only where the
/// broker's authentication stands for signatures. `receipt_to` is the receipt subject of the partition's lane.
pub fn delivery<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    opened: &Opened,
    receipt_to: &str,
    content: Bytes,
) -> Outgoing {
    delivery_as(signer, origin, opened, &Shown::of(opened), receipt_to, content)
}

/// Like [`delivery`], its recipient being shown this of it.
pub fn delivery_as<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    opened: &Opened,
    shown: &Shown,
    receipt_to: &str,
    content: Bytes,
) -> Outgoing {
    let signer = signer.into();
    unsigned_delivery(signer, origin, opened, shown, receipt_to, content).alone(signer)
}

/// A delivery that [`sign_together`] signs with others.
pub fn unsigned_delivery<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    opened: &Opened,
    shown: &Shown,
    receipt_to: &str,
    content: Bytes,
) -> Unsigned {
    let signer = signer.into();
    let debit = match &opened.authority {
        Authority::Debit(debit) => Some(debit),
        Authority::Plug(_) | Authority::App(_) | Authority::Debits => None,
    };
    let mut headers = exchange_headers(signer, origin, opened, shown);
    headers.push((header::COUNT, opened.count_out.to_string()));
    headers.push((header::RECEIPT_TO, receipt_to.to_owned()));
    // The digest of what was sent is the same for everybody who was given of it.
    if opened.digest_in != opened.digest_out && !opened.without_pii {
        headers.push((header::DIGEST_IN, opened.digest_in.to_string()));
    }
    if let Some(pull) = opened.pull {
        headers.push((header::PULL, pull.to_string()));
    }
    let subject = subject::delivery(&opened.to, debit);
    Unsigned::new(signer, origin, subject, headers, content)
}

/// Asks the HAT for a release under the debit of a pull. `Dex-Pull` is what its release repeats.
pub fn request<'a>(signer: impl Into<Option<&'a Signer>>, origin: &str, opened: &Opened) -> Outgoing {
    let signer = signer.into();
    let body = ask_body(&opened.ask());
    let mut headers = exchange_headers(signer, origin, opened, &Shown::of(opened));
    headers.push((header::PULL, opened.exchange.to_string()));
    let subject = subject::request(&opened.to);
    from_exchange(signer, origin, subject, headers, body.into())
}

/// Asks `to` to give `delivery` back: to answer with a receipt `returned` at `receipt_to`.
pub fn recall_request<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    to: &Address,
    id: MessageId,
    delivery: Uuid,
    receipt_to: &str,
) -> Outgoing {
    let signer = signer.into();
    let body = format!("{{\"delivery\":\"{delivery}\"}}");
    let mut headers = speaker(signer, origin, id.0);
    headers.push((header::RECEIPT_TO, receipt_to.to_owned()));
    from_exchange(signer, origin, subject::recall(to), headers, body.into())
}

/// What a notice tells one HAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The notice.
    pub notice: Uuid,
    /// Who posted it.
    pub from: Address,
    /// Its text.
    pub message: String,
    /// When it was posted.
    pub at: Timestamp,
    /// Until when it stands.
    pub expires: Timestamp,
}

/// A notice for `to`. `id` is this copy's: the same one each time that it is sent.
pub fn notice<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    to: &Address,
    id: Uuid,
    said: &Said,
) -> Outgoing {
    let signer = signer.into();
    let body = serde_json::to_vec(said).expect("texts and times are JSON");
    let mut headers = speaker(signer, origin, id);
    headers.push((header::DEADLINE, said.expires.to_string()));
    headers.push((header::SOURCE, said.from.to_string()));
    from_exchange(signer, origin, subject::notice(to), headers, body.into())
}

/// Tells `to` how a plug and a HAT stand to each other. `id` is the same one each time that it is sent.
pub fn connection<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    to: &Address,
    id: MessageId,
    said: &Connection,
) -> Outgoing {
    let signer = signer.into();
    let body = serde_json::to_vec(said).expect("ids and times are JSON");
    let headers = speaker(signer, origin, id.0);
    from_exchange(signer, origin, subject::connection(to), headers, body.into())
}

/// The exchange's own mark in its output stream: effects of all leaves below `through` were stored before it. The same
/// arguments make the same bytes.
pub fn mark(signer: &Signer, origin: &str, own: &Address, id: Uuid, through: u64) -> Outgoing {
    let body = format!("{{\"through\":{through}}}");
    let headers = speaker(Some(signer), origin, id);
    from_exchange(Some(signer), origin, subject::mark(own), headers, body.into())
}

/// Outcomes for one party, as its stored message: always an array. Not signed: each is proved by the
/// checkpoint of its tree size.
pub fn outcomes(to: &Address, outcomes: &[OutcomeOut]) -> Outgoing {
    Outgoing {
        subject: subject::outcome(to),
        headers: vec![(header::CONTENT_TYPE, "application/json".to_owned())],
        payload: serde_json::to_vec(outcomes).expect("texts and numbers are JSON").into(),
    }
}

/// The first outcome for a waiting caller: one object on its inbox.
pub fn reply_outcome(reply: &str, outcome: &OutcomeOut) -> Outgoing {
    Outgoing {
        subject: reply.to_owned(),
        headers: vec![(header::CONTENT_TYPE, "application/json".to_owned())],
        payload: serde_json::to_vec(outcome).expect("texts and numbers are JSON").into(),
    }
}

/// A refusal that has no entry of its own, for a waiting caller.
pub fn reply_problem(reply: &str, problem: &Problem) -> Outgoing {
    Outgoing {
        subject: reply.to_owned(),
        headers: vec![(header::CONTENT_TYPE, PROBLEM_TYPE.to_owned())],
        payload: problem.to_json().into(),
    }
}

/// `plug:<id>`, `app:<id>` or `debit:<id>`; `debits` of what is fetched for all of them.
pub fn authority_text(authority: &Authority) -> String {
    match authority {
        Authority::Plug(id) => format!("{}:{id}", Kind::Plug),
        Authority::App(id) => format!("{}:{id}", Kind::App),
        Authority::Debit(id) => format!("debit:{id}"),
        Authority::Debits => "debits".to_owned(),
    }
}

pub(super) fn speaker(signer: Option<&Signer>, origin: &str, id: Uuid) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(12);
    headers.push((header::ID, id.hyphenated().to_string()));
    headers.push((header::FROM, format!("{}:{origin}", Kind::Dex)));
    headers.extend(signer.map(|signer| (header::KEY, signer.public().to_string())));
    headers
}

fn exchange_headers(
    signer: Option<&Signer>,
    origin: &str,
    opened: &Opened,
    shown: &Shown,
) -> Vec<(&'static str, String)> {
    let mut headers = speaker(signer, origin, opened.delivery);
    headers.extend([
        (header::DEADLINE, opened.deadline.to_string()),
        (header::SOURCE, shown.source.to_string()),
        (header::AUTHORITY, authority_text(&shown.authority)),
    ]);
    headers
}

pub(super) fn from_exchange(
    signer: Option<&Signer>,
    origin: &str,
    subject: String,
    headers: Vec<(&'static str, String)>,
    payload: Bytes,
) -> Outgoing {
    Unsigned::new(signer, origin, subject, headers, payload).alone(signer)
}

/// A message of the exchange that lacks nothing but its signature.
#[derive(Debug, Clone)]
pub struct Unsigned {
    message: Outgoing,
    /// What the signature is over; empty where the exchange signs nothing.
    text: Vec<u8>,
}

impl Unsigned {
    fn new(
        signer: Option<&Signer>,
        origin: &str,
        subject: String,
        headers: Vec<(&'static str, String)>,
        payload: Bytes,
    ) -> Self {
        let mut message = Outgoing { subject, headers, payload };
        let digest = Digest::of(&message.payload);
        let mut text = Vec::new();
        if signer.is_some() {
            let line = |name| message.header(name).unwrap_or("");
            let out = OutFields {
                source: line(header::SOURCE),
                count: line(header::COUNT),
                receipt_to: line(header::RECEIPT_TO),
                authority: line(header::AUTHORITY),
                digest_in: line(header::DIGEST_IN),
            };
            signed_text::write_out(&mut text, &fields(&message, origin, digest), &out);
        }
        message.headers.push((header::DIGEST, digest.to_string()));
        Unsigned { message, text }
    }

    /// Under a signature of its own.
    #[must_use]
    pub fn alone(mut self, signer: Option<&Signer>) -> Outgoing {
        if let Some(signer) = signer {
            self.message.headers.push((header::SIG, signer.sign(&self.text).to_string()));
        }
        self.message
    }
}

/// Signs these messages with as few signatures as go: each is over at most [`TOGETHER_MAX`] of them. Whoever holds two
/// messages of one signature sees that they left together.
pub fn sign_together<'a>(
    signer: impl Into<Option<&'a Signer>>,
    origin: &str,
    mut messages: Vec<Unsigned>,
) -> Vec<Outgoing> {
    let Some(signer) = signer.into() else {
        return messages.into_iter().map(|it| it.message).collect();
    };
    let mut signed = Vec::with_capacity(messages.len());
    while !messages.is_empty() {
        let rest = messages.split_off(messages.len().min(TOGETHER_MAX));
        if let [_] = messages.as_slice() {
            signed.extend(messages.into_iter().map(|it| it.alone(Some(signer))));
        } else {
            let texts: Vec<&[u8]> = messages.iter().map(|it| it.text.as_slice()).collect();
            let (text, paths) = together(origin, &texts);
            let signature = signer.sign(&text).to_string();
            for (Unsigned { mut message, .. }, path) in messages.into_iter().zip(paths) {
                message.headers.extend([(header::SIG, signature.clone()), (header::PATH, path.to_string())]);
                signed.push(message);
            }
        }
        messages = rest;
    }
    signed
}

/// The fields of a message's signed text, read from its own headers.
pub fn fields<'a>(message: &'a Outgoing, origin: &'a str, body: Digest) -> Fields<'a> {
    let line = |name| message.header(name).unwrap_or("");
    Fields {
        origin,
        subject: &message.subject,
        id: line(header::ID),
        from: line(header::FROM),
        key: line(header::KEY),
        deadline: line(header::DEADLINE),
        reply: line(header::REPLY),
        want: line(header::WANT),
        pull: line(header::PULL),
        job: line(header::JOB),
        body,
    }
}
