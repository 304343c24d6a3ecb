//! What the service publishes about each query, held against what a running exchange with real parties answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dex::actors::shared::FaultHook;
use dex::client::{Client, ClientError, Order, keys};
use dex::daemon::Extras;
use dex::domain::bundle::Bundle;
use dex::domain::command::{Action, PullAsk};
use dex::domain::event::OfferTerms;
use dex::domain::notice::{Notice, Target};
use dex::domain::pii::ClassSet;
use dex::domain::{Id, Reason};
use dex::wire::schema;
use serde_json::{Value, json};

use crate::support::cast::{Cast, RECORD, address, full_bundle, id, manifest_plug, terms};
use crate::support::gateway::HAT_PUBLIC;
use crate::support::inside::{Ground, Inside};
use crate::support::schema::{doctored, judge, may_miss, named, published, seen, strict};

const HOUR: i64 = 3_600_000_000_000;
const MANIFEST: &str = include_str!("../../src/domain/app/notables.json");
const REPORT: &str = include_str!("../rest/stats-report.json");
/// What `$SRV.INFO` may have at most, bytes.
const INFO_BYTES_MAX: usize = 256 * 1024;

/// A running exchange in which each query has something to tell.
struct World {
    cast: Cast,
    /// A settled credit, a refused one, one that was asked back, a disputed one, a fan-out, a pull.
    exchanges: Vec<Value>,
    notice: Value,
    /// A time before which a key was revoked later.
    before: Value,
    _daemon: Inside,
    ground: Ground,
}

async fn until(client: &Client, query: &str, question: Value, good: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = client.query(query, question.to_string()).await;
        match answer {
            Ok(answer) if good(&answer) => return answer,
            other => assert!(Instant::now() < deadline, "{query} {question}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Takes what comes to these parties, as it says: records are kept or refused, requests answered, recalls granted.
fn attend(party: Client) -> tokio::task::JoinHandle<()> {
    use dex::client::Item;
    tokio::spawn(async move {
        let mut inbox = party.inbox().await.expect("a consumer");
        let mut kept = None;
        while let Some(item) = inbox.next().await {
            let done = match item.expect("verified") {
                Item::Delivery(it) if String::from_utf8_lossy(&it.body).contains("unwanted") => it.refuse("no").await,
                // Neither kept nor refused till it is asked back.
                Item::Delivery(it) if String::from_utf8_lossy(&it.body).contains("later") => {
                    kept = Some(it);
                    continue;
                }
                Item::Delivery(it) => it.accept().await,
                Item::Request(it) => it.release(RECORD).await,
                Item::Recall(_) => kept.take().expect("delivered first").give_back().await,
                _ => continue,
            };
            done.expect("taken");
        }
    })
}

impl World {
    async fn new() -> World {
        let ground = Ground::new();
        // What retires a HAT fails in the exchange itself, and is a dead letter.
        let fault: FaultHook =
            Arc::new(|command| assert!(!matches!(command.action, Action::Retire), "as the test wants"));
        let daemon = Inside::start(ground.config(""), Extras { fault: Some(fault), ..Extras::default() });
        let cast = Cast::new(ground.client().await, 6).await;
        let mut world =
            World { cast, exchanges: Vec::new(), notice: Value::Null, before: Value::Null, _daemon: daemon, ground };
        world.parties().await;
        world.debits().await;
        world.offers().await;
        world.exchanges().await;
        world.rest().await;
        world
    }

    /// A HAT over HTTP, a bridge, an app with a manifest and a version that waits, an org that waits, a replaced key.
    async fn parties(&mut self) {
        let operator = &self.cast.operator;
        let order = |to: &str, action: &[&str], body: Value| Order::new(&address(to), action, body.to_string());
        for (party, approved) in [("bridge:carrier", true), ("org:waits", false)] {
            let key = keys::generate();
            let public = key.public();
            let body = json!({ "key": public, "name": "A name" });
            let own = operator.speaking(address(party), key);
            own.send(order(party, &["register"], body)).await.expect("registered");
            if approved {
                operator.approve(&address(party), &public).await.expect("approved");
            }
        }
        let own = manifest_plug(operator, "fitbit", 3600).await;
        let other = operator.speaking(own.party().clone(), keys::generate());
        other.register_plug("Somebody else", "fitbit").await.expect("registered");
        let why = json!({ "key": other.key().expect("it signs"), "why": "somebody else" });
        operator.send(order("plug:fitbit", &["decline"], why)).await.expect("declined");
        let jobs = json!({ "done": 3, "failed": 1, "lagSeconds": 60, "error": "the source is away" });
        own.send(order("plug:fitbit", &["report"], jobs)).await.expect("taken");
        let planned = crate::jobs::of_each_kind(&own, &self.cast.hats[..3]).await;
        let bob = json!({ "publicKey": HAT_PUBLIC, "transport": "http", "bridge": "carrier" });
        operator.send(order("hat:bob.example.net", &["register"], bob)).await.expect("registered");
        let pinned = order("hat:h2.hubat.net", &["pin-key"], json!({ "publicKey": HAT_PUBLIC }));
        self.cast.hats[2].send(pinned).await.expect("pinned");
        let key = keys::generate();
        let public = key.public();
        let mut manifest: Value = serde_json::from_str(MANIFEST).expect("JSON");
        let app = format!("app:{}", manifest["id"].as_str().expect("an id"));
        let own = operator.speaking(address(&app), key);
        let brought = json!({ "key": public, "manifest": manifest });
        own.send(order(&app, &["register"], brought)).await.expect("registered");
        operator.approve(&address(&app), &public).await.expect("published");
        manifest["info"]["version"] = json!("9.9.9");
        let brought = json!({ "key": public, "manifest": manifest });
        own.send(order(&app, &["version"], brought)).await.expect("a version that waits");
        self.cast.hats[0].app_setup(&address(&app).id).await.expect("set up");
        for client in [&app, "org:acme"] {
            operator.allow(&address(client), Some(ClassSet::ALL)).await.expect("bounded");
        }
        let fields = json!({ "mood": { "class": "special", "description": "how they feel" } });
        let word = json!({ "class": "none", "description": "Posts", "fields": fields });
        let word = serde_json::from_value(word).expect("a word");
        operator.classify("facebook/feed", &word).await.expect("classified");
        self.exchanges.extend(planned);
        let hat = &self.cast.hats[5];
        let old = hat.key().expect("it signs");
        let next = keys::generate();
        let public = next.public();
        let at = dex::client::ids::now();
        self.before = json!(at);
        tokio::time::sleep(Duration::from_millis(50)).await;
        hat.rotate_key(&public).await.expect("rotated");
        let hat = hat.speaking(hat.party().clone(), next);
        hat.revoke_key(hat.party(), &old, at).await.expect("revoked");
    }

    /// On `h0`: one with filters that was amended, one that ended, one that waits; on `h1`: one that is on.
    async fn debits(&self) {
        let (org, hat) = (&self.cast.org, &self.cast.hats[0]);
        let of = self.cast.hat(0);
        let mut full = terms(org.party());
        full.bundle = Bundle::read(&full_bundle()).expect("a bundle");
        full.conditions = Some(full.bundle.clone());
        full.classes = Some(ClassSet::ALL);
        full.terms_url = Some("https://acme.example/terms".into());
        full.request_client_name = Some("Acme".into());
        full.request_client_url = Some("https://acme.example".into());
        full.request_client_logo_url = Some("https://acme.example/logo.png".into());
        full.request_application_id = Some("notables".into());
        full.request_description = Some("In words".into());
        full.start = Some(dex::client::ids::now().plus(-HOUR));
        org.debit_propose(&of, &id("full"), &full).await.expect("proposed");
        hat.debit_enable(&id("full")).await.expect("enabled");
        org.debit_amend(&of, &id("full"), &full).await.expect("amended");
        for (debit, at_period_end) in [("ending", true), ("over", false)] {
            self.cast.debit(0, debit).await;
            hat.debit_disable(&id(debit), at_period_end).await.expect("disabled");
        }
        org.debit_propose(&of, &id("waits"), &terms(org.party())).await.expect("proposed");
        self.cast.debit(1, "feed").await;
        let mut second = terms(org.party());
        second.period_seconds = 1;
        org.debit_propose(&self.cast.hat(1), &id("rolls"), &second).await.expect("proposed");
        self.cast.hats[1].debit_enable(&id("rolls")).await.expect("enabled");
    }

    /// `steps`: confirmed by `h2`, reserved by `h3`, given back by `h4`; `draft` waits.
    async fn offers(&self) {
        let (operator, org) = (&self.cast.operator, &self.cast.org);
        let now = dex::client::ids::now();
        for offer in ["steps", "draft", "hidden"] {
            let mut debit = terms(org.party());
            debit.without_pii = offer == "hidden";
            let terms = OfferTerms {
                owner: org.party().clone(),
                title: "Feeds".into(),
                starts: now.plus(-HOUR),
                expires: now.plus(HOUR),
                max_claims: 5,
                min_claims: 2,
                debit,
            };
            org.offer_register(&id(offer), &terms).await.expect("registered");
        }
        for offer in ["steps", "hidden"] {
            operator.offer_approve(&id(offer)).await.expect("approved");
        }
        let claim = Order::claim(&self.cast.hat(4), &id("hidden"));
        self.cast.hats[4].conclude(claim, Duration::from_secs(30)).await.expect("claimed");
        for hat in &self.cast.hats[2..5] {
            let claim = Order::claim(&hat.party().id, &id("steps"));
            hat.conclude(claim, Duration::from_secs(30)).await.expect("claimed");
        }
        self.cast.hats[2].debit_enable(&id("steps")).await.expect("enabled");
        self.cast.hats[4].withdraw(&id("steps")).await.expect("withdrawn");
        let claims = json!({ "offer": "steps", "standing": "withdrawn" });
        until(operator, "offer.claims", claims, |it| it["items"].as_array().is_some_and(|it| it.len() == 1)).await;
    }

    async fn exchanges(&mut self) {
        let attending: Vec<_> = [&self.cast.hats[1], &self.cast.org].map(|party| attend(party.clone())).into();
        let (plug, org, hat) = (&self.cast.plug, &self.cast.org, self.cast.hat(1));
        let within = Duration::from_secs(60);
        let ended = async |by: &Client, order: Order| {
            let end = by.conclude(order, within).await.expect("ended");
            json!(end.first.outcome.exchange)
        };
        let record = |word: &str| RECORD.replace("hi", word);
        let facebook = id("facebook");
        self.exchanges.push(ended(plug, Order::credit(&hat, &facebook, RECORD)).await);
        self.exchanges.push(ended(plug, Order::credit(&hat, &facebook, record("unwanted"))).await);
        self.exchanges.push(ended(&self.cast.hats[1], Order::data(&hat, RECORD)).await);
        let moody = RECORD.replace("\"message\"", "\"mood\":\"well\",\"message\"");
        self.exchanges.push(ended(&self.cast.hats[1], Order::data(&hat, moody)).await);
        self.exchanges.push(ended(org, Order::pull(&hat, &id("feed"), &PullAsk::default())).await);
        let late = plug.send(Order::credit(&hat, &facebook, record("later"))).await.expect("accepted");
        let back = late.outcome.exchange;
        plug.recall(&hat, back).await.expect("asked back");
        self.exchanges.push(json!(back));
        let told = |it: &Value| it["status"] == "recalled";
        until(&self.cast.operator, "exchange.trace", json!({ "id": back }), told).await;
        let held = self.cast.hats[2].send(Order::release(&self.cast.hat(2), &id("steps"), RECORD)).await;
        self.exchanges.push(json!(held.expect("held").outcome.exchange));
        let refused = Order::credit(&id("bob.example.net"), &facebook, RECORD);
        let (mark, refused) = (plug.message_id(), refused);
        assert!(plug.send(refused.id(mark)).await.is_err(), "not connected");
        self.exchanges.push(json!(mark));
        attending.iter().for_each(tokio::task::JoinHandle::abort);
    }

    /// Reports of six HATs, notices, a dead letter, and a message without a sender.
    async fn rest(&mut self) {
        for hat in &self.cast.hats[..5] {
            let mut report: Value = serde_json::from_str(REPORT).expect("JSON");
            report[0]["logEntry"] = json!(hat.party().to_string());
            let order = Order::new(hat.party(), &["report"], report.to_string());
            let told = hat.send(order).await.expect("reported");
            self.exchanges.push(json!(told.outcome.exchange));
        }
        let mut target = Target { with_hat_address: vec![self.cast.hat(0)], ..Target::default() };
        target.with_any_role = vec!["plug:facebook".into()];
        target.with_email = vec!["ann@example.net".into()];
        for target in [target, Target::default()] {
            let notice = Notice { message: "All is well.".into(), target, expires: None };
            let posted = self.cast.operator.post_notice(&notice).await.expect("posted");
            self.notice = json!(posted.outcome.delivery);
        }
        let dead = self.cast.hats[3].send(Order::retire(&self.cast.hat(3))).await;
        assert!(dead.is_err(), "{dead:?}");
        let nats = async_nats::connect(self.ground.broker.url()).await.expect("connects");
        nats.publish("dex.v1.in.hat.h0_hubat_net.data", "no form".into()).await.expect("published");
        nats.flush().await.expect("flushed");
        let both = |it: &Value| ["refused", "dead-letter"].iter().all(|kind| it.to_string().contains(kind));
        until(&self.cast.operator, "dead.list", json!({}), both).await;
        let counted = |it: &Value| it["items"].as_array().is_some_and(|it| !it.is_empty());
        until(&self.cast.operator, "stats.catalogue", json!({}), counted).await;
        let rolled = |it: &Value| it["rolled"].as_u64() > Some(0);
        until(&self.cast.operator, "debit.show", json!({ "hat": self.cast.hat(1), "debit": "rolls" }), rolled).await;
    }

    /// What is asked of each query.
    fn questions(&self, query: &str, digest: &str) -> Vec<Value> {
        let hats: Vec<Id> = (0..6).map(|number| self.cast.hat(number)).collect();
        let of_hats = || hats.iter().map(|hat| json!({ "hat": hat })).collect::<Vec<_>>();
        let proof = |party: &str| json!({ "party": party, "proof": true, "at": dex::client::ids::now() });
        match query {
            "exchange.trace" => self.exchanges.iter().map(|it| json!({ "id": it, "proof": true })).collect(),
            "exchange.explain" => {
                let credit = schema::query(query).expect("described").example;
                let mut formless = credit.clone();
                formless["headers"] = json!({});
                vec![credit, formless]
            }
            "trust.verify" => {
                let mut all = vec![json!({ "party": "plug:facebook" }), json!({ "party": "org:nobody" })];
                all.push(json!({ "party": "hat:h5.hubat.net", "at": self.before }));
                all.extend(
                    ["hat:bob.example.net", "org:waits", "app:notables", "dex:dex.test"]
                        .map(|party| json!({ "party": party })),
                );
                all.extend(["org:acme", "plug:facebook", "hat:h0.hubat.net", "hat:h5.hubat.net"].map(proof));
                all
            }
            "trust.bundle" => vec![json!({}), json!({ "ifNoneMatch": digest })],
            "plug.jobs" => {
                let all = hats[..3].iter().map(|hat| json!({ "plug": "fitbit", "hat": hat }));
                all.chain([json!({ "plug": "fitbit" })]).collect()
            }
            "plug.show" => vec![json!({ "plug": "fitbit" })],
            "hat.show" => [of_hats(), vec![json!({ "hat": "bob.example.net" })]].concat(),
            "app.list" => vec![json!({}), json!({ "manifests": true }), json!({ "limit": 1 })],
            "offer.list" => vec![json!({}), json!({ "terms": true }), json!({ "limit": 1 })],
            "offer.show" => vec![json!({ "offer": "steps" }), json!({ "offer": "draft" })],
            "offer.claims" => vec![
                json!({ "offer": "steps", "keys": true }),
                json!({ "offer": "steps", "limit": 1 }),
                json!({ "offer": "hidden" }),
            ],
            "catalogue.estimate" => vec![schema::query(query).expect("described").example],
            "catalogue.show" => ["facebook/feed", "x/y"].map(|endpoint| json!({ "endpoint": endpoint })).into(),
            "debit.show" => [
                (0, "full"),
                (0, "ending"),
                (0, "over"),
                (0, "waits"),
                (1, "rolls"),
                (2, "steps"),
                (4, "steps"),
                (4, "hidden"),
            ]
            .map(|(hat, debit)| json!({ "hat": hats[hat], "debit": debit }))
            .into(),
            "debit.list" => [of_hats(), vec![json!({ "hat": hats[0], "limit": 1 })]].concat(),
            "ledger.proof" => vec![json!({ "leaf": 0 }), json!({ "leaf": 0, "treeSize": 2 })],
            "notice.list" => vec![
                json!({ "hat": hats[0] }),
                json!({ "party": "operator:main" }),
                json!({ "limit": 1 }),
                json!({ "roles": ["plug:facebook"], "email": "ann@example.net" }),
            ],
            "notice.show" => vec![json!({ "notice": self.notice })],
            "plug.list" | "platform.list" | "org.list" | "bridge.list" | "dead.list" | "stats.catalogue"
            | "hat.list" => {
                vec![json!({}), json!({ "limit": 1 })]
            }
            _ => vec![json!({})],
        }
    }

    async fn raw(&self, nats: &async_nats::Client, query: &str, question: String) -> (bool, Value) {
        loop {
            let answer = nats.request(format!("dex.v1.api.{query}"), question.clone().into()).await.expect("answered");
            let wrong = answer.headers.as_ref().is_some_and(|it| it.get("Nats-Service-Error").is_some());
            let value: Value = serde_json::from_slice(&answer.payload).expect("JSON");
            if wrong && value["reason"] == json!(Reason::OverQuota) {
                tokio::time::sleep(Duration::from_millis(300)).await;
                continue;
            }
            return (wrong, value);
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_its_published_schema_says_and_every_other_is_refused() {
    let world = World::new().await;
    let nats = async_nats::connect(world.ground.broker.url()).await.expect("connects");
    let info = nats.request("$SRV.INFO.dex", "".into()).await.expect("discovered").payload;
    println!("$SRV.INFO has {} bytes", info.len());
    assert!(info.len() <= INFO_BYTES_MAX, "$SRV.INFO has {} bytes", info.len());
    let info: Value = serde_json::from_slice(&info).expect("JSON");
    assert_eq!(info["endpoints"].as_array().map(Vec::len), Some(schema::QUERIES.len()));

    let bundle = world.raw(&nats, "trust.bundle", "{}".into()).await.1;
    let canonical = dex::wire::canonical::canonical(&bundle["bundle"]).expect("JSON");
    let digest = dex::domain::Digest::of(&canonical).to_string();
    let (mut cases, mut questions, mut wrong, mut unseen) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
    for (query, _) in schema::QUERIES {
        let (request, response) = published(&info, query);
        let (mut asked, mut answers, mut fields) = (Vec::new(), Vec::new(), BTreeSet::new());
        for question in world.questions(query, &digest) {
            let (problem, answer) = world.raw(&nats, query, question.to_string()).await;
            assert!(!problem, "{query} {question}: {answer}");
            seen(&answer, query, &mut fields);
            asked.push(question);
            answers.push(answer);
        }
        let mut all = BTreeSet::new();
        named(&response, query, &mut all);
        unseen.extend(all.difference(&fields).cloned());
        let spoilt: Vec<_> = answers.iter().flat_map(|answer| doctored(&response, answer)).collect();
        // A bundle and its refusal are told apart as wholes.
        assert!(spoilt.len() > 3 || query == "trust.bundle", "{query} can be spoilt: {}", spoilt.len());
        cases.push((strict(response.clone()), answers));
        questions.push((request, asked));
        wrong.push((query, response, spoilt));
    }
    for (fine, (query, _)) in judge(&cases).iter().zip(schema::QUERIES) {
        assert!(fine.iter().all(Option::is_none), "{query}: {fine:?}");
    }
    for (fine, (query, _)) in judge(&questions).iter().zip(schema::QUERIES) {
        assert!(fine.iter().all(Option::is_none), "{query} is asked: {fine:?}");
    }
    let spoilt: Vec<_> =
        wrong.iter().map(|(_, schema, all)| (schema.clone(), all.iter().map(|it| it.1.clone()).collect())).collect();
    for (found, (query, _, all)) in judge(&spoilt).iter().zip(&wrong) {
        for (found, (what, _)) in found.iter().zip(all) {
            assert!(found.is_some(), "{query} with {what} is taken");
        }
    }
    unseen.retain(|field| !may_miss(field));
    assert!(unseen.is_empty(), "published, but never answered: {unseen:?}");
}

#[tokio::test]
async fn a_question_that_breaks_its_schema_is_answered_by_a_problem_that_says_what_is_wrong() {
    let ground = Ground::new();
    let _daemon = Inside::start(ground.config(""), Extras::default());
    let operator = ground.client().await;
    let mut cases = Vec::new();
    for query in schema::queries() {
        // What the example asks about may be unknown: it is understood.
        match operator.query(query.query, query.example.to_string()).await {
            Ok(_) => {}
            Err(ClientError::Problem(it)) => assert_eq!(it.reason, Reason::NotFound, "{}: {it:?}", query.query),
            Err(error) => panic!("{}: {error}", query.query),
        }
        let mut bad: Vec<Value> = vec![json!([]), json!(null), json!("text"), json!({ "unheardOf": 1 })];
        bad.extend(doctored(&query.request, &query.example).into_iter().map(|(_, question)| question));
        for properties in query.request.get("properties").and_then(Value::as_object).into_iter() {
            for name in properties.keys() {
                let mut question = query.example.clone();
                question[name.as_str()] = if name == "headers" { json!("wrong") } else { json!({ "wrong": "type" }) };
                bad.push(question);
            }
        }
        if query.request.pointer("/properties/limit").is_some() {
            for limit in [json!(0), json!(1001), json!(-1), json!(1.5)] {
                let mut question = query.example.clone();
                question["limit"] = limit;
                bad.push(question);
            }
        }
        for question in &bad {
            let problem = loop {
                match operator.query(query.query, question.to_string()).await {
                    Err(ClientError::Problem(it)) if it.reason == Reason::OverQuota => {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    Err(ClientError::Problem(problem)) => break problem,
                    other => panic!("{} {question}: {other:?}", query.query),
                }
            };
            assert_eq!(problem.reason, Reason::Malformed, "{} {question}: {problem:?}", query.query);
            assert!(problem.detail.as_ref().is_some_and(|it| it.len() > 10), "{} {question}: {problem:?}", query.query);
        }
        cases.push((query.request.clone(), vec![query.example]));
        cases.push((query.request, bad));
    }
    for (number, found) in judge(&cases).iter().enumerate() {
        let (good, (schema, instances)) = (number % 2 == 0, &cases[number]);
        for (found, instance) in found.iter().zip(instances) {
            assert_eq!(found.is_none(), good, "{} {instance}: {found:?}", schema["title"]);
        }
    }
}

#[test]
fn each_bundle_that_the_exchange_reads_is_as_the_schema_of_debits_says() {
    let proposal = schema::of("hat.debit-propose").expect("an action");
    let mut whole = proposal.example.clone().expect("a body");
    whole["bundle"] = full_bundle();
    whole["conditions"] = full_bundle();
    Bundle::read(&whole["bundle"]).expect("read");
    let mut more = whole.clone();
    more["bundle"]["bundle"]["feed"]["endpoints"][0]["filter"] = json!([]);
    assert!(Bundle::read(&more["bundle"]).is_err());
    let found = judge(&[(proposal.body.expect("a schema"), vec![whole, more])]);
    assert!(found[0][0].is_none() && found[0][1].is_some(), "{found:?}");
}
