//! A folder for what is under way, gone with the process that ends in order; what a kill leaves is the system's to clear.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A name that nobody else has, in the folder of temporary files.
fn somewhere(verb: &str) -> PathBuf {
    let name = format!("dex-{verb}-{}-{:016x}", std::process::id(), rand::random::<u64>());
    std::env::temp_dir().join(name)
}

/// A file in the folder of temporary files that has no name any more: what is in it goes with the process, however that
/// ends.
///
/// # Errors
/// What making it gives.
pub fn nameless() -> std::io::Result<File> {
    let path = somewhere("pull");
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// The folder.
pub struct Spool(PathBuf);

impl Spool {
    /// Makes one of its own, readable by this user alone.
    ///
    /// # Errors
    /// What making it gives.
    pub fn new() -> std::io::Result<Self> {
        let path = somewhere("collect");
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Spool(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_nameless_file_is_this_users_alone_and_in_no_folder() {
        let facts = nameless().expect("made").metadata().expect("there");
        assert_eq!((facts.nlink(), facts.mode() & 0o777), (0, 0o600));
    }
}
