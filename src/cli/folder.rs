//! A state folder from outside: whose ledger is in it, and the key that its checkpoints are checked with.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::keys;
use crate::domain::Key;
use crate::ledger::CheckpointVerifier;

use super::args::Globals;
use super::fail::Failure;

/// Which folder, and whose it is.
#[derive(Debug, Args)]
pub struct Folder {
    /// State folder of the daemon; exchange.state_dir of the configuration when not given
    dir: Option<PathBuf>,
    /// Configuration file that names the folder
    #[arg(long, env = "DEX_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The exchange's public key; that of the folder's dex.seed when not given
    #[arg(long, value_name = "KEY")]
    dex_key: Option<Key>,
    /// The exchange's verifier key (C2SP, <name>+<hash>+<base64>), instead of --dex-key and --origin
    #[arg(long, value_name = "VKEY", conflicts_with = "dex_key")]
    verifier: Option<String>,
}

impl Folder {
    /// Whether it is named, not left to the configuration.
    pub fn is_named(&self) -> bool {
        self.dir.is_some()
    }

    /// For a verb whose own arguments name it.
    pub fn named(dir: Option<PathBuf>, config: Option<PathBuf>, dex_key: Option<Key>) -> Self {
        Folder { dir, config, dex_key, verifier: None }
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`Failure`] when there is no such folder, or the configuration that should name it is wrong.
    pub fn path(&self) -> Result<PathBuf, Failure> {
        let path = match &self.dir {
            Some(dir) => dir.clone(),
            None => PathBuf::from(super::config::load(self.config.as_deref())?.exchange.state_dir),
        };
        if path.join("ledger").is_dir() {
            return Ok(path);
        }
        Err(Failure::Usage(format!(
            "{} holds no folder ledger: name the daemon's state folder (exchange.state_dir)",
            path.display()
        )))
    }

    /// Checks checkpoints of the exchange that the folder should belong to.
    ///
    /// # Errors
    /// [`Failure::Usage`] when name or key cannot be found or make no sense.
    pub fn verifier(&self, globals: &Globals, path: &Path) -> Result<CheckpointVerifier, Failure> {
        let usage = |what: &str, error: &dyn std::fmt::Display| Failure::Usage(format!("{what}: {error}"));
        if let Some(text) = &self.verifier {
            return CheckpointVerifier::parse(text).map_err(|error| usage("--verifier", &error));
        }
        let name = match &globals.origin {
            Some(origin) => origin.clone(),
            None => name_of(path)?,
        };
        let key = match self.dex_key {
            Some(key) => key,
            None => keys::load(&path.join("dex.seed"))
                .map_err(|error| usage("the exchange's key (name it by --dex-key)", &error))?
                .public(),
        };
        CheckpointVerifier::new(&name, key.0).map_err(|error| usage("the exchange's name and key", &error))
    }
}

/// The origin line of the folder's newest checkpoint. A wrong one is found by its signature.
fn name_of(path: &Path) -> Result<String, Failure> {
    let file = path.join("ledger").join("checkpoint");
    let text =
        std::fs::read(&file).map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))?;
    let text = String::from_utf8_lossy(&text);
    match text.lines().next() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(Failure::Usage(format!("{} names no origin: name it by --origin", file.display()))),
    }
}
