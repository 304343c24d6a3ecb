//! The child process: started by a thread that outlives it, ended by signals, and found again after we were killed.

use std::{
    fmt, fs, io,
    num::NonZeroUsize,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{EmbeddedError, config};

/// How long a stale server may take after each signal.
const STALE_GRACE: Duration = Duration::from_secs(10);

/// Environment variable that bounds the threads which run Go code.
const THREADS: &str = "GOMAXPROCS";

/// What the server's `GOMAXPROCS` is to be; none when it stands in our environment and nothing else is `wanted`.
fn threads(wanted: Option<NonZeroUsize>) -> Option<String> {
    let half = || match std::env::var_os(THREADS).filter(|set| !set.is_empty()) {
        Some(_) => None,
        None => Some((thread::available_parallelism().map_or(1, NonZeroUsize::get) / 2).max(1)),
    };
    wanted.map(NonZeroUsize::get).or_else(half).map(|threads| threads.to_string())
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerExit {
    /// Exit code, when it ended by itself.
    pub code: Option<i32>,
    /// Signal, when one ended it.
    pub signal: Option<i32>,
}

impl fmt::Display for ServerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown end"),
        }
    }
}

impl From<ExitStatus> for ServerExit {
    fn from(status: ExitStatus) -> Self {
        Self { code: status.code(), signal: status.signal() }
    }
}

/// A child that runs, or ran.
#[derive(Debug)]
pub(super) struct Running {
    pid: i32,
    exit: watch::Receiver<Option<ServerExit>>,
}

impl Running {
    /// Starts `binary -c config` in its own process group, to get SIGTERM when this process dies. `wanted` are its threads.
    ///
    /// The kernel sends that signal when the *thread* that made the child ends, so the child is made by a thread of its own
    /// that waits for it.
    pub(super) fn spawn(binary: &Path, config: &Path, wanted: Option<NonZeroUsize>) -> Result<Self, EmbeddedError> {
        let mut command = Command::new(binary);
        if let Some(threads) = threads(wanted) {
            command.env(THREADS, threads);
        }
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let parent = std::process::id();
        // SAFETY: between fork and exec only async-signal-safe calls (prctl, getppid) are made and nothing is allocated.
        #[allow(unsafe_code)] // no safe call sets a death signal between fork and exec
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // The parent may have died before the call above took effect.
                if libc::getppid().unsigned_abs() != parent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
        let failed = |source| EmbeddedError::Io { what: "start", path: binary.to_path_buf(), source };
        let (spawned, started) = std::sync::mpsc::sync_channel(1);
        let (sender, exit) = watch::channel(None);
        thread::Builder::new()
            .name("nats-server".into())
            .spawn(move || match command.spawn() {
                Ok(mut child) => {
                    let _ = spawned.send(Ok(child.id()));
                    let exit = child.wait().map_or(ServerExit { code: None, signal: None }, ServerExit::from);
                    sender.send_replace(Some(exit));
                }
                Err(error) => {
                    let _ = spawned.send(Err(error));
                }
            })
            .map_err(failed)?;
        let pid = match started.recv() {
            Ok(started) => started.map_err(failed)?,
            Err(_) => return Err(failed(io::Error::other("the starting thread ended"))),
        };
        Ok(Self { pid: pid.cast_signed(), exit })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Waits until it ends.
    pub(super) async fn wait(&mut self) -> ServerExit {
        match self.exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(ServerExit { code: None, signal: None }),
            Err(_) => ServerExit { code: None, signal: None },
        }
    }

    /// SIGTERM, `grace`, SIGKILL. Of one that ended already, how it ended.
    pub(super) async fn stop(&mut self, grace: Duration) -> ServerExit {
        for signal in [libc::SIGTERM, libc::SIGKILL] {
            self.signal(signal);
            if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
                return exit;
            }
        }
        ServerExit { code: None, signal: None }
    }

    fn signal(&self, signal: i32) {
        // Not after its end is known: its number may belong to another process by then.
        if self.exit.borrow().is_none() {
            kill(self.pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(libc::SIGTERM);
    }
}

/// Ends a server that an earlier run left on this store. Only a process whose command line names our configuration file
/// and a nats-server is touched.
pub(super) async fn end_stale(folder: &Path) -> Result<(), EmbeddedError> {
    let config = config::config_file(folder);
    let Some(pid) = fs::read_to_string(config::pid_file(folder)).ok().and_then(|text| text.trim().parse::<i32>().ok())
    else {
        return Ok(());
    };
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        if !is_ours(pid, &config) {
            return Ok(());
        }
        tracing::warn!(pid, signal, "ending a nats-server left over from an earlier run");
        kill(pid, signal);
        let deadline = Instant::now() + STALE_GRACE;
        while Instant::now() < deadline {
            if !is_ours(pid, &config) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    if is_ours(pid, &config) { Err(EmbeddedError::Stale { pid, path: folder.to_path_buf() }) } else { Ok(()) }
}

/// Is `pid` a live nats-server started with `config`? (A zombie has an empty command line.)
fn is_ours(pid: i32, config: &Path) -> bool {
    if pid <= 1 {
        return false;
    }
    let process = PathBuf::from(format!("/proc/{pid}"));
    let Ok(command_line) = fs::read(process.join("cmdline")) else {
        return false;
    };
    let mut arguments = command_line.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let names_us = arguments.any(|argument| argument == config.as_os_str().as_encoded_bytes());
    let program_name = Path::new(std::str::from_utf8(program).unwrap_or_default()).file_name();
    let executable = fs::read_link(process.join("exe")).ok();
    let is_server = [program_name, executable.as_deref().and_then(Path::file_name)]
        .into_iter()
        .flatten()
        .any(|name| name.to_string_lossy().contains("nats-server"));
    names_us && is_server
}

#[allow(unsafe_code)] // a signal by pid
fn kill(pid: i32, signal: i32) {
    // SAFETY: kill has no memory effects; callers made sure that the number is that of our own child or server.
    let _ = unsafe { libc::kill(pid, signal) };
}
