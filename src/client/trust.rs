//! The trust bundle of the exchange that a client speaks to.

use crate::wire::canonical::canonical;
use crate::wire::trust_bundle::{Root, TrustBundle, check};

use super::{Client, ClientError, ids};

impl Client {
    /// Asks for the trust bundle and checks it against the keys that the exchange is known by. The bytes are
    /// what to save for later use without asking.
    ///
    /// # Errors
    /// As [`Client::query`], and [`ClientError::Form`] when it is not a good bundle of this exchange.
    pub async fn trust_bundle(&self) -> Result<(TrustBundle, Vec<u8>), ClientError> {
        let answer = self.query("trust.bundle", "").await?;
        let form = |error: &dyn std::error::Error| ClientError::Form(format!("the trust bundle: {error}"));
        let bytes = canonical(&answer).map_err(|error| form(&error))?;
        let root = Root { origin: self.origin(), keys: self.dex_keys() };
        let bundle = check(&bytes, root, ids::now()).map_err(|error| form(&error))?;
        Ok((bundle, bytes))
    }
}
