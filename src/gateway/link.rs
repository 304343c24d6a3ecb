//! The gateway's way to the exchange: messages and queries of the protocol, nothing else.

use std::time::Duration;

use bytes::Bytes;
use hmac::Mac;
use serde_json::Value;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::vault::Vault;
use crate::client::{Client, Order};
use crate::client::{Inbox, InboxOptions, Topic};
use crate::domain::{Address, Id, Key, Kind, MessageId};
use crate::wire::OutcomeOut;

/// The operator that admin accounts act as, when `gateway.admin` is on.
pub const OPERATOR: &str = "gateway";
/// How long an action waits for its first outcome.
const OUTCOME_WITHIN: Duration = Duration::from_secs(10);

/// Who a message is said by.
#[derive(Debug, Clone, Copy)]
pub enum Speaker<'a> {
    /// `bridge:<origin>`, for the HATs that entrust it.
    Bridge,
    /// `operator:gateway`, for admin accounts.
    Operator,
    /// A custodial party of an account. The caller has checked that the account owns it.
    Party(&'a Address),
}

/// The connection to the exchange with every voice of the gateway.
pub struct Link {
    bridge: Client,
    operator: Option<Client>,
    vault: Vault,
}

/// `operator:gateway`.
pub fn operator() -> Address {
    Address::new(Kind::Operator, Id::new(OPERATOR).expect("the text is an id"))
}

impl Link {
    /// Puts the voices together; `bridge` is connected and signs as the bridge.
    pub fn new(bridge: Client, vault: Vault, admin: bool) -> Self {
        let operator = admin.then(|| bridge.speaking(operator(), vault.signer(&operator())));
        Link { bridge, operator, vault }
    }

    fn voice(&self, speaker: Speaker<'_>) -> Result<Client, Fault> {
        match speaker {
            Speaker::Bridge => Ok(self.bridge.clone()),
            Speaker::Party(party) => Ok(self.bridge.speaking(party.clone(), self.vault.signer(party))),
            Speaker::Operator => self.operator.clone().ok_or_else(|| {
                Fault::forbidden("this gateway does not act as an operator: gateway.admin is off in its configuration")
            }),
        }
    }

    /// Sends an action and waits for its first outcome. Under an `id` that was sent before, the first outcome comes
    /// again and nothing is done twice.
    ///
    /// # Errors
    /// A [`Fault`] with the exchange's reason when it refuses, 503 or 504 when it does not answer.
    pub async fn act(
        &self,
        speaker: Speaker<'_>,
        to: &Address,
        action: &[&str],
        body: impl Into<Bytes>,
        id: Option<MessageId>,
    ) -> Result<OutcomeOut, Fault> {
        let mut order = Order::new(to, action, body).wait(OUTCOME_WITHIN);
        if let Some(id) = id {
            order = order.id(id);
        }
        Ok(self.voice(speaker)?.send(order).await?)
    }

    /// Asks the query `dex.v1.api.<call>`; `Value::Null` asks with no body.
    ///
    /// # Errors
    /// A [`Fault`] with the problem that was answered, or 503 when nothing was.
    pub async fn ask(&self, call: &str, question: &Value) -> Result<Value, Fault> {
        let body = if question.is_null() { Bytes::new() } else { Bytes::from(question.to_string()) };
        Ok(self.bridge.query(call, body).await?)
    }

    /// A fresh message id, to be kept before [`Link::act`] uses it.
    pub fn message_id(&self) -> MessageId {
        self.bridge.message_id()
    }

    /// The public key that a custodial party registers with.
    pub fn key_of(&self, party: &Address) -> Key {
        self.vault.signer(party).public()
    }

    /// The secret part of an offer's token.
    pub fn offer_mac(&self, offer: &Id, generation: u64) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.vault.offer_mac(offer, generation).finalize().into_bytes().into())
    }

    /// Whether this is the secret part of an offer's token; takes the same time whatever it is.
    pub fn is_offer_mac(&self, offer: &Id, generation: u64, said: &[u8]) -> bool {
        self.vault.offer_mac(offer, generation).verify_slice(said).is_ok()
    }

    /// What is delivered to a custodial party under one debit.
    ///
    /// # Errors
    /// 503 when the broker does not answer.
    pub async fn inbox(
        &self,
        party: &Address,
        debit: &Id,
        answer_within: Duration,
        in_hand: usize,
    ) -> Result<Inbox, Fault> {
        let options = InboxOptions {
            topic: Topic::Deliveries,
            debit: Some(debit.clone()),
            in_hand: i64::try_from(in_hand).unwrap_or(i64::MAX),
            answer_within,
            ..InboxOptions::default()
        };
        Ok(self.voice(Speaker::Party(party))?.inbox_with(options).await?)
    }

    /// The party that speaks for HATs.
    pub fn bridge(&self) -> &Address {
        self.bridge.party()
    }

    /// The exchange's origin.
    pub fn origin(&self) -> &str {
        self.bridge.origin()
    }
}
