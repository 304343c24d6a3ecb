//! The demo's exchange: `dex serve` as a child, on ports of the system's choice, ended with the demo.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::cli::fail::Failure;
use crate::domain::Key;

/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long a stop may take before the process is killed.
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// Lines of the log shown when something went wrong.
const TAIL: usize = 12;

/// A running exchange.
pub struct Exchange {
    /// Address of its broker.
    pub nats: String,
    /// Address of its metrics, `host:port`.
    pub http: String,
    /// Address of its REST gateway, when that is on.
    pub gateway: Option<String>,
    tree_size: Option<u64>,
    child: Child,
    log: PathBuf,
}

fn usage(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{what}: {error}"))
}

/// The program that runs.
pub fn this() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| usage("the path of this program", &error))
}

/// A child that does not outlive this process and does not get its Ctrl-C.
#[allow(unsafe_code, reason = "only between fork and exec can a child be tied to its parent's life")]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        // The demo's configuration is its own.
        if name.to_string_lossy().starts_with("DEX__") || name == "DEX_CONFIG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        // SAFETY: between fork and exec only prctl and getppid are called, which are async-signal-safe.
        #[allow(unsafe_code)] // no safe call sets a death signal between fork and exec
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                // The parent may have ended before the call above.
                if u32::try_from(libc::getppid()) != Ok(parent) {
                    return Err(std::io::Error::other("the demo has ended"));
                }
                Ok(())
            });
        }
    }
    command
}

/// The environment variable that sets a key of the configuration.
fn variable(key: &str) -> String {
    format!("DEX__{}", key.to_uppercase().replace('.', "__"))
}

impl Exchange {
    /// Starts an exchange with its state in `folder/state` and waits until it is ready. `settings` are further keys of the
    /// configuration and their values.
    ///
    /// # Errors
    /// [`Failure`] with the end of its log.
    pub async fn start_with(
        folder: &Path,
        origin: &str,
        operator: &str,
        key: &Key,
        settings: &[(String, String)],
    ) -> Result<Self, Failure> {
        let config = folder.join("dex.toml");
        let state = serde_json::to_string(&folder.join("state")).map_err(|error| usage("the state folder", &error))?;
        let text = format!(
            "# Made by `dex demo`.\n\
             [exchange]\norigin = \"{origin}\"\nstate_dir = {state}\n\n\
             [[operator]]\nname = \"{operator}\"\nkeys = [\"{key}\"]\n\n\
             [nats.embedded]\nport = 0\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n\
             [log]\nlevel = \"info\"\nformat = \"json\"\n"
        );
        std::fs::write(&config, text).map_err(|error| usage(&config.display().to_string(), &error))?;
        let log = folder.join("dex.log");
        let _ = std::fs::remove_file(&log);
        Exchange::launch_with(&config, &log, settings).await
    }

    /// Starts the daemon of a configuration that is there and waits until it is ready; `log` grows.
    ///
    /// # Errors
    /// [`Failure`] with the end of its log.
    pub async fn launch(config: &Path, log: &Path) -> Result<Self, Failure> {
        Exchange::launch_with(config, log, &[]).await
    }

    async fn launch_with(config: &Path, log: &Path, settings: &[(String, String)]) -> Result<Self, Failure> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|error| usage(&log.display().to_string(), &error))?;
        let mut child = command(&this()?)
            .arg("serve")
            .arg("--config")
            .arg(config)
            .envs(settings.iter().map(|(key, value)| (variable(key), value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| usage("dex serve", &error))?;
        let lines = child.stderr.take().expect("stderr is piped, above");
        let (said, ready) = oneshot::channel();
        tokio::spawn(copy(lines, tokio::fs::File::from_std(file), said));
        let addresses = tokio::select! {
            addresses = ready => addresses.ok(),
            () = tokio::time::sleep(START_WITHIN) => None,
        };
        let Some(Said { nats, http, gateway, tree_size }) = addresses else {
            let _ = child.start_kill();
            let _ = child.wait().await;
            return Err(Failure::Unavailable(format!(
                "the exchange did not get ready; the end of its log:\n{}",
                tail(log)
            )));
        };
        Ok(Exchange { nats, http, gateway, tree_size, child, log: log.to_owned() })
    }

    /// Ends it by SIGKILL, without a word.
    ///
    /// # Errors
    /// A sentence when it had ended by itself before.
    pub async fn kill(&mut self) -> Result<(), String> {
        if let Some(how) = self.has_ended() {
            return Err(how);
        }
        self.child.kill().await.map_err(|error| format!("the exchange cannot be killed: {error}"))
    }

    /// How it ended, if it did, with the end of its log.
    pub fn has_ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                Some(format!("the exchange ended by itself with {status}; the end of its log:\n{}", tail(&self.log)))
            }
            Err(error) => Some(format!("the exchange: {error}")),
        }
    }

    /// Entries of its ledger when it was ready.
    pub fn tree_size(&self) -> Option<u64> {
        self.tree_size
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process ends by itself, which it should not; says how, with the end of its log.
    pub async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("{status}; the end of its log:\n{}", tail(&self.log)),
            Err(error) => error.to_string(),
        }
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// A sentence when it had to be killed, or ended other than in order.
    #[allow(unsafe_code, reason = "std has no signal but SIGKILL")]
    pub async fn stop(&mut self) -> Result<(), String> {
        let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) else {
            return Err(format!("the exchange had ended; the end of its log:\n{}", tail(&self.log)));
        };
        // SAFETY: kill has no memory effects; the child is ours and not reaped yet, so the pid is its.
        #[allow(unsafe_code)] // a signal by pid
        unsafe {
            libc::kill(pid, libc::SIGTERM)
        };
        match tokio::time::timeout(STOP_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                Err(format!("the exchange ended with {status}; the end of its log:\n{}", tail(&self.log)))
            }
            Ok(Err(error)) => Err(format!("the exchange: {error}")),
            Err(_) => {
                let _ = self.child.kill().await;
                Err(format!("the exchange did not stop within {STOP_WITHIN:?} and was killed"))
            }
        }
    }
}

/// Copies the log to its file; tells the addresses when the daemon says that it is ready.
async fn copy(lines: tokio::process::ChildStderr, mut file: tokio::fs::File, said: oneshot::Sender<Said>) {
    let mut said = Some(said);
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // A log that cannot be written does not stop the demo.
        let _ = file.write_all(format!("{line}\n").as_bytes()).await;
        if said.is_some()
            && let Some(addresses) = ready(&line)
            && let Some(said) = said.take()
        {
            let _ = file.flush().await;
            let _ = said.send(addresses);
        }
    }
    let _ = file.flush().await;
}

/// What the daemon says of itself once it is ready.
#[derive(Debug, PartialEq)]
struct Said {
    nats: String,
    http: String,
    gateway: Option<String>,
    tree_size: Option<u64>,
}

/// Out of the daemon's `ready` event.
fn ready(line: &str) -> Option<Said> {
    let event: Value = serde_json::from_str(line).ok()?;
    let fields = &event["fields"];
    if fields["message"] != "ready" {
        return None;
    }
    let text = |name: &str| fields[name].as_str().map(ToOwned::to_owned);
    let tree_size = fields["tree_size"].as_u64();
    Some(Said { nats: text("nats")?, http: text("http")?, gateway: text("gateway"), tree_size })
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// Runs `dex ledger check` over a state folder.
///
/// # Errors
/// What it found.
pub async fn check_ledger(state: &Path) -> Result<(), String> {
    let program = this().map_err(|failure| failure.to_string())?;
    let output = command(&program)
        .args(["ledger", "check"])
        .arg(state)
        .output()
        .await
        .map_err(|error| format!("dex ledger check: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("dex ledger check: {}", String::from_utf8_lossy(&said).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_read_from_the_ready_event() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","fields":{"message":"ready","nats":"nats://127.0.0.1:4999","http":"127.0.0.1:8999","gateway":"127.0.0.1:8998","tree_size":0},"target":"dex::daemon"}"#;
        let found = ready(line).expect("ready");
        assert_eq!((found.nats.as_str(), found.http.as_str()), ("nats://127.0.0.1:4999", "127.0.0.1:8999"));
        assert_eq!((found.gateway.as_deref(), found.tree_size), (Some("127.0.0.1:8998"), Some(0)));
        assert_eq!(ready("{\"fields\":{\"message\":\"starting\"}}"), None);
        assert_eq!(ready("no json"), None);
    }
}
