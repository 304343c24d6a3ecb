//! The embedded server: start, use, crash, restart on the same port and store, stop, and what an earlier run left.

use std::{
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

use dex::nats::{
    Connect, EmbeddedError, EmbeddedOptions, EmbeddedServer, WebSocketOptions, lookup::identity, streams::prepare_in,
};
use tokio::time::timeout;

use super::nats_streams::in_limits;
use crate::support::nats_server::binary;

fn options(folder: &Path) -> EmbeddedOptions {
    EmbeddedOptions { binary: Some(binary()), ..EmbeddedOptions::new(folder.join("state/nats")) }
}

fn kill(pid: u32) {
    let done = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
    assert!(done.success());
}

fn alive(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test]
async fn it_starts_survives_a_crash_and_stops() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut server = EmbeddedServer::start(options(folder.path())).await.expect("start");
    assert!(server.version().starts_with("nats-server: v2."));
    let mode = std::fs::metadata(folder.path().join("state/nats/nats.conf")).expect("config").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let link = Connect::new(server.url(), "test").open().await.expect("connect");
    let made = prepare_in(&link.jetstream, &in_limits(2)).await.expect("make");
    let ack = link.jetstream.publish("dex.v1.in.hat.bob.data", "x".into()).await.expect("publish");
    ack.await.expect("ack");

    let (url, pid) = (server.url(), server.pid());
    assert!(timeout(Duration::from_millis(50), server.wait_exit()).await.is_err(), "it runs");
    kill(pid);
    let exit = timeout(Duration::from_secs(5), server.wait_exit()).await.expect("the crash is seen");
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    server.restart().await.expect("restart");
    assert_eq!((server.url(), server.restarts()), (url, 1));
    assert_ne!(server.pid(), pid);
    let link = Connect::new(server.url(), "test").open().await.expect("connect again");
    let after = identity(&link.jetstream, "DEX_IN").await.expect("the stream is still there");
    assert_eq!((after.created_ns, after.last_sequence), (made.identity.created_ns, 1));

    let pid = server.pid();
    server.stop().await;
    assert!(!alive(pid));
    assert!(!folder.path().join("state/nats/nats.pid").exists());
}

#[tokio::test]
async fn it_runs_on_half_of_the_cores_unless_it_is_told_otherwise() {
    let folder = tempfile::tempdir().expect("temp folder");
    let told = async |options: EmbeddedOptions| {
        let server = EmbeddedServer::start(options).await.expect("start");
        let environment = std::fs::read(format!("/proc/{}/environ", server.pid())).expect("its environment");
        server.stop().await;
        let threads = environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"GOMAXPROCS="));
        threads.map(|threads| String::from_utf8_lossy(threads).into_owned())
    };
    let cores = std::thread::available_parallelism().expect("a number").get();
    let usual = std::env::var("GOMAXPROCS").unwrap_or_else(|_| (cores / 2).max(1).to_string());
    assert_eq!(told(options(folder.path())).await, Some(usual));
    let three = EmbeddedOptions { threads: std::num::NonZeroUsize::new(3), ..options(folder.path()) };
    assert_eq!(told(three).await.as_deref(), Some("3"));
}

/// The status of the answer to a page of this origin that asks for a WebSocket.
fn upgrade(url: &str, origin: Option<&str>) -> String {
    let host = url.strip_prefix("ws://").expect("a WebSocket's address");
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    let mut socket = std::net::TcpStream::connect(host).expect("connects");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    let ask = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{origin}\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).expect("written");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

#[tokio::test]
async fn pages_of_listed_origins_may_connect_over_websocket_and_no_others() {
    let folder = tempfile::tempdir().expect("temp folder");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let with = |origins: &[&str]| {
        let origins = origins.iter().map(ToString::to_string).collect();
        EmbeddedOptions { websocket: Some(WebSocketOptions { listen, origins }), ..options(folder.path()) }
    };
    let plain = EmbeddedServer::start(options(folder.path())).await.expect("start");
    assert_eq!(plain.websocket_url(), None, "off unless it is asked for");
    plain.stop().await;

    let mut server =
        EmbeddedServer::start(with(&["https://app.example.org", "http://127.0.0.1:81"])).await.expect("start");
    let url = server.websocket_url().expect("listens");
    let own = url.replace("ws://", "http://");
    let ask = |origin| upgrade(&url, origin);
    assert_eq!(
        [ask(Some("https://app.example.org")), ask(Some("http://127.0.0.1:81")), ask(None)],
        ["101", "101", "101"]
    );
    for other in [
        "http://app.example.org",
        "https://app.example.org:81",
        "https://evil.example",
        "http://127.0.0.1",
        own.as_str(),
    ] {
        assert_eq!(ask(Some(other)), "403", "{other}");
    }
    server.restart().await.expect("restart");
    assert_eq!(server.websocket_url().as_ref(), Some(&url), "a restart keeps the port");
    assert_eq!(ask(Some("https://app.example.org")), "101");
    server.stop().await;

    let server = EmbeddedServer::start(with(&[])).await.expect("start");
    let url = server.websocket_url().expect("listens");
    let own = url.replace("ws://", "http://");
    assert_eq!([upgrade(&url, Some(&own)), upgrade(&url, Some("https://app.example.org"))], ["101", "403"]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_left_over_on_the_store_is_ended_first() {
    let folder = tempfile::tempdir().expect("temp folder");
    let first = EmbeddedServer::start(options(folder.path())).await.expect("start");
    let stale = first.pid();
    // As if we had been killed and the server had not noticed: nobody ends it, its pid file is there.
    let second = EmbeddedServer::start(options(folder.path())).await.expect("start over it");
    assert!(!alive(stale));
    assert_ne!(second.pid(), stale);
    Connect::new(second.url(), "test").open().await.expect("connect");
    drop(first);
    second.stop().await;
}

#[tokio::test]
async fn a_pid_file_that_names_another_process_harms_nobody() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut other = Command::new("sleep").arg("60").spawn().expect("sleep");
    let state = folder.path().join("state/nats");
    std::fs::create_dir_all(&state).expect("folder");
    std::fs::write(state.join("nats.pid"), other.id().to_string()).expect("pid file");
    let server = EmbeddedServer::start(options(folder.path())).await.expect("start");
    assert!(other.try_wait().expect("wait").is_none(), "the other process was ended");
    other.kill().expect("kill");
    other.wait().expect("wait");
    server.stop().await;
}

#[tokio::test]
async fn dropping_it_ends_the_server() {
    let folder = tempfile::tempdir().expect("temp folder");
    let server = EmbeddedServer::start(options(folder.path())).await.expect("start");
    let pid = server.pid();
    assert!(alive(pid));
    drop(server);
    for _ in 0..200 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the server still runs");
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let folder = tempfile::tempdir().expect("temp folder");
    let broken = EmbeddedOptions { extra: "no_such_option: 1".into(), ..options(folder.path()) };
    let error = EmbeddedServer::start(broken).await.expect_err("bad configuration");
    assert!(matches!(error, EmbeddedError::Ended { .. }), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("address").port();
    let error =
        EmbeddedServer::start(EmbeddedOptions { port, ..options(folder.path()) }).await.expect_err("port taken");
    assert!(error.to_string().contains("address already in use"), "{error}");

    let nothing = EmbeddedOptions { binary: Some("/no/such/binary".into()), ..options(folder.path()) };
    let error = EmbeddedServer::start(nothing).await.expect_err("no binary");
    assert!(matches!(error, EmbeddedError::NotFound { .. }), "{error}");

    let other = EmbeddedOptions { binary: Some("/bin/true".into()), ..options(folder.path()) };
    let error = EmbeddedServer::start(other).await.expect_err("another program");
    assert!(matches!(error, EmbeddedError::Version { .. }), "{error}");
}

/// Started by the test below in a process of its own.
#[tokio::test]
#[ignore = "runs only as the child of another test"]
async fn holds_a_server_until_killed() {
    let folder = std::env::var("DEX_TEST_FOLDER").expect("DEX_TEST_FOLDER");
    let server = EmbeddedServer::start(options(Path::new(&folder))).await.expect("start");
    std::fs::write(Path::new(&folder).join("pid"), server.pid().to_string()).expect("write");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[test]
fn it_ends_when_the_daemon_is_killed() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut daemon = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "nats_embedded::holds_a_server_until_killed", "--ignored"])
        .env("DEX_TEST_FOLDER", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("child");
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(std::time::Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let pid = || std::fs::read_to_string(folder.path().join("pid")).ok()?.parse::<u32>().ok();
    until("the server did not start", &|| pid().is_some());
    let pid = pid().expect("pid");
    assert!(alive(pid));
    daemon.kill().expect("kill -9");
    daemon.wait().expect("wait");
    until("the server outlived the daemon", &|| !alive(pid));
}
