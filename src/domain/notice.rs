//! Notices: what a party tells many HATs at once. Its entity ledgers that it was posted, how far it was told, and its
//! end; the text lies in the spool until then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Deserializer, Serialize, de};
use smol_str::SmolStr;
use uuid::Uuid;

use super::bytes::Digest;
use super::command::{Action, Command};
use super::entity::{Context, Decision, Draft, Known};
use super::entry::Entry;
use super::event::Event;
use super::exchange::check::{self, Case, permit};
use super::exchange::delivery_id::delivery_id;
use super::hat::Hat;
use super::id::{Address, Id, Kind, MessageId};
use super::registration::Registration;
use super::time::{SECOND, Timestamp};
use super::verdict::Reason;

/// Longest text of a notice, bytes.
pub const MESSAGE_BYTES_MAX: usize = 8192;
/// Most roles in each list of a target.
pub const ROLES_MAX: usize = 32;
/// Most email addresses of a target.
pub const EMAILS_MAX: usize = 1000;
/// Most HATs that a target names.
pub const HATS_MAX: usize = 4000;
/// Most notices of one party that have not ended.
pub const OPEN_MAX: usize = 16;
/// How long a notice stands that names no end, nanoseconds.
pub const STANDS: i64 = 7 * 86_400 * SECOND;
/// Shortest and longest time that a notice stands, nanoseconds.
pub const STANDS_BETWEEN: (i64, i64) = (SECOND, 30 * 86_400 * SECOND);
/// The span in which posts are counted, nanoseconds.
const HOUR: i64 = 3600 * SECOND;

/// The role that every HAT has.
pub const HAT_USER: &str = "hatuser";

/// For whom a notice is. Empty: for everybody that the poster may tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// Those who have one of these roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_any_role: Vec<SmolStr>,
    /// Those who have all of these roles (and one of the others, when there are some).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_all_roles: Vec<SmolStr>,
    /// Those who are known under these email addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_email: Vec<SmolStr>,
    /// These HATs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_hat_address: Vec<Id>,
}

impl Target {
    /// Whether it names nobody in particular.
    pub fn is_everybody(&self) -> bool {
        !self.by_role() && self.with_email.is_empty() && self.with_hat_address.is_empty()
    }

    /// Whether it names roles.
    pub fn by_role(&self) -> bool {
        !self.with_any_role.is_empty() || !self.with_all_roles.is_empty()
    }

    /// Whether only the HATs that it lists can be meant.
    pub fn is_list(&self) -> bool {
        !self.is_everybody() && !self.by_role()
    }

    /// Whether who has these roles is meant by them. Names of roles are compared without regard to case.
    pub fn by_roles(&self, roles: &BTreeSet<SmolStr>) -> bool {
        let has = |role: &SmolStr| roles.contains(role.to_lowercase().as_str());
        self.by_role()
            && (self.with_any_role.is_empty() || self.with_any_role.iter().any(has))
            && self.with_all_roles.iter().all(has)
    }

    /// Whether this HAT is meant: it is named, or has the roles, or everybody is meant.
    pub fn selects(&self, hat: &Id, roles: &BTreeSet<SmolStr>) -> bool {
        self.is_everybody() || self.with_hat_address.contains(hat) || self.by_roles(roles)
    }

    /// Whether who is known under this email address is meant.
    pub fn names_email(&self, email: &str) -> bool {
        self.with_email.iter().any(|one| one.eq_ignore_ascii_case(email))
    }
}

/// Body of `notice`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notice {
    /// What is told.
    pub message: String,
    /// For whom.
    #[serde(default, deserialize_with = "object")]
    pub target: Target,
    /// Until when it stands; 7 days when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A target that is an object: a list would be read as its fields, and an empty one as everybody.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Target, D::Error> {
    let fields = serde_json::Map::deserialize(from)?;
    serde_json::from_value(fields.into()).map_err(de::Error::custom)
}

/// What the ledger keeps of a notice: no text, nobody's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePosted {
    /// Its id.
    pub notice: Uuid,
    /// SHA-256 of the text.
    pub digest: Digest,
    /// Until when it stands.
    pub expires: Timestamp,
    /// How many roles, email addresses and HATs its target names.
    pub roles: u32,
    /// Email addresses.
    pub emails: u32,
    /// HATs.
    pub hats: u32,
}

/// How far a notice was told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// The last HAT, in the order of their ids, that was looked at.
    pub through: Option<Id>,
    /// HATs that it was published to.
    pub sent: u32,
    /// HATs that speak only HTTP: they find it in their list.
    pub listed: u32,
    /// HATs that are not meant, not in force, or that the poster has no right to tell.
    pub passed: u32,
    /// Whether all HATs were looked at.
    pub done: bool,
}

/// A notice that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What was posted.
    pub posted: NoticePosted,
    /// When.
    pub at: Timestamp,
    /// How far it was told, in all.
    pub told: Told,
}

/// The notices of one party.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notices {
    /// Those that stand.
    pub open: BTreeMap<Uuid, Standing>,
    /// When the last ones were posted; of the last hour.
    pub posts: VecDeque<Timestamp>,
}

impl Notices {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.posts.is_empty()
    }

    /// What an entity with notices decides; none when it is about something else.
    pub(crate) fn decide(
        &self,
        own: &Registration,
        ctx: &Context<'_>,
        command: &Command,
        known: Known,
    ) -> Option<Decision> {
        match (&command.action, &command.cause) {
            (Action::Notice { notice, body }, Some(cause)) => {
                Some(match check::authenticate(own, ctx, command, cause, known) {
                    Ok(case) => Decision::of(self.post(&case, notice, body)),
                    Err(decision) => decision,
                })
            }
            (Action::NoticeTold { notice, told }, None) => Some(match self.open.get(notice) {
                Some(standing) if !standing.told.done && standing.told.through <= told.through => {
                    Decision::one(Draft::further(Event::NoticeTold { notice: *notice, told: told.clone() }))
                }
                _ => Decision::Nothing,
            }),
            (Action::Deadline { delivery }, None) => Some(match self.open.contains_key(delivery) {
                true => Decision::one(Draft::further(Event::NoticeEnded { notice: *delivery })),
                false => Decision::Nothing,
            }),
            _ => None,
        }
    }

    fn post(&self, case: &Case<'_>, notice: &Notice, body: &bytes::Bytes) -> Result<Vec<Draft>, Reason> {
        permit(case.is_self())?;
        permit(matches!(case.ctx.entity.kind, Kind::Operator | Kind::Plug | Kind::App | Kind::Org))?;
        case.sender_approved()?;
        // Who is known under an address is nothing that a party has a right to reach.
        permit(case.is_operator() || notice.target.with_email.is_empty())?;
        let at = case.at();
        let expires = notice.expires.unwrap_or(at.plus(STANDS));
        if !(STANDS_BETWEEN.0..=STANDS_BETWEEN.1).contains(&expires.since(at)) {
            return Err(Reason::Malformed);
        }
        let recent = self.posts.iter().filter(|posted| at.since(**posted) < HOUR).count();
        let most = usize::try_from(case.ctx.limits.notices_per_hour).unwrap_or(usize::MAX);
        if recent >= most || self.open.len() >= OPEN_MAX {
            return Err(Reason::OverQuota);
        }
        let id = notice_id(case.ctx, &case.cause.from, case.cause.id);
        if self.open.contains_key(&id) {
            return Err(Reason::Conflict);
        }
        let target = &notice.target;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let posted = NoticePosted {
            notice: id,
            digest: Digest::of(notice.message.as_bytes()),
            expires,
            roles: count(target.with_any_role.len() + target.with_all_roles.len()),
            emails: count(target.with_email.len()),
            hats: count(target.with_hat_address.len()),
        };
        let mut draft = Draft::caused(Event::NoticePosted(Box::new(posted))).on(case.key_basis().into_iter().collect());
        draft.content = Some(body.clone());
        Ok(vec![draft])
    }

    /// Folds an entry in; one that says nothing of notices leaves it.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::NoticePosted(posted) => {
                while self.posts.front().is_some_and(|first| entry.at.since(*first) >= HOUR) {
                    self.posts.pop_front();
                }
                self.posts.push_back(entry.at);
                let standing = Standing { posted: (**posted).clone(), at: entry.at, told: Told::default() };
                self.open.insert(posted.notice, standing);
            }
            Event::NoticeTold { notice, told } => {
                if let Some(standing) = self.open.get_mut(notice) {
                    let before = &mut standing.told;
                    before.through = told.through.clone().or(before.through.take());
                    before.sent = before.sent.saturating_add(told.sent);
                    before.listed = before.listed.saturating_add(told.listed);
                    before.passed = before.passed.saturating_add(told.passed);
                    before.done |= told.done;
                }
            }
            Event::NoticeEnded { notice } => {
                self.open.remove(notice);
            }
            _ => {}
        }
    }
}

/// The id of a notice: nobody without the exchange's key can make the same one.
fn notice_id(ctx: &Context<'_>, from: &Address, id: MessageId) -> Uuid {
    copy_id(ctx.delivery_key, from, from, id.0)
}

/// The id of the copy of `notice` that `hat` gets from `poster`: the same one each time it is sent.
pub fn copy_id(key: &[u8; 32], hat: &Address, poster: &Address, notice: Uuid) -> Uuid {
    let topic = Id::new("notice").expect("the text is an id");
    // Apart from deliveries: none of a plug, app, org or operator is under a debit of its own making.
    delivery_id(key, hat, poster, MessageId(notice), Some(&topic))
}

/// The roles of a HAT that a target can name: `hatuser`, `plug:<id>`, `app:<id>`, and the clients of its active debits
/// (`org:<id>` …; not those by an offer, which are nobody's business).
pub fn roles_of(hat: &Hat, now: Timestamp) -> BTreeSet<SmolStr> {
    let mut roles = BTreeSet::from([SmolStr::new_static(HAT_USER)]);
    roles.extend(hat.plugs.keys().map(|plug| SmolStr::from(format!("{}:{plug}", Kind::Plug))));
    roles.extend(hat.apps.keys().map(|app| SmolStr::from(format!("{}:{app}", Kind::App))));
    let debits = hat.debits.values().filter(|debit| debit.offer.is_none() && debit.in_force(now).is_ok());
    roles.extend(debits.map(|debit| SmolStr::from(debit.client.to_string())));
    roles
}

/// Whether `poster` may tell the HAT with these roles: an operator each, any other party those it has a connection or
/// an active debit with.
pub fn may_tell(poster: &Address, roles: &BTreeSet<SmolStr>) -> bool {
    poster.kind == Kind::Operator || roles.contains(poster.to_string().as_str())
}
