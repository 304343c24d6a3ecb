//! What has happened: the closed set of events that ledger entries hold and states are folded from.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

pub use super::bundle::{Bundle, EndpointQuery, PropertyQuery};
use super::bytes::{Digest, Key};
use super::command::Receipt;
pub use super::debit_terms::DebitTerms;
use super::exchange::large::{Fetching, Upload};
use super::exchange::pull_unnamed::UnnamedPull;
use super::id::{Address, Id, MessageId};
use super::job::{HoldReason, JobEvent, JobsMoved};
use super::notice::{NoticePosted, Told};
pub use super::offer_terms::{HatClaim, OfferTerms};
use super::pii::{ClassSet, Dropped, Word};
use super::pin::Pin;
use super::plug::JobReport;
use super::plug::health::Standing;
use super::registration::{Profile, Transport};
use super::report::Reported;
use super::time::Timestamp;
use super::verdict::Reason;

/// What a recipient says it did with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Kept.
    Accepted,
    /// Not wanted.
    Refused,
    /// Given back after a recall request.
    Returned,
}

/// The right under which an exchange moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// A connected, approved plug writes into the HAT.
    Plug(Id),
    /// A set-up, approved app writes into the HAT.
    App(Id),
    /// A data debit lets records out of the HAT.
    Debit(Id),
    /// Every data debit that is in force: of a content that is fetched once for all of them, before it is parted.
    Debits,
}

/// Which way content moves, seen from the HAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Into the HAT.
    Credit,
    /// Out of the HAT.
    Release,
    /// A request to the HAT for a release; moves no records itself.
    Pull,
}

/// An exchange that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The exchange's id: the message's, or a part's of a fan-out.
    pub exchange: MessageId,
    /// Who sent it.
    pub from: Address,
    /// The fan-out that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// Which way.
    pub direction: Direction,
    /// Under which right.
    pub authority: Authority,
    /// Who receives it.
    pub to: Address,
    /// The delivery's own id.
    pub delivery: Uuid,
    /// The pull that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<MessageId>,
    /// The job that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
    /// For a pull: what is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// For a pull: how many of the first records are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u32>,
    /// For a pull: at most how many records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Settled by then, or expired.
    pub deadline: Timestamp,
    /// SHA-256 of the body that came.
    pub digest_in: Digest,
    /// SHA-256 of the body as delivered.
    pub digest_out: Digest,
    /// Records that came.
    pub count_in: u32,
    /// Records delivered.
    pub count_out: u32,
    /// Bytes that came.
    pub bytes_in: u32,
    /// Bytes delivered.
    pub bytes_out: u32,
    /// Records delivered per endpoint, in order of the endpoint's name; at most 64, the rest summed
    /// under an empty name.
    pub endpoints: Vec<(SmolStr, u32)>,
    /// Where its content came from, when it goes by an object store; it lies in a file of its own, not in the spool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large: Option<Box<Upload>>,
    /// Fields that were left out, for their class was not granted.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub dropped: Dropped,
    /// Whether its recipient is not to know whose data it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub without_pii: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What ended (or was said late about) an open exchange: enough for its final outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The exchange's id.
    pub exchange: MessageId,
    /// Its sender.
    pub from: Address,
    /// Its recipient.
    pub to: Address,
    /// Its delivery.
    pub delivery: Uuid,
    /// Which way it went.
    pub direction: Direction,
    /// SHA-256 of the body that came.
    pub digest_in: Digest,
    /// SHA-256 of the body as delivered.
    pub digest_out: Digest,
    /// Records delivered.
    pub count: u32,
    /// Bytes delivered.
    pub bytes: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether its recipient is not to know whose data it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub without_pii: bool,
}

/// One part of a fan-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The part's exchange id.
    pub exchange: MessageId,
    /// The debit it goes under.
    pub debit: Id,
    /// Fields that were left out of it.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub dropped: Dropped,
}

/// What has happened to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // each variant's own text tells what its fields are
pub enum Event {
    /// An exchange was opened; its delivery (or request) is on its way.
    Opened(Box<Opened>),
    /// An exchange is held back: its debit's offer has not said that its minimum is reached.
    Held {
        opened: Box<Opened>,
        reason: Reason,
        /// Digest of what its debit let pass of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<Digest>,
    },
    /// An exchange was opened whose content is to be fetched.
    Fetching(Box<Fetching>),
    /// The content of an exchange was fetched and is on disk; its delivery is on its way.
    Fetched(Box<Opened>),
    /// An exchange that was held goes on its way, as it was held.
    Released(Box<Opened>),
    /// An exchange that was held is refused for good.
    Dropped { closed: Box<Closed>, reason: Reason },
    /// A `data` message was fanned out into these parts, for each of which there is an [`Event::Opened`].
    Fanned {
        digest: Digest,
        count: u32,
        parts: Vec<Part>,
        /// The exchange under which its large content was fetched, which is over with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fetched: Option<Box<Closed>>,
    },
    /// A message of an authenticated sender was refused.
    Rejected { reason: Reason },
    /// The recipient's receipt matched (or, for a pull, the release that answers it was opened).
    Settled(Box<Closed>),
    /// The two sides differ, or the recipient refused.
    Disputed {
        closed: Box<Closed>,
        reason: Reason,
        /// What the recipient said came.
        said: Box<Receipt>,
    },
    /// No receipt by the deadline.
    Expired(Box<Closed>),
    /// The sender wants it back; the recipient is asked.
    RecallRequested {
        exchange: MessageId,
        delivery: Uuid,
        to: Address,
        /// Whether `to` is not to know whose data it was given.
        #[serde(default, skip_serializing_if = "is_false")]
        without_pii: bool,
    },
    /// Taken back.
    Recalled(Box<Closed>),
    /// A receipt for an exchange that was final already; changes nothing.
    LateReceipt { delivery: Uuid, verdict: Verdict },
    /// A party was registered. `by` vouched (a platform, an operator) or is the party itself.
    Registered {
        /// The key that it signs with; none for a HAT that its bridge speaks for.
        key: Option<Key>,
        profile: Profile,
        by: Address,
    },
    /// A registration was approved with this key.
    Approved { key: Option<Key> },
    /// One of two operators has approved the registration that entry number `registered` brought.
    Seconded { key: Key, registered: u64, by: Address },
    /// A registration that waited was refused, and why.
    Declined { key: Key, why: SmolStr },
    /// An operator says of what class the fields of an endpoint are; nothing takes back what was said.
    Classified { endpoint: SmolStr, word: Box<Word> },
    /// An operator says which classes of personal data the party may ever be given; none: any.
    ClassesAllowed { classes: Option<ClassSet> },
    /// Suspended.
    Suspended,
    /// In force again.
    Resumed,
    /// Retired for ever.
    Retired,
    /// From now on the party signs with this key.
    KeyRotated { key: Key },
    /// This key is not in force from `since` on.
    KeyRevoked { key: Key, since: Timestamp },
    /// From now on a HAT's tokens over HTTP are checked by this key.
    PinChanged { public_key: Pin },
    /// From now on a HAT is spoken to like this, and this bridge may speak for it.
    Entrusted { transport: Transport, bridge: Option<Id> },
    /// An account of the gateway has these roles from now on; none: it is gone.
    AccountChanged { account: SmolStr, roles: Vec<SmolStr>, approved: bool },
    /// The configuration declares these keys for an operator.
    OperatorDeclared { keys: Vec<Key> },
    /// A plug wants to be connected; the owner is asked.
    PlugAsked {
        plug: Id,
        until: Timestamp,
        /// The owner is asked again after so many nanoseconds, and then after twice as many each time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<i64>,
    },
    /// The owner has not answered: it is asked once more, the `times`th time after the first.
    PlugAskedAgain { plug: Id, until: Timestamp, times: u32 },
    /// The owner did not want what the plug asked for, or has not answered in time.
    PlugUnanswered { plug: Id, asked: MessageId, declined: bool },
    /// A plug was connected to the HAT.
    PlugConnected {
        plug: Id,
        /// The plug's wish that this answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<MessageId>,
    },
    /// It was disconnected.
    PlugDisconnected { plug: Id },
    /// The plug reported how its jobs ended, and so it does from then on.
    PlugReported { report: Box<JobReport>, health: Standing },
    /// Since then no job of the plug has kept it fresh.
    PlugStale { since: Timestamp },
    /// Something has happened to a job.
    Job(Box<JobEvent>),
    /// Jobs are planned at other times from now on.
    JobsMoved(Box<JobsMoved>),
    /// No job of the plug is planned any more, or again.
    JobsPaused { paused: bool },
    /// No job of the plug is planned until then; not after now: they go on.
    JobsHeld { until: Timestamp, why: HoldReason },
    /// A job of this HAT was told by its source to come so much later.
    JobRefused { hat: Id, seconds: u32 },
    /// An app was set up on the HAT, or another version of it accepted.
    AppSetUp {
        app: Id,
        /// The version that the owner accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<SmolStr>,
        /// The namespaces that this version asked to write.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        namespaces: Vec<SmolStr>,
    },
    /// It was disabled.
    AppDisabled { app: Id },
    /// The HAT reported events of its own.
    Reported(Box<Reported>),
    /// A debit, or a further revision of one, waits for the owner.
    DebitProposed {
        debit: Id,
        terms: Box<DebitTerms>,
        offer: Option<Id>,
        /// The claim that it answers, for a debit that comes from an offer.
        claim: Option<MessageId>,
        /// Till then the claim's place is kept unless the owner accepts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The owner accepted revision `revision` (from 1).
    DebitEnabled {
        debit: Id,
        revision: u32,
        client: Address,
        offer: Option<Id>,
        /// The claim that this confirms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<MessageId>,
    },
    /// The owner disabled the debit.
    DebitDisabled { debit: Id, at_period_end: bool, client: Address },
    /// One or more periods of the debit are over and it goes on: `periods` of them since this was last
    /// said, the `period`th (from 1) runs from `starts` on.
    DebitRolled { debit: Id, client: Address, periods: u64, period: u64, starts: Timestamp },
    /// The debit has come to the end of its time, at `end`.
    DebitEnded {
        debit: Id,
        client: Address,
        end: Timestamp,
        /// The claim on the offer of the debit's id that is completed with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<MessageId>,
    },
    /// The owner wants a place in an offer, or its acquirer wants to give the HAT one; the offer is asked.
    Claimed {
        offer: Id,
        /// The acquirer that asks; none: the owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Address>,
    },
    /// The offer had no place (or is not open).
    ClaimRefused {
        offer: Id,
        /// The claim that it answers.
        claim: MessageId,
    },
    /// The offer's minimum is reached: what goes under its debit is held back no longer.
    ClaimReleased { offer: Id, claim: MessageId },
    /// The claim has lost its place; its debit is over.
    ClaimLapsed { offer: Id, claim: MessageId },
    /// The owner gave the place back; its debit is over.
    ClaimWithdrawn { offer: Id, claim: MessageId },
    /// An offer was registered and waits for approval.
    OfferRegistered { terms: Box<OfferTerms> },
    /// It is paid for, by the operator's word; it waits for approval.
    OfferPaid,
    /// It was rejected by the operator.
    OfferRejected,
    /// Enough claims are confirmed.
    OfferSatisfied,
    /// All places are taken.
    OfferOversubscribed,
    /// A place is free again.
    OfferReopened,
    /// Its time was over before enough claims were confirmed: all its claims lapse.
    OfferExpired,
    /// These HATs, whose claims are confirmed, are told that the minimum is reached.
    OfferReleased { claims: Vec<HatClaim> },
    /// These HATs lost their places.
    OfferLapsed { claims: Vec<HatClaim> },
    /// This HAT's claim is over by its own doing: its debit ran to its end (completed), or the place was given
    /// back.
    OfferLeft { hat: Id, completed: bool },
    /// It takes no more claims.
    OfferClosed,
    /// A place is held for this HAT; the debit of these terms is to be proposed there.
    OfferReserved {
        hat: Id,
        terms: Box<DebitTerms>,
        /// The HAT's claim.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<MessageId>,
        /// It lapses then unless it is confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// No place for this HAT.
    OfferRefused {
        hat: Id,
        reason: Reason,
        /// The HAT's claim.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<MessageId>,
    },
    /// The owner, who is not to know whose data it is given, asks this HAT for it.
    OfferPulled { hat: Id, pull: Box<UnnamedPull> },
    /// The HAT is not asked what the client wanted of it by way of an offer.
    PullRefused { pull: MessageId, by: Address, digest: Digest, reason: Reason },
    /// The HAT's claim is confirmed.
    OfferConfirmed { hat: Id },
    /// A notice was posted; its body is in the spool until it ends.
    NoticePosted(Box<NoticePosted>),
    /// So many more HATs were told of it.
    NoticeTold { notice: Uuid, told: Told },
    /// Its time is over: its body is dropped.
    NoticeEnded { notice: Uuid },
    /// The partition's own: refusals before the sender was authenticated, one entry per reason and second.
    RefusedUnauthenticated { reason: Reason, count: u32, second: i64 },
    /// The partition's own: a message that could not be worked on, kept by its facts.
    DeadLetter { subject: SmolStr, sequence: u64, body: Digest, reason: Reason },
}
