//! The messages that register parties and change their standing, keys and connections.

use serde_json::json;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::order::Order;
use crate::client::orders::exchange::hat_address;
use crate::domain::{Address, Id, Key, Kind, Timestamp};
use crate::wire::OutcomeOut;

impl Order {
    /// `platform.<platform>.certify`, by an operator: this key speaks for the platform.
    pub fn certify(platform: &Id, name: &str, key: &Key) -> Self {
        let to = Address::new(Kind::Platform, platform.clone());
        Order::json(&to, &["certify"], &json!({"key": key, "name": name}))
    }

    /// `hat.<hat>.register`, by the platform whose domain the HAT is in.
    pub fn register_hat(hat: &Id, key: &Key) -> Self {
        Order::json(&hat_address(hat), &["register"], &json!({"key": key}))
    }

    /// `plug.<plug>.register`, by the plug itself with the key in the body.
    pub fn register_plug(plug: &Id, name: &str, namespace: &str, key: &Key) -> Self {
        let to = Address::new(Kind::Plug, plug.clone());
        let body = json!({"key": key, "name": name, "namespace": namespace});
        Order::json(&to, &["register"], &body)
    }

    /// `app.<app>.register`, by the app itself with the key in the body.
    pub fn register_app(app: &Id, name: &str, version: &str, namespaces: &[&str], key: &Key) -> Self {
        let to = Address::new(Kind::App, app.clone());
        let body = json!({"key": key, "name": name, "version": version, "namespaces": namespaces});
        Order::json(&to, &["register"], &body)
    }

    /// `org.<org>.register`, by the organisation itself with the key in the body.
    pub fn register_org(org: &Id, name: &str, key: &Key) -> Self {
        let to = Address::new(Kind::Org, org.clone());
        Order::json(&to, &["register"], &json!({"key": key, "name": name}))
    }

    /// `approve` of a plug or org, `publish` of an app, by an operator: of the registration that waits
    /// with this key.
    pub fn approve(party: &Address, key: &Key) -> Self {
        let verb = if party.kind == Kind::App { "publish" } else { "approve" };
        Order::json(party, &[verb], &json!({"key": key}))
    }

    /// `suspend`.
    pub fn suspend(party: &Address) -> Self {
        Order::new(party, &["suspend"], "")
    }

    /// `resume`.
    pub fn resume(party: &Address) -> Self {
        Order::new(party, &["resume"], "")
    }

    /// `hat.<hat>.retire`: for ever.
    pub fn retire(hat: &Id) -> Self {
        Order::new(&hat_address(hat), &["retire"], "")
    }

    /// `rotate-key`, signed with the key that is in force: from now on the party signs with `key`.
    pub fn rotate_key(party: &Address, key: &Key) -> Self {
        Order::json(party, &["rotate-key"], &json!({"key": key}))
    }

    /// `revoke-key`: not in force from `since` on.
    pub fn revoke_key(party: &Address, key: &Key, since: Timestamp) -> Self {
        Order::json(party, &["revoke-key"], &json!({"key": key, "since": since}))
    }

    /// `hat.<hat>.plug-connect.<plug>`, by the HAT.
    pub fn plug_connect(hat: &Id, plug: &Id) -> Self {
        Order::new(&hat_address(hat), &["plug-connect", plug.as_str()], "")
    }

    /// `hat.<hat>.plug-disconnect.<plug>`, by the HAT.
    pub fn plug_disconnect(hat: &Id, plug: &Id) -> Self {
        Order::new(&hat_address(hat), &["plug-disconnect", plug.as_str()], "")
    }

    /// `hat.<hat>.app-setup.<app>`, by the HAT.
    pub fn app_setup(hat: &Id, app: &Id) -> Self {
        Order::new(&hat_address(hat), &["app-setup", app.as_str()], "")
    }

    /// `hat.<hat>.app-disable.<app>`, by the HAT.
    pub fn app_disable(hat: &Id, app: &Id) -> Self {
        Order::new(&hat_address(hat), &["app-disable", app.as_str()], "")
    }
}

/// Every call sends one message and returns its first outcome; errors are those of [`Client::send`].
impl Client {
    /// As an operator: certifies a platform with its key.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn certify(&self, platform: &Id, name: &str, key: &Key) -> Result<OutcomeOut, ClientError> {
        self.send(Order::certify(platform, name, key)).await
    }

    /// As a platform: registers a HAT of its domain with the HAT's key.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn register_hat(&self, hat: &Id, key: &Key) -> Result<OutcomeOut, ClientError> {
        self.send(Order::register_hat(hat, key)).await
    }

    /// As a plug: registers itself under this client's key and waits for approval.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn register_plug(&self, name: &str, namespace: &str) -> Result<OutcomeOut, ClientError> {
        let key = self.key()?;
        self.send(Order::register_plug(&self.party().id, name, namespace, &key)).await
    }

    /// As an app: registers itself under this client's key and waits to be published.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn register_app(
        &self,
        name: &str,
        version: &str,
        namespaces: &[&str],
    ) -> Result<OutcomeOut, ClientError> {
        let key = self.key()?;
        self.send(Order::register_app(&self.party().id, name, version, namespaces, &key)).await
    }

    /// As an organisation: registers itself under this client's key and waits for approval.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn register_org(&self, name: &str) -> Result<OutcomeOut, ClientError> {
        let key = self.key()?;
        self.send(Order::register_org(&self.party().id, name, &key)).await
    }

    /// As an operator: approves a plug or org, publishes an app.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn approve(&self, party: &Address, key: &Key) -> Result<OutcomeOut, ClientError> {
        self.send(Order::approve(party, key)).await
    }

    /// Takes a party out of force.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn suspend(&self, party: &Address) -> Result<OutcomeOut, ClientError> {
        self.send(Order::suspend(party)).await
    }

    /// Puts a party in force again.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn resume(&self, party: &Address) -> Result<OutcomeOut, ClientError> {
        self.send(Order::resume(party)).await
    }

    /// Retires a HAT for ever.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn retire(&self, hat: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::retire(hat)).await
    }

    /// As a party: names its next key. Go on with [`Client::speaking`] and the new signer.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn rotate_key(&self, key: &Key) -> Result<OutcomeOut, ClientError> {
        self.send(Order::rotate_key(self.party(), key)).await
    }

    /// Says that a party's key is not in force from `since` on.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn revoke_key(&self, party: &Address, key: &Key, since: Timestamp) -> Result<OutcomeOut, ClientError> {
        self.send(Order::revoke_key(party, key, since)).await
    }

    /// As a HAT: lets a plug write into it.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn plug_connect(&self, plug: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::plug_connect(&self.party().id, plug)).await
    }

    /// As a HAT: lets a plug write no more.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn plug_disconnect(&self, plug: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::plug_disconnect(&self.party().id, plug)).await
    }

    /// As a HAT: sets an app up.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn app_setup(&self, app: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::app_setup(&self.party().id, app)).await
    }

    /// As a HAT: disables an app.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn app_disable(&self, app: &Id) -> Result<OutcomeOut, ClientError> {
        self.send(Order::app_disable(&self.party().id, app)).await
    }
}
