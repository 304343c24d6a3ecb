//! Marked values: who heard what, and where bytes of it lie.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::client::{Client, keys};
use dex::domain::Id;
use dex::domain::event::{DebitTerms, OfferTerms};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::cast::{address, id, terms};
use super::nats_server::TestServer;

const HOUR: i64 = 3_600_000_000_000;

/// A message as a client of the broker sees it.
#[derive(Clone)]
pub struct Seen {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn text(&self) -> String {
        format!("{} {:?} {}", self.subject, self.headers, self.body)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

pub type Heard = Arc<Mutex<Vec<Seen>>>;

/// Everything that the broker brings a party.
pub async fn listen(nats: &async_nats::Client, party: &Client) -> Heard {
    let (kind, token) = (party.party().kind, party.party().id.to_token());
    let mut messages = nats.subscribe(format!("dex.v1.out.{kind}.{token}.>")).await.expect("subscribed");
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            let headers = message.headers.unwrap_or_default();
            let headers = headers
                .iter()
                .flat_map(|(name, values)| values.iter().map(move |value| (name.to_string(), value.to_string())));
            kept.lock().expect("no test panics with it").push(Seen {
                subject: message.subject.to_string(),
                headers: headers.collect(),
                body: String::from_utf8_lossy(&message.payload).into_owned(),
            });
        }
    });
    heard
}

pub async fn organisation(operator: &Client, name: &str) -> Client {
    let key = keys::generate();
    let public = key.public();
    let party = address(&format!("org:{name}"));
    let org = operator.speaking(party.clone(), key);
    org.register_org(name).await.expect("registered");
    operator.approve(&party, &public).await.expect("approved");
    org
}

pub async fn until(client: &Client, query: &str, question: Value, good: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match client.query(query, question.to_string()).await {
            Ok(answer) if good(&answer) => return answer,
            other => assert!(Instant::now() < deadline, "{query} {question}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An offer of this organisation without personal data, open to claims.
pub async fn offer(operator: &Client, org: &Client, offer: &str) {
    let now = dex::client::ids::now();
    let debit = DebitTerms { without_pii: true, ..terms(org.party()) };
    let terms = OfferTerms {
        owner: org.party().clone(),
        title: "Feeds of nobody".into(),
        starts: now.plus(-HOUR),
        expires: now.plus(HOUR),
        max_claims: 5,
        min_claims: 0,
        debit,
    };
    org.offer_register(&id(offer), &terms).await.expect("registered");
    operator.offer_approve(&id(offer)).await.expect("approved");
}

/// Waits until the debit of a claim stands like this.
pub async fn standing(operator: &Client, hat: &str, debit: &str, standing: &str) {
    let of = json!({ "hat": hat, "debit": debit });
    until(operator, "debit.show", of, |shown| shown["standing"] == standing).await;
}

/// An offer of this organisation without personal data, taken up by the HAT.
pub async fn offered(operator: &Client, org: &Client, hat: &Client, name: &str) {
    offer(operator, org, name).await;
    hat.claim(&id(name)).await.expect("asked");
    let of = hat.party().id.as_str();
    standing(operator, of, name, "proposed").await;
    hat.debit_enable(&id(name)).await.expect("enabled");
    standing(operator, of, name, "active").await;
}

/// The id under which the owner of an offer knows its only claim's debit.
pub async fn name_of_claim(org: &Client, offer: &str) -> Id {
    let claims = org.query("offer.claims", json!({ "offer": offer }).to_string()).await.expect("told");
    id(claims["items"][0]["debit"].as_str().expect("an id"))
}

/// A message as it stands in the broker's files, removed ones too as long as their bytes are there.
pub struct OnDisk {
    pub subject: String,
    /// Headers and body.
    pub bytes: Vec<u8>,
}

/// The messages in a stream's files (source: the file store of nats-server 2.x): each is its length, 4 bytes of which the
/// highest bit says that there are headers, its sequence and time, 8 bytes each, the length of its subject, 2 bytes; subject;
/// headers with their length before them; body; and a checksum of 8 bytes.
pub fn on_disk(folder: &Path) -> Vec<OnDisk> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder.join("msgs")).expect("the stream's folder").flatten() {
        if file.path().extension().is_none_or(|it| it != "blk") {
            continue;
        }
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let mut rest = &bytes[..];
        while rest.len() > 30 {
            let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]);
            let length = (length & 0x7fff_ffff) as usize;
            let subject = u16::from_le_bytes([rest[20], rest[21]]) as usize;
            if length < 30 + subject || length > rest.len() {
                break;
            }
            found.push(OnDisk {
                subject: String::from_utf8_lossy(&rest[22..22 + subject]).into_owned(),
                bytes: rest[22 + subject..length - 8].to_vec(),
            });
            rest = &rest[length..];
        }
    }
    found
}

/// Looks through the broker's files: nothing that is addressed to a party that is not to know whose data it is given holds
/// a mark, in subject, headers or body, chunks of large content too. How many such messages there were.
///
/// What is addressed to the HAT itself, or was sent by it or by the exchange to itself, lies there with the HAT's address
/// and its content, as it must: that `known` is found in it shows that the files are read as they are.
pub fn look_through(broker: &TestServer, clients: &[&Client], marks: &[&str], known: &str) -> usize {
    let (mut of_clients, mut of_others) = (0, 0);
    for stream in ["DEX_OUT", "DEX_IN", "OBJ_DEX_LARGE_OUT", "OBJ_DEX_LARGE_IN"] {
        for message in on_disk(&broker.stored(stream)) {
            let holds = |mark: &str| {
                let subject = message.subject.contains(mark) || message.subject.contains(&mark.replace('.', "_"));
                subject || message.bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
            };
            let own = |client: &&&Client| {
                let party = client.party();
                message.subject.contains(&format!(".{}.{}.", party.kind, party.id.to_token()))
            };
            match clients.iter().find(own) {
                Some(client) => {
                    of_clients += 1;
                    let found = marks.iter().find(|mark| holds(mark));
                    assert_eq!(found, None, "of {} in {stream}: {}", client.party(), message.subject);
                }
                None => of_others += usize::from(holds(known)),
            }
        }
    }
    assert!(of_others > 0, "the HAT's own messages are read");
    of_clients
}

/// Files below a folder whose bytes hold one of these.
pub fn holding(folder: &Path, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, marks));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |mark: &&&str| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
        found.extend(marks.iter().filter(holds).map(|mark| format!("{}: {mark}", path.display())));
    }
    found
}

/// What two clients saw in common, of headers that could link: all but those that are the exchange's own or counts.
pub fn in_common(one: &[Seen], two: &[Seen]) -> Vec<String> {
    let open = ["Dex-From", "Dex-Key", "Dex-Count", "Dex-Deadline", "Dex-Receipt-To", "Nats-TTL", "Content-Type"];
    let values = |seen: &[Seen]| -> BTreeSet<String> {
        let headers = seen.iter().flat_map(|seen| seen.headers.clone());
        headers.filter(|(name, _)| !open.contains(&name.as_str())).map(|(_, value)| value).collect()
    };
    values(one).intersection(&values(two)).cloned().collect()
}

pub fn delivered(heard: &Heard) -> Vec<Seen> {
    let heard = heard.lock().expect("no test panics with it");
    heard.iter().filter(|seen| seen.subject.contains(".delivery")).cloned().collect()
}
