//! `dex worker`: takes a plug's jobs, fetches what they name, credits it to HATs.

mod check;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sd_notify::NotifyState;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::client::{ClientOptions, keys};
use crate::daemon::watchdog;
use crate::domain::{Address, Id, Kind};
use crate::http::{HttpState, serve};
use crate::nats::Credentials;
use crate::telemetry::{Health, init_logs, recorder, upkeep};
use crate::worker::config::{PlugOf, WorkerConfig};
use crate::worker::{Common, Voice, run as work};

use super::args::Globals;
use super::fail::Failure;
use super::plug;

/// Examples, shown by `dex worker --help`.
pub const EXAMPLES: &str = "Examples:
  dex worker --plug fitbit --key fitbit.key
  dex worker --plug fitbit --key fitbit.key --accounts /etc/dex/fitbit --listen 127.0.0.1:8081
  dex worker --config /etc/dex/worker.toml --check

The plug's manifest says what is fetched how (docs/worker.md); the exchange says when. Any number of workers share a plug's
jobs. The first SIGTERM or SIGINT ends what is under way or hands it back, the second stops at once.
Exit code 78: the configuration is wrong; --check names all problems.";

/// How often histograms are brought up to date.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How the worker runs.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Configuration file (TOML); the defaults of config/worker.toml when not given
    #[arg(long, env = "DEX_WORKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Plug to work for, with the key of --key; the configuration may name others
    #[arg(long, value_name = "ID")]
    plug: Option<Id>,
    /// Folder of the plug's accounts at its source; none: it asks for none
    #[arg(long, value_name = "DIR", requires = "plug")]
    accounts: Option<PathBuf>,
    /// The plug's manifest, if it is not to be asked of the exchange
    #[arg(long, value_name = "FILE", requires = "plug")]
    manifest: Option<PathBuf>,
    /// Folder for refreshed tokens
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where to serve /metrics and /health, like 127.0.0.1:8081
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Private network or host:port that may be fetched from all the same; may be given several times
    #[arg(long, value_name = "PLACE")]
    allow_private: Vec<String>,
    /// Check configuration, keys, accounts and manifests, say what is wrong, and end
    #[arg(long)]
    check: bool,
}

/// Runs the worker until it is told to stop.
///
/// # Errors
/// [`Failure::Config`] when the configuration is wrong, [`Failure::Finding`] when something that it needs is not there.
pub fn run(globals: &Globals, args: &WorkerArgs) -> Result<ExitCode, Failure> {
    let config = configured(globals, args)?;
    if args.check {
        return check::run(globals, &config);
    }
    let voices = voices(&config)?;
    let format = match config.log.format {
        crate::config::LogFormat::Text => crate::telemetry::LogFormat::Text,
        crate::config::LogFormat::Json => crate::telemetry::LogFormat::Json,
        crate::config::LogFormat::Journald => crate::telemetry::LogFormat::Journald,
    };
    init_logs(&config.log.level, format).map_err(|error| Failure::Finding(format!("log: {error}")))?;
    // What a parser of somebody else's says when it panics may be content of a source.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| at.to_string());
        tracing::error!(place, "a panic; what it said is not shown");
    }));
    let globals = globals.clone();
    actix::System::new().block_on(worker(globals, config, voices))
}

/// The file, with the command line over it.
fn configured(globals: &Globals, args: &WorkerArgs) -> Result<WorkerConfig, Failure> {
    let wrong = |problems: Vec<String>| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Failure::Config(format!("the worker's configuration is wrong:{}", lines.concat()))
    };
    let mut config = WorkerConfig::load(args.config.as_deref()).map_err(wrong)?;
    if let Some(id) = &args.plug {
        let Some(key) = &globals.key else {
            return Err(Failure::Usage("--plug needs the plug's key: name its file by --key FILE or DEX_KEY".into()));
        };
        config.plug.retain(|plug| plug.id != id.as_str());
        config.plug.push(PlugOf {
            id: id.to_string(),
            key: key.clone(),
            accounts: args.accounts.clone().unwrap_or_default(),
            manifest: args.manifest.clone().unwrap_or_default(),
            at_once: 0,
        });
    }
    if config.plug.is_empty() {
        return Err(Failure::Usage(
            "no plug to work for: name one by --plug ID --key FILE, or in the configuration".into(),
        ));
    }
    if let Some(folder) = &args.state_dir {
        config.worker.state_dir.clone_from(folder);
    }
    if let Some(listen) = &args.listen {
        config.http.listen.clone_from(listen);
    }
    config.source.allow_private.extend(args.allow_private.iter().cloned());
    let problems = config.problems();
    if problems.is_empty() { Ok(config) } else { Err(wrong(problems)) }
}

/// A manifest in a file, TOML or JSON.
fn manifest(path: &Path) -> Result<Value, String> {
    plug::manifest::register(&format!("@{}", path.display())).map_err(|failure| failure.to_string())
}

/// The plugs with their keys.
fn voices(config: &WorkerConfig) -> Result<Vec<Voice>, Failure> {
    let named = |path: &Path| Some(path.to_owned()).filter(|path| !path.as_os_str().is_empty());
    let voice = |plug: &PlugOf| -> Result<Voice, String> {
        Ok(Voice {
            id: Id::new(&plug.id).map_err(|error| error.to_string())?,
            signer: keys::load(&plug.key).map_err(|error| error.to_string())?,
            accounts: named(&plug.accounts),
            manifest: named(&plug.manifest).map(|path| manifest(&path)).transpose()?,
            at_once: plug.at_once,
        })
    };
    config
        .plug
        .iter()
        .map(|plug| voice(plug).map_err(|what| Failure::Config(format!("plug {:?}: {what}", plug.id))))
        .collect()
}

/// How the exchange is reached. The party is only the first to speak over the connection.
fn connect(globals: &Globals, config: &WorkerConfig) -> ClientOptions {
    let first = Id::new(&config.plug[0].id).expect("it was checked with the configuration");
    let at = &config.exchange;
    let url = if at.url.is_empty() { globals.url.clone() } else { at.url.clone() };
    let mut options = ClientOptions::new(url, Address::new(Kind::Plug, first));
    options.origin = if at.origin.is_empty() { globals.origin.clone() } else { Some(at.origin.clone()) };
    options.dex_key = at.key.parse().ok();
    options.call_deadline = globals.timeout;
    options.connect_deadline = globals.timeout;
    let creds = Some(at.creds.clone()).filter(|path| !path.as_os_str().is_empty()).or_else(|| globals.creds.clone());
    if let Some(path) = creds {
        options.credentials = Credentials::CredsFile(path);
    }
    options
}

async fn worker(globals: Globals, config: WorkerConfig, voices: Vec<Voice>) -> Result<ExitCode, Failure> {
    let finding = |what: &str, error: &dyn std::fmt::Display| Failure::Finding(format!("{what}: {error}"));
    let caught = |kind| signal(kind).map_err(|error| finding("signals cannot be caught", &error));
    let (mut terminate, mut interrupt) = (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
    let health = Arc::new(Health::default());
    let mut page = None;
    if !config.http.listen.is_empty() {
        let listen = config.http.listen.parse().map_err(|error| finding("http.listen", &error))?;
        let state = HttpState { prometheus: recorder(), health: Arc::clone(&health) };
        let (server, address) = serve(listen, state).map_err(|error| finding("http.listen", &error))?;
        tracing::info!(http = %address, "metrics and health are served");
        page = Some(server.handle());
        actix::spawn(server);
        actix::spawn(async {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                upkeep();
            }
        });
    }
    let common = Common::new(config, Arc::clone(&health)).map_err(Failure::Finding)?;
    let (drain, now) = (CancellationToken::new(), CancellationToken::new());
    let signals = {
        let (drain, now) = (drain.clone(), now.clone());
        actix::spawn(async move {
            for said in [drain, now] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                watchdog::notify(&[NotifyState::Stopping]);
                said.cancel();
            }
        })
    };
    let pings = watchdog::start(&health);
    let options = {
        let (globals, config) = (globals, common.config.clone());
        move || connect(&globals, &config)
    };
    work(common, options, voices, || watchdog::notify(&[NotifyState::Ready]), drain, now).await;
    signals.abort();
    if let Some(pings) = pings {
        pings.abort();
    }
    if let Some(page) = page {
        page.stop(false).await;
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
