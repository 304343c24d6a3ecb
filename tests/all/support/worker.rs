//! Real `dex worker` processes for one test, and a plug with a manifest for them.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dex::client::{Client, Order, keys};
use dex::domain::job::JobWord;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::cast::{Cast, address, id};
use super::source::Source;
use super::web::get;

/// The plug, its namespace.
pub const PLUG: &str = "fitbit";

/// A worker process. Dropping it kills it.
pub struct Worker {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

#[allow(dead_code)]
impl Worker {
    /// Starts one for the plug with the key in this folder, and waits until it is ready.
    pub fn start(folder: &Path, nats: &str, source: &Source, more: &[&str]) -> Worker {
        let worker = Worker::launch(folder, nats, source, more);
        worker.until("ready", Duration::from_secs(30));
        worker
    }

    /// The same without waiting.
    pub fn launch(folder: &Path, nats: &str, source: &Source, more: &[&str]) -> Worker {
        Worker::logging("info,dex=trace", folder, nats, source, more)
    }

    /// The same with this level of logs.
    pub fn logging(level: &str, folder: &Path, nats: &str, source: &Source, more: &[&str]) -> Worker {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dex"))
            .args(["worker", "--plug", PLUG, "--url", nats, "--listen", "127.0.0.1:0", "--key"])
            .arg(folder.join("fitbit.key"))
            .args(["--allow-private", &source.address.to_string()])
            .args(more)
            .env("DEX_WORKER__WORKER__STATE_DIR", folder.join("worker-state"))
            .env("DEX_WORKER__LOG__FORMAT", "json")
            .env("DEX_WORKER__LOG__LEVEL", level)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&log);
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("no test panics with it").push(line);
            }
        });
        Worker { child, log }
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no test panics with it").clone()
    }

    /// Waits for an event of this name; its fields.
    pub fn until(&self, message: &str, patience: Duration) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            let log = self.log();
            let events = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(event) = events.map(|event| event["fields"].clone()).find(|fields| fields["message"] == message)
            {
                return event;
            }
            assert!(Instant::now() < deadline, "no {message:?} in {}", log.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A page of its own HTTP side, with its status.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let http = self.until("metrics and health are served", Duration::from_secs(20))["http"].clone();
        let answer = get(&format!("http://{}{path}", http.as_str().expect("an address"))).await.expect("answers");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// A counter of its metrics.
    pub async fn counter(&self, series: &str) -> u64 {
        dex::simulation::counter(&self.page("/metrics").await.1, series).unwrap_or(0)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a signal to a child that was started here and not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Kills it without a word.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Waits until it has ended by itself; its exit code.
    pub fn ended(&mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log().join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Records that HATs hold, by HAT, each time that one came.
pub type Held = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// The plug with its key and manifest, approved; every HAT of the cast connected to it and taking what comes.
pub struct Ground {
    pub plug: Client,
    pub held: Held,
    pub folder: PathBuf,
}

#[allow(dead_code)]
impl Ground {
    /// `more` goes into the settings of the manifest.
    pub async fn new(cast: &Cast, source: &Source, folder: &Path, lease: u32, more: Value) -> Ground {
        let signer = keys::load_or_make(&folder.join("fitbit.key")).expect("a key");
        let key = signer.public();
        let plug = cast.operator.speaking(address(&format!("plug:{PLUG}")), signer);
        let mut settings = json!({ "connectors": { "walks": source.connector() } });
        for (name, value) in more.as_object().into_iter().flatten() {
            settings[name] = value.clone();
        }
        for (name, value) in more["walks"].as_object().into_iter().flatten() {
            settings["connectors"]["walks"][name] = value.clone();
        }
        settings.as_object_mut().expect("an object").remove("walks");
        let manifest = json!({
            "description": "Walks, for a test.", "url": "https://plug.example/",
            "endpoints": [{ "name": "walks", "fields": { "id": "direct" } }],
            "jobs": { "leaseSeconds": lease, "perMinute": 60_000 }, "settings": settings,
        });
        let body = json!({ "key": key, "name": "Fitbit", "namespace": PLUG, "manifest": manifest });
        plug.send(Order::new(plug.party(), &["register"], body.to_string())).await.expect("registered");
        cast.operator.approve(plug.party(), &key).await.expect("approved");
        let held = Held::default();
        for hat in &cast.hats {
            hat.plug_connect(&id(PLUG)).await.expect("connected");
            let mut deliveries = hat.deliveries().await.expect("an inbox");
            let (held, name) = (Arc::clone(&held), hat.party().id.to_string());
            tokio::spawn(async move {
                let mut applied = HashSet::new();
                while let Some(delivery) = deliveries.next().await {
                    let delivery = delivery.expect("sound");
                    let records: Value = serde_json::from_slice(&delivery.body).expect("JSON");
                    let ids = records.as_array().into_iter().flatten();
                    let ids: Vec<String> =
                        ids.map(|record| record["recordId"].as_str().expect("an id").to_owned()).collect();
                    // A delivery that comes again is applied once, as the protocol has it; a record is looked at by the test.
                    if applied.insert(delivery.id) {
                        held.lock().expect("no panic").entry(name.clone()).or_default().extend(ids);
                    }
                    // The broker may be away: it comes again.
                    drop(delivery.accept().await);
                }
            });
        }
        Ground { plug, held, folder: folder.to_owned() }
    }

    /// Asks for a job of every HAT now.
    pub async fn want(&self, cast: &Cast) {
        for hat in &cast.hats {
            self.plug.job(&hat.party().id, &JobWord::wanted(Some("walks".into()))).await.expect("planned");
        }
    }

    /// Waits until every HAT holds so many records, and none twice.
    pub async fn until(&self, cast: &Cast, records: usize, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let counts: Vec<usize> = {
                let held = self.held.lock().expect("no panic");
                cast.hats.iter().map(|hat| held.get(hat.party().id.as_str()).map_or(0, Vec::len)).collect()
            };
            if counts.iter().all(|count| *count >= records) {
                return self.nothing_twice(records);
            }
            assert!(Instant::now() < deadline, "HATs hold {counts:?} records, not {records} each");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// No HAT holds a record twice, nor more than so many.
    pub fn nothing_twice(&self, records: usize) {
        for (hat, ids) in self.held.lock().expect("no panic").iter() {
            let mut once = ids.clone();
            once.sort();
            once.dedup();
            assert_eq!((once.len(), ids.len()), (records, records), "{hat}");
        }
    }
}
