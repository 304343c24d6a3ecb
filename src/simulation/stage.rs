//! Puts the cast on an exchange: certified, registered, approved, connected, agreed.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt};

use crate::client::{Client, ClientError, ClientOptions, Order};
use crate::domain::pii::{Class, FieldWord, Word};
use crate::domain::{Address, Id, Reason};
use crate::wire::Signer;

use super::people::{Cast, Person};

/// Registrations under way at a time.
const AT_ONCE: usize = 256;

/// The cast with a voice for everybody.
pub struct Stage {
    /// Who takes part.
    pub cast: Cast,
    voices: HashMap<Address, Client>,
    platform: Client,
}

impl Stage {
    /// Registers everybody at the exchange behind `url`, which knows `operator` by this key. Parties that
    /// are registered already, from an earlier run with the same seed, stay as they are.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn set(cast: Cast, url: &str, operator: (Address, Signer)) -> Result<Self, ClientError> {
        let (address, signer) = operator;
        let options = ClientOptions::new(url, address).signer(signer);
        let operator = Client::connect(options).await?;
        // Senders and recipients read over connections of their own, as in life.
        let mut connections = Vec::new();
        for person in [&cast.writers[0].person, &cast.orgs[0], &cast.hats[0].person] {
            let options = ClientOptions::new(url, person.address.clone())
                .origin(operator.origin())
                .dex_key(operator.dex_keys()[0]);
            connections.push(Client::connect(options).await?);
        }
        let speaking =
            |connection: &Client, person: &Person| connection.speaking(person.address.clone(), person.signer());
        let platform = speaking(&connections[0], &cast.platform);
        let mut voices = HashMap::new();
        for person in cast.parties() {
            let connection = match person.address.kind {
                crate::domain::Kind::Hat => &connections[2],
                crate::domain::Kind::Org => &connections[1],
                _ => &connections[0],
            };
            voices.insert(person.address.clone(), speaking(connection, person));
        }
        let stage = Stage { cast, voices, platform };
        stage.register(&operator).await?;
        stage.agree().await?;
        Ok(stage)
    }

    /// The voice of a party of the cast.
    pub fn voice(&self, person: &Person) -> &Client {
        &self.voices[&person.address]
    }

    /// The platform's voice.
    pub fn platform(&self) -> &Client {
        &self.platform
    }

    async fn register(&self, operator: &Client) -> Result<(), ClientError> {
        let cast = &self.cast;
        let platform = self.platform.key()?;
        let mut first = vec![(operator.clone(), Order::certify(cast.platform.id(), "HAT platform", &platform))];
        let mut approvals = Vec::new();
        for writer in &cast.writers {
            let voice = self.voice(&writer.person);
            let (id, key) = (writer.person.id(), voice.key()?);
            let order = if writer.person.address.kind == crate::domain::Kind::App {
                Order::register_app(id, id.as_str(), "1.0.0", &[writer.namespace], &key)
            } else {
                Order::register_plug(id, id.as_str(), writer.namespace, &key)
            };
            first.push((voice.clone(), order));
            approvals.push((operator.clone(), Order::approve(&writer.person.address, &key)));
        }
        for org in &cast.orgs {
            let voice = self.voice(org);
            let key = voice.key()?;
            first.push((voice.clone(), Order::register_org(org.id(), org.id().as_str(), &key)));
            approvals.push((operator.clone(), Order::approve(&org.address, &key)));
        }
        for (endpoint, word) in classes() {
            first.push((operator.clone(), Order::classify(&origin_of(operator)?, endpoint, &word)));
        }
        all(first).await?;
        for hat in &cast.hats {
            let key = self.voice(&hat.person).key()?;
            approvals.push((self.platform.clone(), Order::register_hat(hat.person.id(), &key)));
        }
        all(approvals).await
    }

    async fn agree(&self) -> Result<(), ClientError> {
        let mut first = Vec::new();
        let mut enable = Vec::new();
        for hat in &self.cast.hats {
            let voice = self.voice(&hat.person);
            let id = hat.person.id();
            for writer in &hat.writers {
                let writer = &self.cast.writers[*writer].person;
                let order = if writer.address.kind == crate::domain::Kind::App {
                    Order::app_setup(id, writer.id())
                } else {
                    Order::plug_connect(id, writer.id())
                };
                first.push((voice.clone(), order));
            }
            for debit in &hat.debits {
                let debit = &self.cast.debits[*debit];
                let client = self.voice(&debit.client);
                first.push((client.clone(), Order::debit_propose(id, &debit.id, &debit.terms)));
                enable.push((voice.clone(), Order::debit_enable(id, &debit.id)));
            }
        }
        all(first).await?;
        all(enable).await
    }
}

fn origin_of(operator: &Client) -> Result<Id, ClientError> {
    Id::new(operator.origin()).map_err(|error| ClientError::Form(error.to_string()))
}

/// What the operator says of the endpoints of which a debit grants less than all.
fn classes() -> impl Iterator<Item = (&'static str, Word)> {
    let fields = |of: &[(&str, Class)]| {
        let word = |class: &Class| FieldWord { class: Some(*class), description: None };
        of.iter().map(|(path, class)| ((*path).into(), word(class))).collect()
    };
    let said = [
        ("fitbit/activity", vec![("logId", Class::Direct), ("averageHeartRate", Class::Special)]),
        ("fitbit/sleep", vec![("logId", Class::Direct), ("levels", Class::Special)]),
    ];
    said.into_iter().map(move |(endpoint, of)| {
        (endpoint, Word { class: Some(Class::Quasi), description: None, fields: fields(&of) })
    })
}

/// Sends all, many at a time. What is done already is fine.
pub(crate) async fn all(orders: impl IntoIterator<Item = (Client, Order)>) -> Result<(), ClientError> {
    futures_util::stream::iter(orders)
        .map(|(client, order)| async move {
            match client.send(order).await {
                Err(ClientError::Refused(refusal))
                    if matches!(refusal.reason, Reason::AlreadyExists | Reason::WrongState) =>
                {
                    Ok(())
                }
                other => other.map(|_| ()),
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
