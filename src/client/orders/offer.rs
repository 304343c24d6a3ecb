//! The messages of offers.

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::order::Order;
use crate::client::orders::exchange::hat_address;
use crate::domain::command::PullAsk;
use crate::domain::event::OfferTerms;
use crate::domain::{Address, Id, Kind};
use crate::wire::OutcomeOut;

fn offer_address(offer: &Id) -> Address {
    Address::new(Kind::Offer, offer.clone())
}

impl Order {
    /// `offer.<offer>.register`, by the organisation that makes it.
    pub fn offer_register(offer: &Id, terms: &OfferTerms) -> Self {
        Order::json(&offer_address(offer), &["register"], terms)
    }

    /// `offer.<offer>.pay`, by an operator: it is paid for.
    pub fn offer_pay(offer: &Id) -> Self {
        Order::new(&offer_address(offer), &["pay"], "")
    }

    /// `offer.<offer>.approve`, by an operator.
    pub fn offer_approve(offer: &Id) -> Self {
        Order::new(&offer_address(offer), &["approve"], "")
    }

    /// `offer.<offer>.reject`, by an operator.
    pub fn offer_reject(offer: &Id) -> Self {
        Order::new(&offer_address(offer), &["reject"], "")
    }

    /// `offer.<offer>.close`, by its owner or an operator.
    pub fn offer_close(offer: &Id) -> Self {
        Order::new(&offer_address(offer), &["close"], "")
    }

    /// `offer.<offer>.pull.<debit>`, by its owner where it is not to know whose data it is given: asks for a release under
    /// the debit that it knows by this id.
    pub fn pull_unnamed(offer: &Id, debit: &Id, ask: &PullAsk) -> Self {
        Order::json(&offer_address(offer), &["pull", debit.as_str()], ask)
    }

    /// `hat.<hat>.claim.<offer>`, by the HAT.
    pub fn claim(hat: &Id, offer: &Id) -> Self {
        Order::new(&hat_address(hat), &["claim", offer.as_str()], "")
    }

    /// `hat.<hat>.withdraw.<offer>`, by the HAT.
    pub fn withdraw(hat: &Id, offer: &Id) -> Self {
        Order::new(&hat_address(hat), &["withdraw", offer.as_str()], "")
    }
}

impl Client {
    /// As an organisation: makes an offer, which waits for approval.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn offer_register(&self, offer: &Id, terms: &OfferTerms) -> Result<OutcomeOut, ClientError> {
        self.send(Order::offer_register(offer, terms)).await
    }

    /// As an operator: says that an offer is paid for.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn offer_pay(&self, offer: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::offer_pay(offer)).await
    }

    /// As an operator: approves an offer.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn offer_approve(&self, offer: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::offer_approve(offer)).await
    }

    /// As an operator: rejects an offer.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn offer_reject(&self, offer: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::offer_reject(offer)).await
    }

    /// As its owner or an operator: takes no more claims.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn offer_close(&self, offer: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::offer_close(offer)).await
    }

    /// As the owner of an offer without personal data: asks for a release under the debit that it knows by this id.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn pull_unnamed(&self, offer: &Id, debit: &Id, ask: &PullAsk) -> Result<OutcomeOut, ClientError> {
        self.send(Order::pull_unnamed(offer, debit, ask)).await
    }

    /// As a HAT: takes up an offer. When a place is held, its debit is proposed to this HAT.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn claim(&self, offer: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::claim(&self.party().id, offer)).await
    }

    /// As a HAT: gives the place in an offer back; its debit is over.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn withdraw(&self, offer: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::withdraw(&self.party().id, offer)).await
    }
}
