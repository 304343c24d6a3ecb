//! `dex keys`: a party's signing key in a file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::client::keys;
use crate::domain::Key;

use super::args::Globals;
use super::fail::Failure;
use super::out;

/// What to do with a key file.
#[derive(Debug, Subcommand)]
pub enum KeysVerb {
    /// Make a new key: writes its seed (mode 0600), prints its public half
    #[command(after_help = "Example:\n  dex keys new bob.key\n\nA file that is there already is never written over.")]
    New {
        /// File to make
        #[arg(default_value = "dex.key")]
        file: PathBuf,
    },
    /// Print the public half of a key
    #[command(after_help = "Example:\n  dex keys show bob.key --json")]
    Show {
        /// File that holds the seed
        file: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Usage`] when the file is there already, or cannot be read, or holds no seed.
pub fn run(globals: &Globals, verb: &KeysVerb) -> Result<ExitCode, Failure> {
    let usage = |error: keys::KeyFileError| Failure::Usage(error.to_string());
    let (file, key) = match verb {
        KeysVerb::New { file } => {
            let signer = keys::generate();
            keys::store(file, &signer).map_err(usage)?;
            (file, signer.public())
        }
        KeysVerb::Show { file } => (file, keys::load(file).map_err(usage)?.public()),
    };
    show(globals, file, key)
}

fn show(globals: &Globals, file: &std::path::Path, key: Key) -> Result<ExitCode, Failure> {
    if globals.json {
        out::json(&serde_json::json!({ "key": key, "fingerprint": key.fingerprint(), "file": file }))?;
    } else {
        out::line(key)?;
    }
    Ok(ExitCode::SUCCESS)
}
