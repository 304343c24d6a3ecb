//! Finding the `nats-server` binary and asking it for its version.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use super::EmbeddedError;
use crate::nats::requirements::{MINIMUM_VERSION, parse_version};

/// Environment variable that names the binary.
pub const ENVIRONMENT: &str = "DEX_NATS_SERVER";

/// The binary: the path given, else `DEX_NATS_SERVER`, else `.tools/nats-server` below the working directory, else the PATH.
///
/// A path given by option or environment must exist: no other is taken silently in its place.
pub fn find(explicit: Option<&Path>) -> Result<PathBuf, EmbeddedError> {
    let named = explicit.map(Path::to_path_buf).or_else(|| std::env::var_os(ENVIRONMENT).map(PathBuf::from));
    if let Some(path) = named {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(EmbeddedError::NotFound { looked: format!("{} is no file", path.display()) })
        };
    }
    let tools = PathBuf::from(".tools/nats-server");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(tools)
        .chain(std::env::split_paths(&on_path).map(|folder| folder.join("nats-server")))
        .find(|path| path.is_file())
        .ok_or_else(|| EmbeddedError::NotFound {
            looked: format!("nats.binary and {ENVIRONMENT} not set, nothing at .tools/nats-server nor on the PATH"),
        })
}

/// What `nats-server --version` says: `nats-server: v2.15.1`.
pub async fn version_of(path: &Path) -> Result<String, EmbeddedError> {
    let io = |source| EmbeddedError::Io { what: "run", path: path.to_path_buf(), source };
    let run = tokio::process::Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(10), run)
        .await
        .map_err(|_| io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer to --version within 10 s")))?
        .map_err(io)?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_string())
}

/// A binary that is new enough, and its version text.
pub(super) async fn find_checked(explicit: Option<&Path>) -> Result<(PathBuf, String), EmbeddedError> {
    let path = find(explicit)?;
    let found = version_of(&path).await?;
    let new_enough = found.starts_with("nats-server") && parse_version(&found).is_some_and(|v| v >= MINIMUM_VERSION);
    if new_enough { Ok((path, found)) } else { Err(EmbeddedError::Version { path, found }) }
}
