//! A real `nats-server` for one test: own store, own port, ended by its own pid.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dex::nats::{Connect, Link};
use tempfile::TempDir;

/// The binary: `DEX_NATS_SERVER`, `.tools/nats-server` in the repository, or `nats-server` on the PATH.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("DEX_NATS_SERVER") {
        return path.into();
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/nats-server");
    if tools.is_file() { tools } else { "nats-server".into() }
}

/// A running server. Dropping it kills it and removes its store.
pub struct TestServer {
    folder: TempDir,
    child: Option<Child>,
    port: u16,
    extra: String,
}

#[allow(dead_code)]
impl TestServer {
    /// Starts a server with JetStream on a port of its choice.
    pub fn start() -> Self {
        Self::with_config("")
    }

    /// Starts a server with lines added to its configuration.
    pub fn with_config(extra: &str) -> Self {
        let folder = tempfile::tempdir().expect("temp folder");
        let mut server = Self { folder, child: None, port: 0, extra: extra.to_string() };
        server.launch();
        server
    }

    /// Address of the server.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Port of the server; a restart keeps it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// A checked connection.
    pub async fn link(&self, name: &str) -> Link {
        Connect::new(self.url(), name).open().await.expect("connect to the test server")
    }

    /// Ends it at once (SIGKILL). The store stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port and store, killing it first if it runs.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Where the server keeps a stream.
    pub fn stored(&self, stream: &str) -> PathBuf {
        self.stream("store", stream)
    }

    fn stream(&self, place: &str, stream: &str) -> PathBuf {
        self.folder.path().join(place).join("jetstream/$G/streams").join(stream)
    }

    /// Keeps a copy of a stream as it is now; the server is restarted for it.
    pub fn save(&mut self, stream: &str) {
        self.kill();
        copy(&self.stream("store", stream), &self.stream("saved", stream));
        self.launch();
    }

    /// Puts the copy in place of the stream. The server has ended after it.
    pub fn put_back(&mut self, stream: &str) {
        self.kill();
        let place = self.stream("store", stream);
        std::fs::remove_dir_all(&place).expect("the stream's folder");
        copy(&self.stream("saved", stream), &place);
    }

    /// Starts the ended server on another port until `elsewhere` has ended, so that none of its clients comes back meanwhile.
    pub async fn elsewhere(&mut self, work: impl AsyncFnOnce(&Self)) {
        let port = std::mem::take(&mut self.port);
        self.launch();
        work(self).await;
        self.kill();
        self.port = port;
    }

    fn launch(&mut self) {
        let folder = self.folder.path();
        let ports = folder.join("ports");
        let _ = std::fs::remove_dir_all(&ports);
        std::fs::create_dir_all(&ports).expect("ports folder");
        let config = folder.join("nats.conf");
        let listen = if self.port == 0 { -1 } else { i32::from(self.port) };
        let text = format!(
            "listen: \"127.0.0.1:{listen}\"\nserver_name: test\nports_file_dir: \"{ports}\"\nlog_file: \"{log}\"\n\
             jetstream {{ store_dir: \"{store}\" }}\n{extra}\n",
            ports = ports.display(),
            log = folder.join("nats.log").display(),
            store = folder.join("store").display(),
            extra = self.extra,
        );
        std::fs::write(&config, text).expect("server configuration");
        let child = Command::new(binary())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {}: {error}; set DEX_NATS_SERVER to a nats-server ≥ 2.12", binary().display())
            });
        let pid = child.id();
        self.child = Some(child);
        let file = ports.join(format!("nats-server_{pid}.ports"));
        let deadline = Instant::now() + Duration::from_secs(20);
        self.port = loop {
            if let Some(port) = read_port(&ports) {
                break port;
            }
            let gone = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(
                gone.is_none() && Instant::now() < deadline,
                "nats-server did not get ready ({gone:?}, {}): {}",
                file.display(),
                std::fs::read_to_string(folder.join("nats.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        };
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for item in std::fs::read_dir(from).expect("a folder") {
        let item = item.expect("listed");
        let target = to.join(item.file_name());
        if item.file_type().expect("told").is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), &target).expect("copied");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The client port out of the server's ports file, once it is written.
fn read_port(folder: &Path) -> Option<u16> {
    let file =
        std::fs::read_dir(folder).ok()?.flatten().find(|f| f.path().extension().is_some_and(|e| e == "ports"))?;
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
    json["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}
