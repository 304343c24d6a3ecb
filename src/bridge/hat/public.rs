//! What a HAT tells everybody: its key, and that it is up.

use crate::domain::Id;

use super::ask::Ask;
use super::door::Door;
use super::error::{Fault, HatError};
use super::rsa::{HatKey, PEM_MAX};

const PUBLIC_KEY: &str = "GET /publickey";
const STATUS: &str = "GET /users/access_token/validate";

impl Door {
    /// Fetches the HAT's key and checks that it is an RSA key that can be pinned.
    ///
    /// # Errors
    /// [`HatError`].
    pub async fn public_key(&self, hat: &Id) -> Result<HatKey, HatError> {
        let mut ask = Ask::get(PUBLIC_KEY, "/publickey");
        ask.most = Some(PEM_MAX);
        let answer = self.ask(hat, ask).await?;
        let wrong = |fault| HatError { hat: hat.clone(), call: PUBLIC_KEY, fault, after: None };
        let text = std::str::from_utf8(&answer.body).map_err(|_| wrong(Fault::Key("its text is not UTF-8")))?;
        HatKey::parse(text).map_err(wrong)
    }

    /// Whether the HAT's application is up, not just something that serves a file at its name: an access
    /// token that is none must be refused by it with 401 (or 400, 403).
    ///
    /// # Errors
    /// [`HatError`].
    pub async fn probe(&self, hat: &Id) -> Result<(), HatError> {
        let mut ask = Ask::get(STATUS, "/users/access_token/validate");
        ask.most = Some(PEM_MAX);
        let wrong = |fault| HatError { hat: hat.clone(), call: STATUS, fault, after: None };
        match self.ask(hat, ask).await {
            Ok(_) => Err(wrong(Fault::Form("it takes a request without a token for valid"))),
            Err(error) if matches!(error.fault, Fault::Status(400 | 401 | 403)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
