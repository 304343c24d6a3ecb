//! What a data debit lets out, for what, and for how long.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::bundle::{self, Bundle};
use super::id::Address;
use super::pii::ClassSet;
use super::time::Timestamp;
use super::verdict::Reason;

/// The terms of one revision of a data debit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebitTerms {
    /// Who receives: an org, an app or another HAT.
    pub client: Address,
    /// Why the data is processed.
    pub purpose: SmolStr,
    /// Which data.
    pub bundle: Bundle,
    /// When it starts, may be ahead; the time of enabling when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Length of a period in seconds, at least 1.
    pub period_seconds: u32,
    /// True: one period. False: rolls on.
    #[serde(default)]
    pub cancel_at_period_end: bool,
    /// Where the terms stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_url: Option<SmolStr>,
    /// What the client calls itself, for the owner to read. Like the next three: final, an amendment keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_client_name: Option<SmolStr>,
    /// The client's own page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_client_url: Option<SmolStr>,
    /// The client's logo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_client_logo_url: Option<SmolStr>,
    /// The application that the debit belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_application_id: Option<SmolStr>,
    /// What the owner is asked for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_description: Option<SmolStr>,
    /// What must be found on the HAT before anything is released. Of an answer to a pull the exchange looks
    /// at what the HAT sends; otherwise the HAT looks: the exchange does not see what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bundle::conditions")]
    pub conditions: Option<Bundle>,
    /// The classes of personal data that are granted, `none` always. When absent: what the bundle names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassSet>,
    /// Whether the client is not to know whose data it is given. Only of the debit of an offer.
    #[serde(default, skip_serializing_if = "super::event::is_false")]
    pub without_pii: bool,
}

impl DebitTerms {
    /// Terms that begin when they are accepted and roll on; all that may be left out is.
    pub fn new(client: Address, purpose: impl Into<SmolStr>, bundle: Bundle, period_seconds: u32) -> Self {
        DebitTerms {
            client,
            purpose: purpose.into(),
            bundle,
            start: None,
            period_seconds,
            cancel_at_period_end: false,
            terms_url: None,
            request_client_name: None,
            request_client_url: None,
            request_client_logo_url: None,
            request_application_id: None,
            request_description: None,
            conditions: None,
            classes: None,
            without_pii: false,
        }
    }

    /// These terms as a further revision of a debit whose first one is `first`: who asks is final, so
    /// what is not said again is taken over.
    ///
    /// # Errors
    /// [`Reason::WrongState`] when something final would change.
    pub fn following(mut self, first: &DebitTerms) -> Result<Self, Reason> {
        let own = [
            &mut self.request_client_name,
            &mut self.request_client_url,
            &mut self.request_client_logo_url,
            &mut self.request_application_id,
        ];
        let held = [
            &first.request_client_name,
            &first.request_client_url,
            &first.request_client_logo_url,
            &first.request_application_id,
        ];
        for (own, held) in own.into_iter().zip(held) {
            match own {
                None => own.clone_from(held),
                Some(_) if own == held => {}
                Some(_) => return Err(Reason::WrongState),
            }
        }
        Ok(self)
    }
}
