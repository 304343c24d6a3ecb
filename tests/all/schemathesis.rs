//! schemathesis (PyPI) against the OpenAPI of a running gateway: whatever it makes up, nothing is answered 5xx.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::gateway::{Gateway, hat_token};

/// How long one run may take.
const WITHIN: Duration = Duration::from_secs(240);

async fn run(gateway: &Gateway, token: Option<String>) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/venv/bin/schemathesis");
    assert!(program.exists(), "{} is not there: run `make tools`", program.display());
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.txt");
    let out = std::fs::File::create(&report).expect("a file");
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(format!("{}/api/openapi.json", gateway.url))
        .args(["--checks", "not_a_server_error", "--max-examples", "15", "--max-time", "30", "--seed", "1"])
        .args(["--no-color", "--generation-database", "none", "--warnings", "off"])
        .args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--suppress-health-check", "all"])
        // It would end the token that all other requests use.
        .args(["--exclude-path", "/api/v1/logout"]);
    if let Some(token) = &token {
        command.arg("--header").arg(format!("X-Auth-Token: {token}"));
    }
    command.current_dir(folder.path()).env("HYPOTHESIS_STORAGE_DIRECTORY", folder.path());
    let err = out.try_clone().expect("the same file");
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("schemathesis starts");
    let deadline = Instant::now() + WITHIN;
    let status = loop {
        if let Some(status) = child.try_wait().expect("waits") {
            break Some(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let said = std::fs::read_to_string(&report).unwrap_or_default();
    assert!(status.is_some_and(|status| status.success()), "{status:?}:\n{said}");
}

#[tokio::test]
async fn nothing_that_is_made_up_is_answered_5xx() {
    let gateway = Gateway::start();
    let admin = gateway.account("root", &["Master"]).await;
    gateway.hat("bob.example.net").await;
    run(&gateway, None).await;
    run(&gateway, Some(admin)).await;
    run(&gateway, Some(hat_token("bob.example.net"))).await;
    assert_eq!(gateway.get("/api/v1/ledger/checkpoint", None).await.0, 200, "it still answers");
    let log = gateway.exchange.log().join("\n");
    assert!(!log.contains("panicked"), "{log}");
}
