//! Refreshed tokens on disk: a file for each account that only its owner can read, replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::{Digest, Id, Timestamp};

use super::text::Text;

/// What is kept of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// SHA-256 of the refresh token that the account names: another one begins anew.
    pub granted: Digest,
    /// The refresh token in use.
    pub refresh: Text,
    /// The one before, when it was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Text>,
    /// The access token.
    pub access: Text,
    /// When it is to be renewed.
    pub expires_at: Timestamp,
}

/// The folder of all of them: `<state>/tokens/<plug>/<hat>.json`.
pub struct Folder {
    state: PathBuf,
}

impl Folder {
    /// Below this folder, which is made when it is needed.
    pub fn new(state: PathBuf) -> Self {
        Folder { state }
    }

    fn of(&self, plug: &Id) -> PathBuf {
        self.state.join("tokens").join(plug.as_str())
    }

    /// What is kept; none when nothing is, or when what is there is damaged: the account's own token begins anew.
    pub fn read(&self, plug: &Id, hat: &Id) -> io::Result<Option<Kept>> {
        match fs::read(self.of(plug).join(format!("{hat}.json"))) {
            Ok(bytes) => Ok(serde_json::from_slice(&Zeroizing::new(bytes)).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Nobody else on this machine renews this account's token while the file that is returned lives.
    pub async fn lock(&self, plug: &Id, hat: &Id) -> io::Result<File> {
        let folder = self.of(plug);
        let path = folder.join(format!("{hat}.lock"));
        let locked = tokio::task::spawn_blocking(move || {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            file.lock()?;
            Ok(file)
        });
        locked.await.map_err(io::Error::other)?
    }

    /// Puts it in the place of what was kept, on disk before it returns.
    pub fn write(&self, plug: &Id, hat: &Id, kept: &Kept) -> io::Result<()> {
        let folder = self.of(plug);
        let (path, new) = (folder.join(format!("{hat}.json")), folder.join(format!("{hat}.new")));
        let text = Zeroizing::new(serde_json::to_vec(kept).map_err(io::Error::other)?);
        // One that a crash left behind.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn tokens_are_kept_for_their_owner_alone() {
        let state = tempfile::tempdir().expect("folder");
        let folder = Folder::new(state.path().join("s"));
        let (plug, hat) = (Id::new("fitbit").expect("an id"), Id::new("bob.hubat.net").expect("an id"));
        assert_eq!(folder.read(&plug, &hat).expect("read"), None);
        let lock = folder.lock(&plug, &hat).await.expect("locked");
        let kept = Kept {
            granted: Digest::of(b"r0"),
            refresh: "r1".into(),
            previous: Some("r0".into()),
            access: "a1".into(),
            expires_at: Timestamp(5),
        };
        folder.write(&plug, &hat, &kept).expect("written");
        folder.write(&plug, &hat, &kept).expect("written over");
        drop(lock);
        assert_eq!(folder.read(&plug, &hat).expect("read"), Some(kept.clone()));
        assert!(!format!("{kept:?}").contains("r1"));
        let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(folder.of(&plug).join("bob.hubat.net.json")), 0o600);
        assert_eq!(mode(folder.of(&plug)), 0o700);
        fs::write(folder.of(&plug).join("bob.hubat.net.json"), "{").expect("damaged");
        assert_eq!(folder.read(&plug, &hat).expect("read"), None, "begins anew");
    }
}
