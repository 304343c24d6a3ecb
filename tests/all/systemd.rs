//! The systemd unit, checked by systemd's own tools over a staged root; what the daemon tells its manager.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dex::daemon::{Extras, watchdog};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::cast::{Cast, RECORD};
use crate::support::exchange::Exchange;
use crate::support::inside::{Ground, Inside};
use crate::support::nats_server::TestServer;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn tool(name: &str, arguments: &[&str]) -> Output {
    Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}; install the package systemd (tools/install-debian systemd)"))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A root with the host's own units, our binary and our files where docs/operations.md puts them.
struct Root(TempDir);

impl Root {
    fn stage(unit: &str, drop_in: &str) -> Root {
        let root = Root(tempfile::tempdir().expect("temp folder"));
        let host = ["/usr/lib/systemd/system", "/lib/systemd/system"].into_iter().map(Path::new).find(|it| it.is_dir());
        for item in fs::read_dir(host.expect("systemd's own units: install the package systemd")).expect("listed") {
            let path = item.expect("an item").path();
            if path.is_file() && path.extension().is_some_and(|it| it == "target" || it == "slice" || it == "socket") {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                root.put(&format!("usr/lib/systemd/system/{name}"), &fs::read(&path).expect("a unit"), 0o644);
            }
        }
        root.put("usr/local/bin/dex", b"#!/bin/sh\n", 0o755);
        root.put("bin/kill", b"#!/bin/sh\n", 0o755);
        root.put("etc/systemd/system/dex.service", unit.as_bytes(), 0o644);
        root.put("etc/systemd/system/dex.service.d/credentials.conf", drop_in.as_bytes(), 0o644);
        root.put("etc/dex/dex.toml", b"", 0o666);
        root.put("etc/dex/nats.seed", b"", 0o666);
        root.put("etc/systemd/system/dex-worker@.service", read("systemd/dex-worker@.service").as_bytes(), 0o644);
        root
    }

    fn path(&self) -> &str {
        self.0.path().to_str().expect("a path of letters")
    }

    fn put(&self, path: &str, text: &[u8], mode: u32) {
        let file = self.0.path().join(path);
        fs::create_dir_all(file.parent().expect("below the root")).expect("made");
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("set");
    }

    /// What `systemd-analyze verify` has to say: nothing when the unit is right.
    fn verify(&self, unit: &str) -> String {
        let root = format!("--root={}", self.path());
        let output = tool("systemd-analyze", &["verify", &root, "--man=no", unit]);
        let said = said(&output);
        assert_eq!(output.status.success(), said.is_empty() || !said.contains(unit), "{said}");
        said
    }
}

#[test]
fn the_unit_is_right_and_a_wrong_one_is_found() {
    let (unit, drop_in) = (read("systemd/dex.service"), read("systemd/credentials.conf"));
    assert_eq!(Root::stage(&unit, &drop_in).verify("dex.service"), "");
    for (right, wrong) in [
        ("WatchdogSec=60s", "WatchdogSecs=60s"),
        ("Type=notify", "Type=notified"),
        ("ExecStart=/usr/local/bin/dex", "ExecStart=/usr/local/bin/xed"),
        ("KillMode=mixed", "KillMode=some"),
    ] {
        let broken = unit.replace(right, wrong);
        assert_ne!(broken, unit, "{right} is in the unit");
        let said = Command::new("systemd-analyze")
            .arg("verify")
            .arg(format!("--root={}", Root::stage(&broken, &drop_in).path()))
            .args(["--man=no", "dex.service"])
            .output()
            .expect("runs");
        assert_ne!(self::said(&said), "", "{wrong} was let through");
    }
}

#[test]
fn the_unit_exposes_little() {
    let root = Root::stage(&read("systemd/dex.service"), &read("systemd/credentials.conf"));
    // In tenths: 2.0 is what systemd calls OK, and far below the 9.x of a unit without any of it.
    let arguments = ["security", "--offline=true", "--threshold=20", &format!("--root={}", root.path()), "dex.service"];
    let output = tool("systemd-analyze", &arguments);
    assert!(output.status.success(), "{}", said(&output));
    root.put("etc/systemd/system/dex.service", b"[Service]\nExecStart=/usr/local/bin/dex serve\n", 0o644);
    assert!(!tool("systemd-analyze", &arguments).status.success(), "a bare unit exposes much");
}

/// The worker's unit is a template for each plug.
#[test]
fn the_worker_s_unit_is_right_and_exposes_little() {
    const UNIT: &str = "dex-worker@fitbit.service";
    let (daemon, drop_in) = (read("systemd/dex.service"), read("systemd/credentials.conf"));
    let root = Root::stage(&daemon, &drop_in);
    assert_eq!(root.verify(UNIT), "");
    let arguments = ["security", "--offline=true", "--threshold=20", &format!("--root={}", root.path()), UNIT];
    let output = tool("systemd-analyze", &arguments);
    assert!(output.status.success(), "{}", said(&output));
    let unit = read("systemd/dex-worker@.service");
    let path = "etc/systemd/system/dex-worker@.service";
    let wrong = unit.replace("Type=notify", "Type=notified");
    assert_ne!(wrong, unit);
    root.put(path, wrong.as_bytes(), 0o644);
    assert_ne!(said(&tool("systemd-analyze", &["verify", &format!("--root={}", root.path()), "--man=no", UNIT])), "");
    root.put(path, b"[Service]\nExecStart=/usr/local/bin/dex worker\n", 0o644);
    assert!(!tool("systemd-analyze", &arguments).status.success(), "a bare unit exposes much");

    // What it runs is what the program takes.
    let line = key(&unit, "ExecStart").replace("%i", "fitbit").replace("%d", "/run/credentials/x");
    let words: Vec<&str> = line.split(' ').skip(1).chain(["--help"]).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_dex")).args(&words).output().expect("runs");
    assert!(output.status.success() && said(&output).contains("--state-dir"), "{}", said(&output));
    let users = repository("systemd/dex-worker.sysusers.conf");
    let output = tool("systemd-sysusers", &[&format!("--root={}", root.path()), users.to_str().expect("a path")]);
    assert!(output.status.success(), "{}", said(&output));
    let passwd = fs::read_to_string(root.0.path().join("etc/passwd")).expect("made");
    assert!(passwd.starts_with(&format!("{}:", key(&unit, "User"))), "{passwd}");
}

#[test]
fn user_and_folders_are_made_as_the_unit_needs_them() {
    let root = Root::stage("", "");
    let at = format!("--root={}", root.path());
    let users = repository("systemd/dex.sysusers.conf");
    let output = tool("systemd-sysusers", &[&at, users.to_str().expect("a path")]);
    assert!(output.status.success(), "{}", said(&output));
    let passwd = fs::read_to_string(root.0.path().join("etc/passwd")).expect("made");
    let fields: Vec<&str> = passwd.trim().split(':').collect();
    assert_eq!((fields[0], fields[5], fields[6]), ("dex", "/var/lib/dex", "/usr/sbin/nologin"), "{passwd}");

    // Only root can give files to others; the form of the file is checked all the same.
    let folders = repository("systemd/dex.tmpfiles.conf");
    let output = tool("systemd-tmpfiles", &[&at, "--create", folders.to_str().expect("a path")]);
    // SAFETY: it asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        assert!(!said(&output).contains("dex.tmpfiles.conf:"), "{}", said(&output));
        return;
    }
    assert!(output.status.success(), "{}", said(&output));
    let of = |path: &str| {
        let facts = fs::metadata(root.0.path().join(path)).expect("made");
        (facts.mode() & 0o7777, facts.uid())
    };
    let uid: u32 = fields[2].parse().expect("a number");
    assert_eq!(of("var/lib/dex"), (0o700, uid));
    assert_eq!(of("etc/dex"), (0o750, 0));
    assert_eq!(of("etc/dex/dex.toml"), (0o640, 0));
    assert_eq!(of("etc/dex/nats.seed"), (0o400, 0));
}

/// A key of the unit.
fn key<'a>(unit: &'a str, name: &str) -> &'a str {
    let line = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{name} is not in the unit"))
}

#[test]
fn a_thread_may_step_back_under_the_unit() {
    let unit = read("systemd/dex.service");
    let filters: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    let refused = filters.iter().position(|filter| filter.starts_with('~')).expect("@resources is refused");
    // What stands later counts.
    assert!(filters[refused..].contains(&"setpriority"), "{filters:?}");
}

#[test]
fn the_unit_restarts_what_a_restart_helps() {
    let unit = read("systemd/dex.service");
    assert_eq!(key(&unit, "Restart"), "on-failure");
    let never: Vec<u8> =
        key(&unit, "RestartPreventExitStatus").split(' ').map(|code| code.parse().expect("a code")).collect();
    assert!(!never.contains(&dex::daemon::EXIT_WRITE_FAILED), "75 reads what is on disk and goes on");
    let serve = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dex"));
        command.args(["serve", "--config"]).arg(file).stdin(Stdio::null());
        let output = command.output().expect("runs");
        (u8::try_from(output.status.code().expect("it ended by itself")).expect("a code"), said(&output))
    };
    let folder = tempfile::tempdir().expect("temp folder");
    let file = folder.path().join("dex.toml");
    fs::write(&file, "[exchange]\npartitions = 0\n").expect("written");
    let (code, text) = serve(&file);
    assert!(never.contains(&code) && text.contains("exchange.partitions"), "{code}: {text}");
    // What is not there now may come: a disk, or a broker.
    let state = file.join("below-a-file");
    fs::write(&file, format!("[exchange]\nstate_dir = {state:?}\n")).expect("written");
    let (code, text) = serve(&file);
    assert!(code != 0 && !never.contains(&code), "{code}: {text}");

    let seconds = |name: &str| -> u64 { key(&unit, name).trim_end_matches('s').parse().expect("seconds") };
    assert!(seconds("TimeoutStopSec") > 30, "a stop takes 20 s at most, and a broker of our own is stopped after it");
    assert!(seconds("WatchdogSec") >= 30, "the parts of the daemon beat once a second; a busy disk takes its time");
}

/// What a service manager hears: the messages one after the other.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Manager {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        Manager { socket, path, _folder: folder }
    }

    /// The next message, or none within `patience`.
    fn next(&self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).expect("set");
        let mut bytes = [0; 4096];
        match self.socket.recv(&mut bytes) {
            Ok(length) => Some(String::from_utf8_lossy(&bytes[..length]).into_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("the socket: {error}"),
        }
    }

    /// Reads on until a message has a line that begins with `line`; returns how many did not.
    fn until(&self, line: &str) -> usize {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut others = 0;
        while let Some(message) = self.next(deadline.saturating_duration_since(Instant::now()).max(MOMENT)) {
            if message.lines().any(|it| it.starts_with(line)) {
                return others;
            }
            others += 1;
        }
        panic!("{line} was not said");
    }

    /// Drops what is there.
    fn drain(&self) {
        while self.next(MOMENT).is_some() {}
    }
}

const MOMENT: Duration = Duration::from_millis(1);

fn signal(pid: u32, signal: libc::c_int) {
    let pid = i32::try_from(pid).expect("a pid");
    // SAFETY: a signal to a child that was started here and not yet waited for.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[test]
fn the_manager_hears_when_it_is_ready_lives_reloads_and_stops() {
    let manager = Manager::new();
    let notify = manager.path.to_str().expect("a path");
    let mut exchange = Exchange::with_env(&[("NOTIFY_SOCKET", notify), ("WATCHDOG_USEC", "900000")]);
    assert_eq!(manager.next(Duration::from_secs(20)).as_deref().map(str::trim), Some("READY=1"), "first of all");
    for _ in 0..4 {
        assert_eq!(manager.until("WATCHDOG=1"), 0, "pings follow each other");
    }
    // A process that hangs does not ping; nor does it forget to when it goes on.
    signal(exchange.pid(), libc::SIGSTOP);
    std::thread::sleep(Duration::from_millis(100));
    manager.drain();
    assert_eq!(manager.next(Duration::from_secs(2)), None, "it hangs");
    signal(exchange.pid(), libc::SIGCONT);
    manager.until("WATCHDOG=1");

    exchange.hangup();
    manager.until("RELOADING=1");
    manager.until("READY=1");
    manager.until("WATCHDOG=1");

    exchange.stop();
    manager.until("STOPPING=1");
    manager.drain();
    assert_eq!(manager.next(Duration::from_millis(500)), None, "nothing after the end");
}

#[test]
fn without_a_watchdog_nothing_is_pinged() {
    let manager = Manager::new();
    let mut exchange = Exchange::with_env(&[("NOTIFY_SOCKET", manager.path.to_str().expect("a path"))]);
    manager.until("READY=1");
    assert_eq!(manager.next(Duration::from_secs(2)), None);
    exchange.stop();
    manager.until("STOPPING=1");
}

/// A partition that hangs in its own thread, while the rest of the daemon goes on: no ping until it goes on too.
#[actix::test]
async fn a_partition_that_hangs_stops_the_pings() {
    let ground = Ground::new();
    let hang = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&hang);
    let extras = Extras {
        fault: Some(Arc::new(move |_| {
            while hook.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
        })),
        ..Extras::default()
    };
    let daemon = Inside::start(ground.config(""), extras);
    let cast = Cast::new(ground.client().await, 1).await;
    let manager = Manager::new();
    let (socket, path) = (UnixDatagram::unbound().expect("a socket"), manager.path.clone());
    socket.set_nonblocking(true).expect("set");
    let health = Arc::clone(&daemon.shared.health);
    let (over, ends) = tokio::sync::oneshot::channel::<()>();
    // On a thread of its own, because this one waits for what it sends.
    let pings = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                // A ping that finds the queue full is one of many.
                () = watchdog::ping(&health, Duration::from_millis(1200), || {
                    let _ = socket.send_to(b"WATCHDOG=1", &path);
                }) => {}
                _ = ends => {}
            }
        });
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(manager.until("WATCHDOG=1"), 0, "it is well");

    hang.store(true, Ordering::SeqCst);
    let bob = cast.hat(0);
    let plug = &cast.plug;
    let released = async {
        // 10 s is the shortest patience.
        tokio::time::sleep(Duration::from_secs(8)).await;
        manager.drain();
        assert_eq!(manager.until("WATCHDOG=1"), 0, "it may be slow");
        tokio::time::sleep(Duration::from_secs(5)).await;
        manager.drain();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let heard = manager.next(MOMENT);
        let stuck = daemon.shared.health.stuck(Instant::now(), Duration::from_secs(10));
        hang.store(false, Ordering::SeqCst);
        assert_eq!(heard, None, "a partition is stuck");
        assert!(stuck.iter().any(|part| part.starts_with("partition-")), "{stuck:?}");
    };
    let (_, sent) = tokio::join!(released, plug.credit(&bob, RECORD));
    drop(sent);
    tokio::time::sleep(Duration::from_secs(2)).await;
    manager.until("WATCHDOG=1");
    drop(over);
    pings.join().expect("it ends");
    assert!(daemon.stop());
}

/// A restart would not bring the broker back: while it is away, or hangs, the daemon waits and is alive.
#[tokio::test]
async fn a_broker_that_is_away_or_hangs_does_not_stop_the_pings() {
    let mut broker = TestServer::start();
    let manager = Arc::new(Manager::new());
    let notify = manager.path.to_str().expect("a path").to_owned();
    let exchange = Exchange::on_with_env(&broker, &[("NOTIFY_SOCKET", &notify), ("WATCHDOG_USEC", "1800000")]);
    let cast = Cast::new(exchange.client().await, 1).await;
    let stop = CancellationToken::new();
    // Deliveries that nobody answers, and always something to publish.
    let (plug, bob, ends) = (cast.plug, cast.hats[0].party().id.clone(), stop.clone());
    let sending = tokio::spawn(async move {
        while !ends.is_cancelled() {
            let credits = (0..20).map(|_| plug.credit(&bob, RECORD));
            drop(futures_util::future::join_all(credits).await);
        }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let watch = async |seconds: u64, why: &'static str| {
        let manager = Arc::clone(&manager);
        let watching = tokio::task::spawn_blocking(move || {
            let until = Instant::now() + Duration::from_secs(seconds);
            while Instant::now() < until {
                assert!(manager.next(Duration::from_secs(4)).is_some(), "{why}: no ping for 4 s");
            }
        });
        if let Err(error) = watching.await {
            let said: Vec<String> = exchange.log().into_iter().filter(|line| line.contains("stuck")).collect();
            panic!("{error}: {said:?}");
        }
    };
    signal(broker.pid(), libc::SIGSTOP);
    watch(16, "the broker hangs").await;
    signal(broker.pid(), libc::SIGCONT);
    watch(3, "it goes on").await;
    broker.kill();
    watch(16, "the broker is away").await;
    broker.restart();
    watch(4, "it is back").await;
    stop.cancel();
    sending.abort();
}
