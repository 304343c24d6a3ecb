//! The usual parties, registered and connected: a platform, HATs, one plug, one organisation.

use dex::client::{Client, Order, keys};
use dex::domain::event::{Bundle, DebitTerms, PropertyQuery};
use dex::domain::{Address, Id};
use serde_json::{Value, json};

/// One record of the plug.
pub const RECORD: &str = r#"[{"endpoint":"facebook/feed","data":{"message":"hi"}}]"#;

pub fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

pub fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A debit on the plug's records for this client, rolling by the hour.
pub fn terms(client: &Address) -> DebitTerms {
    let query = PropertyQuery::all(["facebook/feed"]);
    DebitTerms::new(
        client.clone(),
        "a test",
        Bundle { name: "feed".into(), bundle: [("feed".into(), query)].into() },
        3600,
    )
}

/// Every word of the bundle language.
#[allow(dead_code)]
pub fn full_bundle() -> Value {
    json!({ "name": "full", "bundle": { "feed": {
        "endpoints": [{
            "endpoint": "facebook/feed",
            "mapping": { "text": "message", "who": { "source": "from", "mappings": { "name": "name" } } },
            "filters": [
                { "field": "message", "operator": { "operator": "contains", "value": "hi" } },
                {
                    "field": "at", "transformation": { "transformation": "datetimeExtract", "part": "hour" },
                    "operator": { "operator": "between", "lower": 1, "upper": 5 },
                },
                {
                    "field": "message", "transformation": { "transformation": "searchable" },
                    "operator": { "operator": "find", "search": "hi" },
                },
            ],
            "links": [{ "endpoint": "facebook/profile", "mapping": { "name": "name" } }],
        }],
        "orderBy": "text", "ordering": "descending", "limit": 10,
    } } })
}

/// A plug whose id is its namespace, with a manifest that keeps it fresh for so many seconds, approved. It reads when it is
/// wanted only, so that HATs do nothing by themselves.
#[allow(dead_code)]
pub async fn manifest_plug(operator: &Client, name: &str, fresh_for_seconds: u32) -> Client {
    let signer = keys::generate();
    let key = signer.public();
    let plug = operator.speaking(address(&format!("plug:{name}")), signer);
    let text = include_str!("../../../src/domain/plug/facebook.json");
    let mut manifest: Value = serde_json::from_str(text).expect("JSON");
    manifest["freshForSeconds"] = json!(fresh_for_seconds);
    for endpoint in manifest["endpoints"].as_array_mut().expect("a list") {
        endpoint.as_object_mut().expect("an object").remove("refreshSeconds");
    }
    let body = json!({ "key": key, "name": name, "namespace": name, "manifest": manifest });
    plug.send(Order::new(plug.party(), &["register"], body.to_string())).await.expect("registered");
    operator.approve(plug.party(), &key).await.expect("approved");
    plug
}

/// Voices of the parties.
#[allow(dead_code)]
pub struct Cast {
    pub operator: Client,
    pub plug: Client,
    pub org: Client,
    pub hats: Vec<Client>,
}

impl Cast {
    /// Registers `count` HATs `h<n>.hubat.net`, connected to `plug:facebook`, and `org:acme`.
    pub async fn new(operator: Client, count: usize) -> Cast {
        let platform_key = keys::generate();
        operator.certify(&id("hubat.net"), "Platform", &platform_key.public()).await.expect("certified");
        let platform = operator.speaking(address("platform:hubat.net"), platform_key);
        let plug_key = keys::generate();
        let public = plug_key.public();
        let plug = operator.speaking(address("plug:facebook"), plug_key);
        plug.register_plug("Facebook", "facebook").await.expect("registered");
        operator.approve(&address("plug:facebook"), &public).await.expect("approved");
        let org_key = keys::generate();
        let public = org_key.public();
        let org = operator.speaking(address("org:acme"), org_key);
        org.register_org("Acme").await.expect("registered");
        operator.approve(&address("org:acme"), &public).await.expect("approved");
        let mut hats = Vec::new();
        for number in 0..count {
            let key = keys::generate();
            let name = id(&format!("h{number}.hubat.net"));
            platform.register_hat(&name, &key.public()).await.expect("registered");
            let hat = operator.speaking(address(&format!("hat:{name}")), key);
            hat.plug_connect(&id("facebook")).await.expect("connected");
            hats.push(hat);
        }
        Cast { operator, plug, org, hats }
    }

    /// The id of HAT `number`.
    pub fn hat(&self, number: usize) -> Id {
        self.hats[number].party().id.clone()
    }

    /// A debit for the organisation on HAT `number`, proposed and enabled.
    #[allow(dead_code)]
    pub async fn debit(&self, number: usize, debit: &str) {
        let terms = terms(self.org.party());
        self.org.debit_propose(&self.hat(number), &id(debit), &terms).await.expect("proposed");
        self.hats[number].debit_enable(&id(debit)).await.expect("enabled");
    }
}
