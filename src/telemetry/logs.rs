//! Logging: text or JSON lines on standard error or entries of systemd's journal, with a level that can change while running.

use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// systemd's journal, with fields of their own.
    Journald,
}

/// Why logging was not set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is no filter.
    #[error("log level {0:?} is no filter: use error, warn, info, debug, trace, or target=level pairs")]
    Level(String),
    /// There is no journal to write to.
    #[error("log.format is \"journald\" but the journal cannot be reached ({0}): use \"text\" or \"json\"")]
    Journal(std::io::Error),
    /// Another logger is installed in this process.
    #[error("a logger is installed already")]
    Installed,
}

static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|_| LogError::Level(level.to_owned()))
}

/// Installs the logger of this process.
///
/// # Errors
/// [`LogError`].
pub fn init_logs(level: &str, format: LogFormat) -> Result<(), LogError> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let installed = match format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
            registry.with(lines.with_ansi(!plain)).try_init()
        }
        LogFormat::Json => registry.with(lines.json()).try_init(),
        LogFormat::Journald => {
            let journal = tracing_journald::layer().map_err(LogError::Journal)?;
            registry.with(journal.with_syslog_identifier("dex".to_owned())).try_init()
        }
    };
    installed.map_err(|_| LogError::Installed)?;
    // Only one logger can be installed, so this is the first handle.
    let _ = LEVEL.set(handle);
    Ok(())
}

/// Changes the level of the installed logger; nothing happens where none is installed.
///
/// # Errors
/// [`LogError::Level`].
pub fn set_log_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    match LEVEL.get() {
        Some(handle) => handle.reload(filter).map_err(|_| LogError::Installed),
        None => Ok(()),
    }
}
