//! `dex worker --check`: everything that can be told before the first job comes.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use crate::cli::args::Globals;
use crate::cli::fail::{FINDING, Failure};
use crate::cli::{link, out};
use crate::client::{Client, keys};
use crate::domain::{Address, Id, Kind};
use crate::worker::account::Accounts;
use crate::worker::config::{PlugOf, WorkerConfig};
use crate::worker::known::Known;

/// Looks at every plug.
///
/// # Errors
/// [`Failure`] when what was found cannot be written.
pub fn run(globals: &Globals, config: &WorkerConfig) -> Result<ExitCode, Failure> {
    let mut problems = Vec::new();
    let mut fetched = Vec::new();
    link::wait(async {
        let client = Client::connect(super::connect(globals, config)).await;
        if let Err(error) = &client {
            problems.push(format!("the exchange: {error}"));
        }
        for plug in &config.plug {
            look(plug, client.as_ref().ok(), &mut problems, &mut fetched).await;
        }
        Ok(())
    })?;
    if globals.json {
        out::json(&json!({ "ok": problems.is_empty(), "problems": problems, "endpoints": fetched }))?;
    } else {
        for endpoint in &fetched {
            out::line(format!("fetches {endpoint}"))?;
        }
        for problem in &problems {
            out::line(problem)?;
        }
        if problems.is_empty() {
            out::line("the worker can begin")?;
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

async fn look(plug: &PlugOf, client: Option<&Client>, problems: &mut Vec<String>, fetched: &mut Vec<String>) {
    let mut wrong = |what: String| problems.push(format!("plug {:?}: {what}", plug.id));
    let is_named = |path: &Path| !path.as_os_str().is_empty();
    let key = match keys::load(&plug.key) {
        Ok(key) => Some(key),
        Err(error) => {
            wrong(error.to_string());
            None
        }
    };
    let own = match is_named(&plug.manifest).then(|| super::manifest(&plug.manifest)).transpose() {
        Ok(own) => own,
        Err(what) => return wrong(what),
    };
    let known = match (client, key, Id::new(&plug.id)) {
        (Some(client), Some(key), Ok(id)) => {
            let voice = client.speaking(Address::new(Kind::Plug, id), key);
            match Known::ask(&voice, own.as_ref(), &Arc::default()).await {
                Ok(known) => Some(known),
                Err(what) => {
                    wrong(what);
                    None
                }
            }
        }
        // Without the exchange its own manifest can still be looked at; the namespace is the plug's id for most.
        _ => own.map(|own| Arc::new(Known::read(&plug.id, &own))),
    };
    if let Some(known) = &known {
        known.faults.iter().cloned().for_each(&mut wrong);
        let mut names: Vec<&str> = known.endpoints.values().map(|endpoint| endpoint.whole.as_str()).collect();
        names.sort_unstable();
        fetched.extend(names.into_iter().map(str::to_owned));
    }
    let accounts = is_named(&plug.accounts).then(|| plug.accounts.clone());
    let auth = known.as_ref().and_then(|known| known.auth.as_ref());
    Accounts::new(accounts).check(auth).into_iter().for_each(wrong);
}
