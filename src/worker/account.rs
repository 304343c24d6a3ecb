//! Accounts at a source, one file for each HAT: variables, and where its credentials lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{File, FileFormat};
use serde::Deserialize;

use crate::connectors::Account;
use crate::domain::Id;
use crate::domain::job::JobError;
use crate::http::secret::{Secret, Source};

use super::fault::Fault;
use super::oauth::Grant;

/// Largest account file, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The account of HATs that have no file of their own.
const ELSE: &str = "default";

/// Name and password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: String,
    password: String,
}

/// An account file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AccountFile {
    vars: BTreeMap<String, String>,
    bearer: Option<String>,
    basic: Option<Basic>,
    oauth2: Option<Grant>,
}

/// What is known of a HAT's account before a token is asked for.
#[derive(Debug, Clone)]
pub struct Known {
    /// Variables and what needs no asking.
    pub account: Account,
    /// How a bearer token is got.
    pub grant: Option<Grant>,
}

/// The accounts of one plug.
#[derive(Debug, Clone)]
pub struct Accounts {
    folder: Option<PathBuf>,
}

impl Accounts {
    /// Of this folder. `None`: the source asks for none.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Accounts { folder }
    }

    /// The account of a HAT. Its file is read anew each time: it may change, and is small. `shared` is what the plug's manifest
    /// says of how tokens are got.
    ///
    /// # Errors
    /// [`Fault`]: there is none, or its file or a secret cannot be read. The text names the place, never a secret.
    pub fn of(&self, hat: &Id, shared: Option<&Grant>) -> Result<Known, Fault> {
        let mut account = Account::default();
        account.vars.insert("hat".to_owned(), hat.to_string());
        let Some(folder) = &self.folder else { return Ok(Known { account, grant: None }) };
        let wrong = |what: String| Fault::new(JobError::Unauthorized, what);
        let file = find(folder, hat).ok_or_else(|| wrong("there is no account for this HAT".to_owned()))?;
        let read = read(&file).map_err(wrong)?;
        account.vars.extend(read.vars);
        let secret = |at: &str, text: &str| -> Result<Secret, Fault> {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let source = Source::parse(text).map_err(|why| wrong(format!("{name}: {at} {why}")))?;
            source.read().map_err(|why| wrong(format!("{name}: {at}: {why}")))
        };
        if let Some(text) = &read.bearer {
            account.bearer = Some(secret("bearer", text)?);
        }
        if let Some(basic) = &read.basic {
            account.basic = Some((basic.user.clone(), secret("basic.password", &basic.password)?));
        }
        let grant = read.oauth2.map(|own| own.over(shared));
        Ok(Known { account, grant })
    }

    /// Every file that is wrong, by name; what `dex worker --check` looks at.
    pub fn check(&self, shared: Option<&Grant>) -> Vec<String> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let listed = match std::fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) => return vec![format!("{}: {error}", folder.display())],
        };
        let mut wrong = Vec::new();
        for path in listed.filter_map(Result::ok).map(|entry| entry.path()) {
            let (Some(stem), Some("toml" | "json")) =
                (path.file_stem().and_then(|it| it.to_str()), path.extension().and_then(|it| it.to_str()))
            else {
                continue;
            };
            let checked = match Id::new(stem) {
                Ok(hat) => self.of(&hat, shared).map_err(|fault| fault.what).and_then(|known| match known.grant {
                    Some(grant) => grant.check(),
                    None => Ok(()),
                }),
                Err(error) => Err(error.to_string()),
            };
            if let Err(what) = checked {
                wrong.push(format!("{}: {what}", path.display()));
            }
        }
        wrong.sort();
        wrong
    }
}

/// The HAT's own file, else the one for all others. An id has no slash in it and begins with no dot.
fn find(folder: &Path, hat: &Id) -> Option<PathBuf> {
    [hat.as_str(), ELSE]
        .into_iter()
        .flat_map(|name| ["toml", "json"].map(|form| folder.join(format!("{name}.{form}"))))
        .find(|path| path.is_file())
}

fn read(path: &Path) -> Result<AccountFile, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let size = std::fs::metadata(path).map_err(|error| format!("{name}: {error}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{name}: {size} bytes are more than {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    if path.extension().is_some_and(|it| it == "json") {
        return serde_json::from_str(&text).map_err(|error| {
            // serde would quote a value that might be a password.
            format!("{name}: line {}: is not of an account's form; docs/worker.md shows one", error.line())
        });
    }
    let read = config::Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).build();
    let read = read.map_err(|_| format!("{name}: is no TOML"))?;
    serde_path_to_error::deserialize(read).map_err(|error| match error.path().to_string().as_str() {
        "." | "" => format!("{name}: holds a key that an account has not; docs/worker.md shows one"),
        at => format!("{name}: {at}: is not of an account's form; docs/worker.md shows one"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    fn id(text: &str) -> Id {
        Id::new(text).expect("an id")
    }

    #[test]
    fn each_hat_has_its_own_and_the_others_share_one() {
        let folder = folder(&[
            ("bob.hubat.net.toml", "bearer = \"file:SECRET\"\n[vars]\nuserId = \"b-1\"\nyear = \"2026\"\n"),
            ("alice.hubat.net.json", r#"{"basic": {"user": "alice", "password": "file:SECRET"}}"#),
            ("default.toml", "[vars]\nuserId = \"nobody\"\n"),
            ("s.txt", "s3cret-canary\n"),
        ]);
        let secret = folder.path().join("s.txt");
        for name in ["bob.hubat.net.toml", "alice.hubat.net.json"] {
            let path = folder.path().join(name);
            let text = std::fs::read_to_string(&path).expect("read");
            std::fs::write(&path, text.replace("SECRET", &secret.display().to_string())).expect("written");
        }
        let accounts = Accounts::new(Some(folder.path().to_owned()));
        let bob = accounts.of(&id("bob.hubat.net"), None).expect("his");
        assert_eq!(bob.account.vars["userId"], "b-1", "letters stay as large as they were");
        assert_eq!(bob.account.vars["hat"], "bob.hubat.net");
        assert_eq!(bob.account.bearer.as_ref().expect("one").reveal(), "s3cret-canary");
        let alice = accounts.of(&id("alice.hubat.net"), None).expect("hers");
        assert_eq!(alice.account.basic.as_ref().expect("one").0, "alice");
        assert_eq!(accounts.of(&id("eve.hubat.net"), None).expect("shared").account.vars["userId"], "nobody");
        assert_eq!(accounts.check(None), Vec::<String>::new());
        assert!(!format!("{bob:?} {alice:?}").contains("canary"));
        let none = Accounts::new(None).of(&id("bob.hubat.net"), None).expect("needs none");
        assert_eq!(none.account.vars.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is() {
        let folder = folder(&[
            ("a.hubat.net.toml", "bearer = \"hunter2-canary\"\n"),
            ("b.hubat.net.toml", "barer = \"hunter2-canary\"\n"),
            ("c.hubat.net.toml", "[basic]\nuser = \"c\"\npassword = [\"hunter2-canary\"]\n"),
            ("d.hubat.net.json", r#"{"bearer": {"x": "hunter2-canary"}}"#),
            ("e.hubat.net.toml", "bearer = \"env:DEX_NO_SUCH_VARIABLE\"\n"),
            ("f.hubat.net.toml", "bearer = hunter2-canary\n"),
            ("G.toml", ""),
        ]);
        let accounts = Accounts::new(Some(folder.path().to_owned()));
        let wrong = accounts.check(None);
        assert_eq!(wrong.len(), 7, "{wrong:?}");
        assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
        assert!(wrong[1].contains("bearer") && wrong[5].contains("DEX_NO_SUCH_VARIABLE"), "{wrong:?}");
        let fault = accounts.of(&id("z.hubat.net"), None).expect_err("none");
        assert_eq!(fault.word, JobError::Unauthorized);
    }
}
