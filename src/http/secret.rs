//! Passwords and tokens: named by where they lie, read when needed, wiped, and never shown.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderValue, InvalidHeaderValue};
use zeroize::Zeroizing;

/// Longest secret, bytes.
const SECRET_MAX: u64 = 16 * 1024;

/// A text that no log shows.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As the value of a header, which the library shows in no log.
    ///
    /// # Errors
    /// It holds what a header cannot.
    pub fn header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        self.header_after("")
    }

    /// The same after a word, like `Bearer `.
    ///
    /// # Errors
    /// It holds what a header cannot.
    pub fn header_after(&self, word: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        let whole = Zeroizing::new(format!("{word}{}", self.reveal()));
        let mut value = HeaderValue::from_str(&whole)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Where a secret lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `file:PATH`: the file's first line.
    File(PathBuf),
    /// `credential:NAME`: a credential that systemd hands to the service.
    Credential(String),
    /// `env:NAME`: a variable of the environment.
    Env(String),
}

impl Source {
    /// Reads `file:PATH`, `credential:NAME` or `env:NAME`.
    ///
    /// # Errors
    /// What to write. The text itself is not repeated: it might be a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Source::File(path.into())),
            Some(("credential", name)) if !name.is_empty() && !name.contains('/') => {
                Ok(Source::Credential(name.into()))
            }
            Some(("env", name)) if !name.is_empty() => Ok(Source::Env(name.into())),
            _ => Err("is not file:PATH, credential:NAME or env:NAME; a password itself never stands here"),
        }
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// What cannot be read; never what was read.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            Source::File(path) => first_line(path),
            Source::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
                Some(folder) => first_line(&Path::new(&folder).join(name)),
                None => Err(format!("credential {name}: systemd handed none to this process (LoadCredential=)")),
            },
            Source::Env(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| format!("the variable {name} is not set, or is no UTF-8")),
        }
    }
}

fn first_line(path: &Path) -> Result<Secret, String> {
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path).and_then(|file| file.take(SECRET_MAX).read_to_string(&mut text));
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() { Err(format!("{} has an empty first line", path.display())) } else { Ok(Secret::new(line)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_read_and_never_shown() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("p");
        std::fs::write(&path, "s3cret\nmore\n").expect("written");
        let source = Source::parse(&format!("file:{}", path.display())).expect("parses");
        let secret = source.read().expect("reads");
        assert_eq!(secret.reveal(), "s3cret");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(format!("{:?}", secret.header().expect("a header")).contains("Sensitive"));
        for bad in ["s3cret", "file:", "credential:a/b", "", "http://x"] {
            let said = Source::parse(bad).expect_err(bad);
            assert!(!said.contains("s3cret"));
        }
        Source::parse("file:relative-and-absent").expect("parses").read().expect_err("absent");
        std::fs::write(&path, "\n").expect("written");
        source.read().expect_err("empty");
    }
}
