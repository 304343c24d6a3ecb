//! What makes this daemon this exchange: its state folder's lock and its own key.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::wire::Signer;

/// Takes the state folder for this process alone, making it when absent.
///
/// # Errors
/// When the folder cannot be made, or another daemon holds it.
pub fn lock(state: &Path) -> anyhow::Result<File> {
    // Content, entries and salts lie in it: nobody else on the machine may look.
    DirBuilder::new().recursive(true).mode(0o700).create(state).with_context(|| {
        format!("the state folder {} cannot be made: check exchange.state_dir and its owner", state.display())
    })?;
    let path = state.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another daemon holds the state folder {}: stop it, or set exchange.state_dir to another folder",
            state.display()
        );
    }
    Ok(file)
}

/// The exchange's own key, made on the first start and kept in `dex.seed` (mode 0600).
///
/// # Errors
/// When the file cannot be read or written, or holds no seed.
pub fn signer(state: &Path, fresh: impl FnOnce() -> [u8; 32]) -> anyhow::Result<Signer> {
    let path = state.join("dex.seed");
    if path.exists() {
        let mut text = String::new();
        File::open(&path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .with_context(|| format!("{} cannot be read", path.display()))?;
        return Signer::from_seed_text(text.trim())
            .with_context(|| format!("{} holds no user nkey seed (SU…): restore it from the backup", path.display()));
    }
    if state.join("ledger").exists() {
        bail!(
            "{} is gone but there is a ledger: restore the file from the backup, a new key would make another exchange",
            path.display()
        );
    }
    let signer = Signer::from_seed(&fresh());
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(signer.seed_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    File::open(state)?.sync_all()?;
    Ok(signer)
}

/// The secret from which delivery ids are made: bound to the exchange's key, so that it needs no
/// backup of its own.
pub fn delivery_key(signer: &Signer) -> [u8; 32] {
    let seed = signer.seed_text();
    let mut mac = Hmac::<Sha256>::new_from_slice(seed.as_bytes()).expect("an HMAC key has any length");
    mac.update(b"dex-v1 delivery ids");
    mac.finalize().into_bytes().into()
}

/// The raw seed, for the key that signs checkpoints: the exchange has one key.
///
/// # Errors
/// Never for a signer that was made from a seed.
pub fn seed(signer: &Signer) -> anyhow::Result<[u8; 32]> {
    let (_, seed) = nkeys::decode_seed(&signer.seed_text()).context("the exchange's seed")?;
    Ok(seed)
}
