//! Who takes part: parties with keys by seed, what is connected, which debits run.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use sha2::{Digest as _, Sha256};

use crate::domain::event::{Bundle, DebitTerms, PropertyQuery};
use crate::domain::pii::{Class, ClassSet};
use crate::domain::{Address, Id, Kind};
use crate::wire::Signer;

use super::records::FIRST_NAMES;

/// One party and its key.
#[derive(Clone)]
pub struct Person {
    /// Its address.
    pub address: Address,
    seed: [u8; 32],
}

impl Person {
    pub(crate) fn new(seed: u64, kind: Kind, id: &str) -> Self {
        let id = Id::new(id).expect("the ids of the simulation are made of allowed characters");
        let address = Address::new(kind, id);
        let text = format!("dex simulation {seed} {address}");
        Person { address, seed: Sha256::digest(text.as_bytes()).into() }
    }

    /// Its key: worthless outside of a simulation, for everybody can make it.
    pub fn signer(&self) -> Signer {
        Signer::from_seed(&self.seed)
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.address.id
    }
}

/// A plug or app and the namespace it writes.
#[derive(Clone)]
pub struct Writer {
    /// Who.
    pub person: Person,
    /// Its namespace.
    pub namespace: &'static str,
}

/// A debit that many HATs have.
#[derive(Clone)]
pub struct DebitKind {
    /// Its id within each HAT.
    pub id: Id,
    /// Its client: an organisation, the app, or the first HAT.
    pub client: Person,
    /// What it selects.
    pub endpoints: &'static [&'static str],
    /// Its terms.
    pub terms: DebitTerms,
}

/// A HAT and what its owner has agreed to.
#[derive(Clone)]
pub struct Hat {
    /// Who.
    pub person: Person,
    /// Connected writers, by place in [`Cast::writers`].
    pub writers: Vec<usize>,
    /// Active debits, by place in [`Cast::debits`].
    pub debits: Vec<usize>,
}

/// Everybody.
pub struct Cast {
    /// The HAT provider.
    pub platform: Person,
    /// Plugs, and the one app as the last.
    pub writers: Vec<Writer>,
    /// Organisations.
    pub orgs: Vec<Person>,
    /// Debits.
    pub debits: Vec<DebitKind>,
    /// HATs.
    pub hats: Vec<Hat>,
}

/// The domain of all HATs.
pub const DOMAIN: &str = "hubat.net";
/// Most HATs of a simulation.
pub const HATS_MAX: usize = 10_000;

const PLUGS: &[(&str, &str)] = &[
    ("facebook", "facebook"),
    ("twitter", "twitter"),
    ("fitbit", "fitbit"),
    ("monzo", "monzo"),
    ("google-calendar", "calendar"),
    ("spotify", "spotify"),
];

const ORGS: &[(&str, &str, &[&str])] = &[
    ("walkwell", "walkwell.moves", &["fitbit/activity", "fitbit/sleep"]),
    ("citymaps", "citymaps.places", &["rumpel/locations/ios"]),
    ("spendwise", "spendwise.spending", &["monzo/transactions"]),
    ("tunelab", "tunelab.listening", &["spotify/feed"]),
];

impl Cast {
    /// The cast of a seed: the same for the same numbers.
    pub fn new(seed: u64, hats: usize) -> Self {
        let hats = hats.clamp(2, HATS_MAX);
        let mut rng = StdRng::seed_from_u64(seed ^ 0x0ca5_7000);
        let mut writers: Vec<Writer> = PLUGS
            .iter()
            .map(|(id, namespace)| Writer { person: Person::new(seed, Kind::Plug, id), namespace })
            .collect();
        let app = Person::new(seed, Kind::App, "notables");
        writers.push(Writer { person: app.clone(), namespace: "rumpel" });
        let people: Vec<Person> = (0..hats).map(|n| Person::new(seed, Kind::Hat, &hat_id(&mut rng, n))).collect();
        let mut debits = Vec::new();
        let mut orgs = Vec::new();
        for (org, debit, endpoints) in ORGS {
            let org = Person::new(seed, Kind::Org, org);
            debits.push(debit_kind(debit, org.clone(), endpoints));
            orgs.push(org);
        }
        // Who studies walking need not know who walks, nor how their heart does.
        debits[0].terms.classes = Some(ClassSet::of([Class::Quasi]));
        debits.push(debit_kind("notables.backup", app, &["rumpel/notablesv1"]));
        debits.push(debit_kind("family.calendar", people[0].clone(), &["calendar/google/events"]));
        let family = debits.len() - 1;
        let hats = people
            .into_iter()
            .enumerate()
            .map(|(n, person)| {
                // Nobody has connected everything, so that there is always a plug that may not write.
                let connected = rng.gen_range(2..PLUGS.len());
                let mut plugs: Vec<usize> = (0..PLUGS.len()).collect();
                plugs.shuffle(&mut rng);
                plugs.truncate(connected);
                plugs.push(PLUGS.len());
                let mut agreed: Vec<usize> = (0..debits.len()).filter(|&debit| n > 0 || debit != family).collect();
                agreed.shuffle(&mut rng);
                agreed.truncate(rng.gen_range(1..4));
                Hat { person, writers: plugs, debits: agreed }
            })
            .collect();
        Cast { platform: Person::new(seed, Kind::Platform, DOMAIN), writers, orgs, debits, hats }
    }

    /// The place of a HAT in the cast, by its id.
    pub fn parties(&self) -> impl Iterator<Item = &Person> {
        let writers = self.writers.iter().map(|writer| &writer.person);
        let hats = self.hats.iter().map(|hat| &hat.person);
        writers.chain(&self.orgs).chain(hats)
    }
}

fn hat_id(rng: &mut StdRng, n: usize) -> String {
    let name = FIRST_NAMES.choose(rng).expect("there are names");
    format!("{}{n}.{DOMAIN}", name.to_lowercase())
}

fn debit_kind(id: &str, client: Person, endpoints: &'static [&'static str]) -> DebitKind {
    let name = id.replace('.', "-");
    let terms = DebitTerms::new(
        client.address.clone(),
        format!("A simulated study of {}", endpoints.join(" and ")),
        Bundle {
            name: name.as_str().into(),
            bundle: [(name.as_str().into(), PropertyQuery::all(endpoints.iter().copied()))].into(),
        },
        30 * 86_400,
    );
    DebitKind { id: Id::new(id).expect("the debits of the simulation have good ids"), client, endpoints, terms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_is_the_same_by_seed_and_leaves_something_to_refuse() {
        let (one, two, other) = (Cast::new(7, 30), Cast::new(7, 30), Cast::new(8, 30));
        let ids = |cast: &Cast| cast.parties().map(|p| p.address.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(&one), ids(&two));
        assert_ne!(ids(&one), ids(&other));
        assert_eq!(one.hats[3].person.signer().public(), two.hats[3].person.signer().public());
        assert_ne!(one.hats[3].person.signer().public(), other.hats[3].person.signer().public());
        for hat in &one.hats {
            assert!(hat.writers.len() < one.writers.len());
            assert!(!hat.debits.is_empty());
            assert!(hat.debits.iter().all(|&d| one.debits[d].client.address != hat.person.address));
        }
    }
}
