//! The messages in which operators speak of classes of personal data.

use serde_json::json;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::order::Order;
use crate::domain::pii::{ClassSet, Word};
use crate::domain::{Address, Id, Kind};
use crate::wire::OutcomeOut;

impl Order {
    /// `dex.<origin>.classify`, by an operator: of what class the fields of an endpoint are. An empty word takes back what
    /// operators said of it.
    pub fn classify(origin: &Id, endpoint: &str, word: &Word) -> Self {
        let mut body = json!(word);
        body["endpoint"] = json!(endpoint);
        Order::new(&Address::new(Kind::Dex, origin.clone()), &["classify"], body.to_string())
    }

    /// `org|app.<id>.allow`, by an operator: the classes that a client may ever be given; `None`: any.
    pub fn allow(client: &Address, classes: Option<ClassSet>) -> Self {
        let body = classes.map_or_else(|| json!({}), |classes| json!({ "classes": classes }));
        Order::new(client, &["allow"], body.to_string())
    }
}

impl Client {
    /// As an operator: says of what class the fields of an endpoint are.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn classify(&self, endpoint: &str, word: &Word) -> Result<OutcomeOut, ClientError> {
        let origin = Id::new(self.origin()).map_err(|error| ClientError::Form(error.to_string()))?;
        self.send(Order::classify(&origin, endpoint, word)).await
    }

    /// As an operator: says which classes of personal data an org or app may ever be given.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn allow(&self, client: &Address, classes: Option<ClassSet>) -> Result<OutcomeOut, ClientError> {
        self.send(Order::allow(client, classes)).await
    }
}
