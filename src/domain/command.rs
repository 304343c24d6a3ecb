//! What a message asks for, after its form and signature are checked.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::bytes::{Digest, Key, Signature};
use super::event::{DebitTerms, HatClaim, OfferTerms, Verdict};
use super::exchange::large::{Found, Object};
use super::exchange::pull_unnamed::UnnamedPull;
use super::id::{Address, Id, MessageId};
use super::job::{JobWord, PlugSchedule};
use super::notice::{Notice, Told};
use super::pii::{ClassSet, Word};
use super::pin::Pin;
use super::plug::JobReport;
use super::records::Records;
use super::registration::{Profile, Transport};
use super::report::Report;
use super::time::Timestamp;
use super::verdict::Reason;

/// The facts of a message that its ledger entry keeps: with them the signed text can be rebuilt
/// and the sender's signature checked again by anybody who holds the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Subject as published, `dex.v1.in.…`.
    pub subject: SmolStr,
    /// `Dex-Id`.
    pub id: MessageId,
    /// `Dex-From`.
    pub from: Address,
    /// `Dex-Key`; absent only where the broker's authentication stands for the signature.
    pub key: Option<Key>,
    /// `Dex-Sig`, absent like the key.
    pub signature: Option<Signature>,
    /// `Dex-Deadline` as written.
    pub deadline: Option<SmolStr>,
    /// `Dex-Reply` as written.
    pub reply: Option<SmolStr>,
    /// `Dex-Want` as written.
    pub want: Option<SmolStr>,
    /// `Dex-Pull` as written.
    pub pull: Option<SmolStr>,
    /// `Dex-Job` as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<SmolStr>,
    /// SHA-256 of the body.
    pub body: Digest,
}

impl Cause {
    /// Whether a message of the same id with this published subject and this body is the same message.
    pub fn tells_of(&self, subject: &str, body: &Digest) -> bool {
        self.subject == subject && self.body == *body
    }
}

/// A well-formed message whose signature fits its `Dex-Key`. Whether that key is the sender's, and
/// whether the sender may do this, is for `decide`.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The address in the subject. Differs from the deciding entity only for `lane:` subjects.
    pub addressed: Address,
    /// What is asked.
    pub action: Action,
    /// The message's facts; `None` for the exchange's own (a deadline, an operator declared).
    pub cause: Option<Cause>,
    /// Parsed `Dex-Deadline`.
    pub deadline: Option<Timestamp>,
    /// Parsed `Dex-Pull`.
    pub pull: Option<MessageId>,
    /// Parsed `Dex-Job`.
    pub job: Option<Uuid>,
    /// When JetStream stored the message; the partition's now for local commands.
    pub stored_at: Timestamp,
}

/// Body of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullAsk {
    /// Only records newer than this: by their `sourceTimestamp`; of one without it only the HAT knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Without the first so many records of the answer, up to 1,000,000. The exchange leaves them out, not the HAT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u32>,
    /// At most this many records, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl PullAsk {
    /// Whether all that the debit selects is asked for.
    pub fn is_everything(&self) -> bool {
        *self == PullAsk::default()
    }
}

/// Body of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The delivery's `Dex-Id`.
    pub delivery: Uuid,
    /// SHA-256 of the body that came.
    pub digest: Digest,
    /// Records that came.
    pub count: u32,
    /// What the recipient did with it.
    pub verdict: Verdict,
    /// Why, for people; at most 256 bytes, kept in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SmolStr>,
}

/// Everything that can be asked of an entity. A closed set: one variant per action of the protocol.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum Action {
    /// `hat.<hat>.credit.<plug-or-app>`: records into the HAT. `by` is the id in the subject.
    Credit { by: Id, records: Records },
    /// `hat.<hat>.release.<debit>`: records out of the HAT under one debit.
    Release { debit: Id, records: Records },
    /// `hat.<hat>.credit.<plug-or-app>` whose records are an object's content.
    CreditObject { by: Id, object: Object },
    /// `hat.<hat>.release.<debit>` whose records are an object's content.
    ReleaseObject { debit: Id, object: Object },
    /// `hat.<hat>.data`: records out of the HAT to every active debit that selects any.
    Data { records: Records },
    /// `hat.<hat>.data` whose records are an object's content.
    DataObject { object: Object },
    /// `hat.<hat>.pull.<debit>`: the client asks the HAT for a release.
    Pull { debit: Id, ask: PullAsk },
    /// `offer.<offer>.pull.<debit>`: the owner asks for data by the id under which it knows a debit.
    OfferPull { debit: Id, ask: PullAsk },
    /// `hat.<hat>.pull-asked.<offer>`, from the exchange: the owner of an offer asks for data.
    PullAsked { offer: Id, pull: Box<UnnamedPull> },
    /// `hat.<hat>.receipt` or `lane.<lane>.receipt`.
    Receipt(Receipt),
    /// `hat.<hat>.recall.<exchange>`.
    Recall { exchange: MessageId },
    /// `platform|hat|plug|app|org|bridge.<id>.register` (`certify` for platforms). Only a HAT may have no key.
    Register { key: Option<Key>, profile: Profile },
    /// `plug|app|org|offer.<id>.approve` (`publish` for apps). The key named must be the pending one
    /// (none for offers).
    Approve { key: Option<Key> },
    /// `app.<id>.publish` naming the version that was looked at.
    Publish { key: Key, version: SmolStr },
    /// `plug|app|org|bridge.<id>.decline`: what waits with this key is not approved, and why.
    Decline { key: Key, why: SmolStr },
    /// `dex.<origin>.classify`: an operator says of what class the fields of an endpoint are; nothing takes that back.
    Classify { endpoint: SmolStr, word: Box<Word> },
    /// `org|app.<id>.allow`: an operator says which classes it may ever be given; `None`: any.
    AllowClasses { classes: Option<ClassSet> },
    /// `….suspend`.
    Suspend,
    /// `….resume`.
    Resume,
    /// `hat.<hat>.retire`.
    Retire,
    /// `….rotate-key`.
    RotateKey { key: Key },
    /// `hat.<hat>.pin-key`: its tokens over HTTP are checked by another key from now on.
    PinKey { public_key: Pin },
    /// `hat.<hat>.entrust`: how it is spoken to, and which bridge may speak for it.
    Entrust { transport: Transport, bridge: Option<Id> },
    /// `bridge.<bridge>.account`: the roles of one of its gateway's accounts.
    Account { account: SmolStr, roles: Vec<SmolStr>, approved: bool },
    /// `operator|plug|app|org.<id>.notice`: `body` is the whole body as it came.
    Notice { notice: Box<Notice>, body: bytes::Bytes },
    /// `….revoke-key`: not in force from `since` on.
    RevokeKey { key: Key, since: Timestamp },
    /// `plug.<plug>.report`: how its jobs ended.
    PlugReport(JobReport),
    /// `plug.<plug>.schedule`: what holds for all its jobs.
    PlugSchedule(PlugSchedule),
    /// `hat.<hat>.job.<plug>`: what a plug says of a job, or that one is wanted now.
    Job { plug: Id, word: Box<JobWord> },
    /// `hat.<hat>.plug-connect.<plug>`.
    PlugConnect { plug: Id },
    /// `hat.<hat>.plug-disconnect.<plug>`.
    PlugDisconnect { plug: Id },
    /// `hat.<hat>.app-setup.<app>`.
    AppSetup { app: Id, version: Option<SmolStr> },
    /// `hat.<hat>.app-disable.<app>`.
    AppDisable { app: Id },
    /// `hat.<hat>.report`: what the HAT reports of itself.
    Report(Report),
    /// `hat.<hat>.debit-propose.<debit>`.
    DebitPropose { debit: Id, terms: DebitTerms },
    /// `hat.<hat>.debit-amend.<debit>`: a new revision that waits for the owner.
    DebitAmend { debit: Id, terms: DebitTerms },
    /// `hat.<hat>.debit-enable.<debit>`: the owner accepts the newest revision, which must be that one when it is said.
    DebitEnable { debit: Id, revision: Option<u32> },
    /// `hat.<hat>.debit-disable.<debit>`.
    DebitDisable { debit: Id, at_period_end: bool },
    /// `hat.<hat>.claim.<offer>`: the owner takes up an offer.
    Claim { offer: Id },
    /// `hat.<hat>.withdraw.<offer>`: the owner gives the place back.
    Withdraw { offer: Id },
    /// `offer.<offer>.register`.
    OfferRegister { terms: OfferTerms },
    /// `offer.<offer>.pay`, by the operator: it is paid for.
    OfferPay,
    /// `offer.<offer>.reject`, by the operator.
    OfferReject,
    /// `offer.<offer>.close`, by its owner or the operator.
    OfferClose,
    /// `offer.<offer>.reserve`, from the exchange: a HAT's claim wants a place.
    OfferReserve { of: HatClaim, by: Option<Address> },
    /// `offer.<offer>.confirm`, from the exchange: the HAT's owner enabled the debit.
    OfferConfirm(HatClaim),
    /// `offer.<offer>.lapse`, from the exchange: the HAT's claim is over; `completed` when its debit ran to its end.
    OfferLapse { of: HatClaim, completed: bool },
    /// `hat.<hat>.claim-reserved.<offer>`, from the exchange: a place is held; the debit is proposed.
    ClaimReserved { offer: Id, terms: DebitTerms, claim: Option<MessageId>, until: Option<Timestamp> },
    /// `hat.<hat>.claim-refused.<offer>`, from the exchange: no place.
    ClaimRefused { offer: Id, claim: Option<MessageId> },
    /// `hat.<hat>.claim-released.<offer>`, from the exchange: the offer's minimum is reached.
    ClaimReleased { offer: Id, claim: Option<MessageId> },
    /// `hat.<hat>.claim-lapsed.<offer>`, from the exchange: the place is lost.
    ClaimLapsed { offer: Id, claim: Option<MessageId> },
    /// Local: the deadline of an open exchange has passed.
    Deadline { delivery: Uuid },
    /// Local: the content of an exchange has been fetched, or why it could not be.
    Fetched { delivery: Uuid, found: Result<Found, Reason> },
    /// Local: so many more HATs were told of a notice.
    NoticeTold { notice: Uuid, told: Told },
    /// Local: the time has come that the entity's [`wake`](super::entity::Entity::wake) named.
    Wake,
    /// Local: the configuration names this operator with these keys.
    OperatorDeclare { keys: Vec<Key> },
}
