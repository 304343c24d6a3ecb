//! Pseudonyms: the same for one client, others for every other, and nothing that tells whose they are.

use crate::domain::id::{Address, Id, MessageId};
use crate::domain::pii::{Mask, pseudonym};

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

#[test]
fn a_pseudonym_is_stable_for_one_client_and_links_nothing() {
    let (key, bob, eve) = ([7; 32], address("hat:bob.hubat.net"), address("hat:eve.hubat.net"));
    let (acme, other) = (address("org:acme"), address("org:other"));
    let own = pseudonym::source(&key, &bob, &acme);
    assert_eq!(own, pseudonym::source(&key, &bob, &acme));
    let others = [
        pseudonym::source(&key, &bob, &other),
        pseudonym::source(&key, &eve, &acme),
        pseudonym::source(&[8; 32], &bob, &acme),
    ];
    assert!(others.iter().all(|name| *name != own));
    assert_eq!(own.to_string().parse::<Address>(), Ok(own.clone()));
    assert!(!own.to_string().contains("bob"));
    let offers = ["a", "b"].map(|offer| pseudonym::debit(&key, &bob.id, &Id::new(offer).expect("an id")));
    assert_ne!(offers[0], offers[1]);
}

#[test]
fn ids_tell_no_time_and_are_of_one_client() {
    let (key, bob) = ([7; 32], address("hat:bob.hubat.net"));
    let (acme, other) = (address("org:acme"), address("org:other"));
    let debit = Id::new("feeds").expect("an id");
    let id = MessageId(uuid::Uuid::from_u128(0x019b_76da_a800_7111_9111_1111_1111_1101));
    let (one, two) =
        (pseudonym::delivery(&key, &acme, &bob, id, &debit), pseudonym::delivery(&key, &other, &bob, id, &debit));
    for made in [one, two, pseudonym::recall(&key, one).0] {
        assert_eq!(made.get_version_num(), 8);
        assert_ne!(made.as_bytes()[..6], id.0.as_bytes()[..6], "the sender's time");
    }
    assert_ne!(one.as_bytes()[..6], two.as_bytes()[..6]);
    let mask = |client| Mask { key: &key, hat: &bob, client };
    let raw = "\"0190a0b0-0000-7000-8000-000000000001\"";
    assert_eq!(pseudonym::record(&mask(&acme), raw), pseudonym::record(&mask(&acme), raw));
    assert_ne!(pseudonym::record(&mask(&acme), raw), pseudonym::record(&mask(&other), raw));
}
