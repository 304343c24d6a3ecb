//! Who takes part in a load: one platform, one plug, many HATs that have all connected it.

use std::collections::HashMap;

use crate::client::{Client, ClientError, ClientOptions, Order};
use crate::domain::{Address, Id, Key, Kind};
use crate::simulation::people::Person;
use crate::simulation::stage::all;
use crate::wire::Signer;

/// Most HATs of a crowd.
pub const HATS_MAX: u32 = 200_000;

const DOMAIN: &str = "load.example";
const PLUG: &str = "load";

/// The parties of a load, the same by seed.
pub struct Crowd {
    seed: u64,
    /// The plug that credits.
    pub plug: Address,
    /// Its key.
    pub plug_key: Signer,
    hats: Vec<Address>,
    keys: HashMap<Id, Signer>,
}

impl Crowd {
    /// A crowd of `hats` HATs (at most [`HATS_MAX`]), of which the first `live` are credited.
    pub fn new(seed: u64, live: u32) -> Self {
        let plug = Person::new(seed, Kind::Plug, PLUG);
        let people: Vec<Person> = (0..live.clamp(1, HATS_MAX)).map(|n| hat(seed, n)).collect();
        Crowd {
            seed,
            plug: plug.address.clone(),
            plug_key: plug.signer(),
            keys: people.iter().map(|person| (person.id().clone(), person.signer())).collect(),
            hats: people.into_iter().map(|person| person.address).collect(),
        }
    }

    /// The HAT that is credited `n`-th, round and round.
    pub fn hat(&self, n: u64) -> &Address {
        &self.hats[(n % self.hats.len() as u64) as usize]
    }

    /// The key of a HAT that is credited.
    pub fn key_of(&self, hat: &Id) -> Option<&Signer> {
        self.keys.get(hat)
    }

    /// Registers everybody at the exchange behind `url`, which knows `operator` by this key: the HATs that are
    /// credited, which connect the plug, and others up to `registered`. Returns the exchange's keys.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn register(
        &self,
        url: &str,
        operator: (Address, Signer),
        registered: u32,
    ) -> Result<Vec<Key>, ClientError> {
        let operator = Client::connect(ClientOptions::new(url, operator.0).signer(operator.1)).await?;
        let platform = Person::new(self.seed, Kind::Platform, DOMAIN);
        let plug = Person::new(self.seed, Kind::Plug, PLUG);
        let (voice_of_platform, voice_of_plug) = (
            operator.speaking(platform.address.clone(), platform.signer()),
            operator.speaking(plug.address.clone(), plug.signer()),
        );
        let (platform_key, plug_key) = (platform.signer().public(), plug.signer().public());
        all([
            (operator.clone(), Order::certify(platform.id(), "load", &platform_key)),
            (voice_of_plug, Order::register_plug(plug.id(), "load", PLUG, &plug_key)),
        ])
        .await?;
        all([(operator.clone(), Order::approve(&plug.address, &plug_key))]).await?;
        let live = self.hats.len() as u32;
        all((0..live.max(registered.min(HATS_MAX))).map(|n| {
            let person = hat(self.seed, n);
            (voice_of_platform.clone(), Order::register_hat(person.id(), &person.signer().public()))
        }))
        .await?;
        all((0..live).map(|n| {
            let person = hat(self.seed, n);
            let voice = operator.speaking(person.address.clone(), person.signer());
            (voice, Order::plug_connect(person.id(), plug.id()))
        }))
        .await?;
        Ok(operator.dex_keys().to_vec())
    }
}

fn hat(seed: u64, n: u32) -> Person {
    Person::new(seed, Kind::Hat, &format!("h{n:06}.{DOMAIN}"))
}
