//! Which files are meant: `{hat}/activity-*.csv`, below an allowed root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::connectors::account::Account;
use crate::connectors::error::{FetchError, SettingsFault};
use crate::connectors::template::Template;

/// Most folders of a path.
const FOLDERS_MAX: usize = 16;
/// Longest name of a file or folder, bytes.
const NAME_MAX: usize = 255;

/// A path with variables; its last part may have `*`.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    template: Template,
}

/// The path of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub folders: Vec<String>,
    pub file: Glob,
}

/// A name in which `*` stands for any characters. A value of a variable stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<String>);

/// What stands for a `*` of a variable's value until the pattern is taken apart; no name has it.
const STAR: char = '\0';

impl Pattern {
    pub fn read(text: &str, at: &str) -> Result<Pattern, SettingsFault> {
        let template = Template::read(text, at)?;
        let sample = template.names().map(|name| (name.to_owned(), "x".to_owned())).collect();
        let pattern = Pattern { template };
        let place = pattern.expand(&Account { vars: sample, ..Account::default() });
        place.map_err(|error| SettingsFault::new(at, error.to_string()))?;
        Ok(pattern)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.template.names()
    }

    pub fn expand(&self, account: &Account) -> Result<Place, FetchError> {
        let text = self.template.expand(&account.vars, |value, out| {
            if value.chars().any(|c| c == '/' || c.is_control()) || value.starts_with('.') {
                return FetchError::refused("a variable's value is no name of a file or folder");
            }
            out.push_str(&value.replace('*', "\0"));
            Ok(())
        })?;
        let mut parts: Vec<&str> = text.split('/').collect();
        let whole = |part: &&str| !part.is_empty() && *part != "." && *part != ".." && part.len() <= NAME_MAX;
        if text.starts_with('/') || !parts.iter().all(whole) || parts.len() > FOLDERS_MAX + 1 {
            return FetchError::refused(
                "the path is not relative to an allowed root, or has an empty part, `.` or `..` in it",
            );
        }
        let file = parts.pop().unwrap_or_default();
        if parts.iter().any(|folder| folder.contains('*')) {
            return FetchError::refused("the path has a `*` before its last part");
        }
        let folders = parts.iter().map(|part| part.replace(STAR, "*")).collect();
        Ok(Place { folders, file: Glob(file.split('*').map(|part| part.replace(STAR, "*")).collect()) })
    }
}

impl Glob {
    /// Whether it has no `*`.
    pub fn is_exact(&self) -> bool {
        self.0.len() == 1
    }

    pub fn fits(&self, name: &OsStr) -> bool {
        let name = name.as_bytes();
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only.as_bytes() == name);
        };
        // A hidden file is meant by nobody who does not name it.
        if first.is_empty() && name.starts_with(b".") {
            return false;
        }
        let Some(mut rest) = name.strip_prefix(first.as_bytes()).and_then(|rest| rest.strip_suffix(last.as_bytes()))
        else {
            return false;
        };
        between.iter().all(|part| {
            if part.is_empty() {
                return true;
            }
            let found = rest.windows(part.len()).position(|window| window == part.as_bytes());
            found.is_some_and(|at| {
                rest = &rest[at + part.len()..];
                true
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, hat: &str) -> Result<Place, FetchError> {
        let vars = [("hat".to_owned(), hat.to_owned())].into();
        Pattern::read(text, "path").expect("reads").expand(&Account { vars, ..Account::default() })
    }

    #[test]
    fn a_value_is_one_name_and_no_pattern() {
        assert_eq!(place("{hat}/a.csv", "bob.hubat.net").expect("fine").folders, ["bob.hubat.net"]);
        for bad in ["..", ".", "a/b", "", "a\0b", ".hidden"] {
            place("{hat}/a.csv", bad).expect_err(bad);
        }
        let glob = place("x/{hat}-*.csv", "*").expect("fine").file;
        assert!(glob.fits(OsStr::new("*-1.csv")) && !glob.fits(OsStr::new("b-1.csv")));
    }

    #[test]
    fn names_fit_their_pattern() {
        for (pattern, name, expected) in [
            ("a.csv", "a.csv", true),
            ("a.csv", "b.csv", false),
            ("*", "a", true),
            ("*", ".a", false),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("*-*-*.csv", "1-2-3.csv", true),
            ("*-*-*.csv", "1-2.csv", false),
            ("*.csv", "a.csv.gz", false),
        ] {
            assert_eq!(place(pattern, "x").expect("fine").file.fits(OsStr::new(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn paths_that_climb_out_are_refused() {
        for bad in ["/etc/passwd", "../x", "a/../b", "a//b", "a/", "*/b", ".", "a/./b", &"a/".repeat(20)] {
            Pattern::read(bad, "path").expect_err(bad);
        }
    }
}
