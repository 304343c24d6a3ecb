//! A real `dex worker` beside the demo's exchange: it acquires from the demo's own source what the exchange plans.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;

use super::child::{command, tail, this};
use super::source::Source;
use crate::cli::fail::Failure;
use crate::client::keys;
use crate::simulation::acquired::{ACQUIRER, manifest};
use crate::wire::Signer;

/// How long the worker may take to end what is under way.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A running worker and its source.
pub struct Acquiring {
    child: Child,
    log: PathBuf,
    // It is asked until the worker has ended.
    _source: Source,
}

impl Acquiring {
    /// Starts the worker for the plug with this key.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be started.
    pub fn start(folder: &Path, nats: &str, signer: &Signer, source: Source) -> Result<Self, Failure> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Failure::Usage(format!("{what}: {error}"));
        let key = folder.join(format!("{ACQUIRER}.key"));
        let mut more = Vec::new();
        if key.exists() {
            // The manifest of an earlier run names that run's source.
            let own = folder.join(format!("{ACQUIRER}.json"));
            let text = manifest(&source.address.to_string()).to_string();
            std::fs::write(&own, text).map_err(|error| failed("the worker's manifest", &error))?;
            more.extend([std::ffi::OsString::from("--manifest"), own.into()]);
        } else {
            keys::store(&key, signer).map_err(|error| failed("the worker's key", &error))?;
        }
        let log = folder.join("worker.log");
        let file = std::fs::File::create(&log).map_err(|error| failed("the worker's log", &error))?;
        let child = command(&this()?)
            .args(["worker", "--plug", ACQUIRER, "--url", nats, "--key"])
            .arg(&key)
            .arg("--state-dir")
            .arg(folder.join("worker"))
            .args(["--allow-private", &source.address.to_string()])
            .args(more)
            .env("DEX_WORKER__LOG__FORMAT", "json")
            .env_remove("DEX_WORKER_CONFIG")
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|error| failed("dex worker", &error))?;
        Ok(Acquiring { child, log, _source: source })
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// A sentence when it had to be killed, or ended other than in order.
    #[allow(unsafe_code, reason = "std has no signal but SIGKILL")]
    pub async fn stop(mut self) -> Result<(), String> {
        let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) else {
            return Err(format!("the worker had ended; the end of its log:\n{}", tail(&self.log)));
        };
        // SAFETY: kill has no memory effects; the child is ours and not reaped yet, so the pid is its.
        #[allow(unsafe_code)] // a signal by pid
        unsafe {
            libc::kill(pid, libc::SIGTERM)
        };
        match tokio::time::timeout(STOP_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the worker ended with {status}; the end of its log:\n{}", tail(&self.log))),
            Ok(Err(error)) => Err(format!("the worker: {error}")),
            Err(_) => {
                let _ = self.child.kill().await;
                Err(format!("the worker did not stop within {STOP_WITHIN:?} and was killed"))
            }
        }
    }
}
