//! A real exchange for one test: `dex serve` as a child with its own nats-server, on ports of the system's choice.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use dex::client::{Client, ClientOptions, keys};
use dex::domain::{Address, Key};
use dex::wire::Signer;
use serde_json::Value;
use tempfile::TempDir;

use super::nats_server::{TestServer, binary};
use super::web::get;

/// A running exchange with one operator, `operator:main`. Dropping it ends it.
pub struct Exchange {
    folder: TempDir,
    child: Child,
    /// Address of its broker.
    pub nats: String,
    /// Address of its metrics, `host:port`.
    pub http: String,
    log: Log,
}

/// What a daemon has logged so far, line by line.
type Log = Arc<Mutex<Vec<String>>>;

/// Starts `dex serve` and waits until it says where it listens.
fn launch(config: &Path, env: &[(&str, &str)], log: &Log) -> (Child, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dex"))
        .args(["serve", "--config"])
        .arg(config)
        .env("DEX_NATS_SERVER", binary())
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (said, heard) = mpsc::channel();
    let kept = Arc::clone(log);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            kept.lock().expect("no test panics with it").push(line.clone());
            // The test may be over.
            let _ = said.send(line);
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut before = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = heard.recv_timeout(left) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the daemon did not get ready: {}", before.join("\n"));
        };
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &event["fields"];
        if fields["message"] == "ready" {
            let text = |name: &str| fields[name].as_str().expect("named by ready").to_owned();
            return (child, text("nats"), text("http"));
        }
        before.push(line);
    }
}

#[allow(dead_code)]
impl Exchange {
    /// Starts one with its own broker and waits until it is ready.
    pub fn start() -> Self {
        Self::with("[nats.embedded]\nport = 0\n", &[])
    }

    /// The same, with variables in the daemon's environment; a restart goes without them.
    pub fn with_env(env: &[(&str, &str)]) -> Self {
        Self::with("[nats.embedded]\nport = 0\n", env)
    }

    /// Starts one with its own broker and further TOML; `more` begins with a section.
    pub fn start_with(more: &str) -> Self {
        Self::with(&format!("[nats.embedded]\nport = 0\n{more}\n"), &[])
    }

    /// Starts one on a broker that outlives it.
    pub fn on(broker: &TestServer) -> Self {
        Self::on_with_env(broker, &[])
    }

    /// The same, with variables in the daemon's environment; a restart goes without them.
    pub fn on_with_env(broker: &TestServer, env: &[(&str, &str)]) -> Self {
        Self::with(&format!("[nats]\nurl = \"{}\"\n", broker.url()), env)
    }

    /// Starts one on a broker that outlives it, with further TOML; `more` begins with a section.
    pub fn tuned(broker: &TestServer, more: &str) -> Self {
        Self::with(&format!("[nats]\nurl = \"{}\"\n{more}\n", broker.url()), &[])
    }

    /// Rewrites its configuration and tells it to read it again.
    pub fn reload(&self, change: impl FnOnce(String) -> String) {
        let file = self.path("dex.toml");
        let text = std::fs::read_to_string(&file).expect("written at the start");
        std::fs::write(&file, change(text)).expect("written");
        self.hangup();
    }

    /// Lets no file of the daemon grow beyond so many bytes.
    pub fn limit_files(&self, bytes: u64) {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a limit of a child that was started here, from a value that outlives the call.
        let done = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// Waits until it has ended by itself; its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it ends by itself");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it is ready, and what it says of itself.
    pub async fn ready(&self) -> (bool, String) {
        let answer = get(&format!("http://{}/health/ready", self.http)).await.expect("answers");
        (answer.status().is_success(), answer.text().await.expect("a text"))
    }

    fn with(broker: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("temp folder");
        let operator = keys::load_or_make(&folder.path().join("operator.key")).expect("a key");
        let config = folder.path().join("dex.toml");
        let text = format!(
            "[exchange]\norigin = \"dex.test\"\npartitions = 2\nstate_dir = {state:?}\n[[operator]]\nname = \"main\"\nkeys = [\"{key}\"]\n\
             {broker}[http]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n",
            state = folder.path().join("state"),
            key = operator.public(),
        );
        std::fs::write(&config, text).expect("written");
        let log = Log::default();
        let (child, nats, http) = launch(&config, env, &log);
        Exchange { folder, child, nats, http, log }
    }

    /// What it has logged so far, over all starts.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no test panics with it").clone()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the daemon without a word.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Starts it again on the same state; returns how long it took to get ready.
    pub fn restart(&mut self) -> Duration {
        let began = Instant::now();
        let (child, nats, http) = launch(&self.folder.path().join("dex.toml"), &[], &self.log);
        (self.child, self.nats, self.http) = (child, nats, http);
        began.elapsed()
    }

    /// Tells it to read its configuration again.
    pub fn hangup(&self) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a signal to a child that was started here and not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGHUP) }, 0);
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        end(&mut self.child);
    }

    /// A file in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The operator's address and key.
    pub fn operator(&self) -> (Address, Signer) {
        let key = keys::load(&self.path("operator.key")).expect("made at start");
        ("operator:main".parse().expect("an address"), key)
    }

    /// A client that speaks for the operator.
    pub async fn client(&self) -> Client {
        let (address, signer) = self.operator();
        let options = ClientOptions::new(&self.nats, address).signer(signer);
        Client::connect(options).await.expect("connects")
    }

    /// The key in `<name>.key` of the test's folder, made when there is none.
    pub fn key(&self, name: &str) -> (Signer, Key) {
        let signer = keys::load_or_make(&self.path(&format!("{name}.key"))).expect("a key");
        let public = signer.public();
        (signer, public)
    }

    /// Its metrics page.
    pub async fn metrics(&self) -> String {
        let answer = get(&format!("http://{}/metrics", self.http)).await.expect("answers");
        answer.text().await.expect("a page")
    }
}

fn end(child: &mut Child) {
    if child.try_wait().ok().flatten().is_some() {
        return;
    }
    let pid = i32::try_from(child.id()).expect("a pid");
    // SAFETY: a signal to a child that was started here and not yet waited for.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline && child.try_wait().ok().flatten().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Exchange {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
