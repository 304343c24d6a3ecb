//! A daemon inside the test's process, on a thread of its own: for faults that only the code itself can make.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use dex::actors::shared::Shared;
use dex::client::{Client, ClientOptions, keys};
use dex::config::Config;
use dex::daemon::{Extras, Running};
use dex::wire::Signer;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::nats_server::TestServer;

/// A state folder with its operator's key, and a broker that outlives the daemon.
pub struct Ground {
    pub folder: TempDir,
    pub broker: TestServer,
}

impl Ground {
    pub fn new() -> Ground {
        Ground { folder: tempfile::tempdir().expect("temp folder"), broker: TestServer::start() }
    }

    pub fn operator(&self) -> Signer {
        keys::load_or_make(&self.folder.path().join("operator.key")).expect("a key")
    }

    /// The configuration, with further TOML `more`.
    pub fn config(&self, more: &str) -> Config {
        let file = self.folder.path().join("dex.toml");
        let text = format!(
            "[exchange]\norigin = \"dex.test\"\npartitions = 2\nstate_dir = {:?}\n[[operator]]\nname = \"main\"\nkeys = [\"{}\"]\n\
             [nats]\nurl = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n{more}",
            self.folder.path().join("state"),
            self.operator().public(),
            self.broker.url(),
        );
        std::fs::write(&file, text).expect("written");
        dex::config::load(Some(&file)).expect("a right configuration")
    }

    /// A client that speaks for the operator.
    pub async fn client(&self) -> Client {
        let options = ClientOptions::new(self.broker.url(), "operator:main".parse().expect("an address"));
        Client::connect(options.signer(self.operator())).await.expect("connects")
    }
}

/// A running daemon. Dropping it stops it in order.
pub struct Inside {
    pub shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<bool>>,
}

impl Inside {
    /// Starts one and waits until it is ready.
    pub fn start(config: Config, extras: Extras) -> Inside {
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let running = Running::start(config, extras).await.expect("the daemon starts");
                ready.send(Arc::clone(running.shared())).expect("the test waits");
                // A test that ends drops its side: that is a stop too.
                let _ = stopped.await;
                running.stop(Duration::from_secs(20)).await
            })
        });
        let shared = started.recv_timeout(Duration::from_secs(60)).expect("the daemon gets ready");
        Inside { shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Stops it; true when everything was drained.
    pub fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        drop(self.stop.take());
        self.thread.take().is_none_or(|thread| thread.join().unwrap_or(false))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.end();
    }
}
