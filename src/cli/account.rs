//! `dex account`: accounts of the REST gateway, through the daemon's socket in its state folder.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::domain::Id;
use crate::gateway::admin::SOCKET;
use crate::gateway::role::Role;
use crate::http::outward;

use super::args::Globals;
use super::fail::{FINDING, Failure};
use super::{link, out};

/// How long an answer may take: a role is ledgered first.
const WITHIN: Duration = Duration::from_secs(30);

/// Which daemon.
#[derive(Debug, Args)]
pub struct Daemon {
    /// State folder of the daemon; exchange.state_dir of the configuration when not given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Configuration file that names the folder
    #[arg(long, env = "DEX_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountVerb {
    /// Make an account; its password is the first line of the standard input
    #[command(after_help = "Example:\n  dex account new ann --state state < password.txt")]
    New {
        /// Its name, with which it logs in
        name: Id,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Set another password (the first line of the standard input); ends its tokens
    #[command(after_help = "Example:\n  dex account password ann --state state < password.txt")]
    Password {
        /// Whose
        name: Id,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List the accounts with their roles
    #[command(after_help = "Example:\n  dex account list --state state")]
    List {
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Give a role, which is ledgered: Master, Developer, CreateDataOffers, 'OwnsDataPlug(fitbit)' …
    #[command(after_help = "Example:\n  dex account grant ann Developer --state state")]
    Grant {
        /// To whom
        name: Id,
        /// Which
        role: Role,
        /// Note it without putting it in force
        #[arg(long)]
        unapproved: bool,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Take a role away
    #[command(after_help = "Example:\n  dex account revoke ann Developer --state state")]
    Revoke {
        /// From whom
        name: Id,
        /// Which
        role: Role,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Disable an account and end its tokens; --undo enables it again
    #[command(after_help = "Example:\n  dex account disable ann --state state")]
    Disable {
        /// Which
        name: Id,
        /// Enable it again
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when the daemon cannot be reached or refuses.
pub fn run(globals: &Globals, verb: &AccountVerb) -> Result<ExitCode, Failure> {
    match verb {
        AccountVerb::New { name, daemon } => {
            let body = json!({ "account": name, "password": password()?.as_str() });
            call(globals, daemon, Method::POST, "/accounts", &body)
        }
        AccountVerb::Password { name, daemon } => {
            let body = json!({ "password": password()?.as_str() });
            call(globals, daemon, Method::POST, &format!("/accounts/{name}/password"), &body)
        }
        AccountVerb::List { daemon } => call(globals, daemon, Method::GET, "/accounts", &Value::Null),
        AccountVerb::Grant { name, role, unapproved, daemon } => {
            let body = json!({ "role": role, "approved": !unapproved });
            call(globals, daemon, Method::POST, &format!("/accounts/{name}/grant"), &body)
        }
        AccountVerb::Revoke { name, role, daemon } => {
            call(globals, daemon, Method::POST, &format!("/accounts/{name}/revoke"), &json!({ "role": role }))
        }
        AccountVerb::Disable { name, undo, daemon } => {
            call(globals, daemon, Method::POST, &format!("/accounts/{name}/disable"), &json!({ "disabled": !undo }))
        }
    }
}

/// Never an argument: those are seen by everybody on the machine.
fn password() -> Result<Zeroizing<String>, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        out::note("type the password and press Enter; it is shown");
    }
    let mut line = Zeroizing::new(String::new());
    let read = input.lock().read_line(&mut line);
    read.map_err(|error| Failure::Usage(format!("the password cannot be read: {error}")))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

impl Daemon {
    fn socket(&self) -> Result<PathBuf, Failure> {
        let state = match &self.state {
            Some(state) => state.clone(),
            None => PathBuf::from(super::config::load(self.config.as_deref())?.exchange.state_dir),
        };
        Ok(state.join(SOCKET))
    }
}

fn call(globals: &Globals, daemon: &Daemon, method: Method, path: &str, body: &Value) -> Result<ExitCode, Failure> {
    let socket = daemon.socket()?;
    let away = |error: &dyn std::fmt::Display| {
        Failure::Unavailable(format!(
            "no gateway answers at {} ({error}): start the daemon with gateway.enabled, and name its state folder by \
             --state or --config",
            socket.display()
        ))
    };
    let (status, answer) = link::wait(async {
        let client = outward::over_socket(&socket, WITHIN).map_err(|error| away(&error))?;
        let mut request = client.request(method, format!("http://dex{path}"));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| away(&error))?;
        let status = answer.status();
        let answer: Value = answer.json().await.map_err(|error| away(&error))?;
        Ok((status, answer))
    })?;
    if !status.is_success() {
        let detail = answer["detail"].as_str().or_else(|| answer["title"].as_str()).unwrap_or("no reason was given");
        out::note(format!("refused: {}: {detail}", answer["reason"].as_str().unwrap_or("internal")));
        return Ok(ExitCode::from(FINDING));
    }
    match answer["items"].as_array() {
        Some(items) => items.iter().try_for_each(|item| show(globals, item))?,
        None => show(globals, &answer)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(globals: &Globals, account: &Value) -> Result<(), Failure> {
    if globals.json {
        return out::json(account);
    }
    let grants = account["roles"].as_array().into_iter().flatten();
    let roles: Vec<String> = grants
        .map(|grant| {
            let role = grant["role"].as_str().unwrap_or_default();
            if grant["approved"] == true { role.to_owned() } else { format!("{role} (not approved)") }
        })
        .collect();
    let state = if account["disabled"] == true { "disabled" } else { "enabled" };
    out::line(format!("{}  {state}  {}", account["account"].as_str().unwrap_or_default(), roles.join(", ")))
}
