//! Texts with variables: `https://api.example/users/{user}/posts`.

use std::collections::BTreeMap;

use reqwest::Url;

use super::error::{FetchError, SettingsFault};
use super::fetch::URL_BYTES_MAX;

/// Longest template, bytes.
const TEMPLATE_BYTES_MAX: usize = 2048;
/// Most variables of a template.
const VARS_MAX: usize = 16;
/// Longest name of a variable, bytes.
const NAME_BYTES_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Var(String),
}

/// A text with variables in braces; `{{` is a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

impl Template {
    pub fn read(text: &str, at: &str) -> Result<Template, SettingsFault> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(SettingsFault::new(at, format!("has more than {TEMPLATE_BYTES_MAX} bytes")));
        }
        if ["env:", "file:", "credential:"].iter().any(|start| text.starts_with(start)) {
            let why = "a secret is referred to in `auth` only, where it is kept out of other hosts and of logs";
            return Err(SettingsFault::new(at, why));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            plain.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            let Some((name, after)) = rest.split_once('}') else {
                return Err(SettingsFault::new(at, "has a `{` without its `}`; write `{{` for a brace"));
            };
            let word = name.strip_prefix('+').unwrap_or(name);
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if word.is_empty() || word.len() > NAME_BYTES_MAX || !word.bytes().all(good) {
                let why = "names a variable that is not made of letters, digits, `_` and `-`";
                return Err(SettingsFault::new(at, why));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Var(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if parts.iter().filter(|part| matches!(part, Part::Var(_))).count() > VARS_MAX {
            return Err(SettingsFault::new(at, format!("has more than {VARS_MAX} variables")));
        }
        Ok(Template { parts })
    }

    /// The names of its variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Var(name) => Some(name.strip_prefix('+').unwrap_or(name)),
            Part::Text(_) => None,
        })
    }

    /// The text with the variables' values, each through `escape` with the text so far.
    pub fn expand(
        &self,
        vars: &BTreeMap<String, String>,
        mut escape: impl FnMut(&str, &mut String) -> Result<(), FetchError>,
    ) -> Result<String, FetchError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Var(name) => escape(value(vars, name.strip_prefix('+').unwrap_or(name))?, &mut out)?,
            }
        }
        Ok(out)
    }

    /// The text as it is for a header or a body: no control characters.
    pub fn plain(&self, vars: &BTreeMap<String, String>) -> Result<String, FetchError> {
        self.expand(vars, |value, out| {
            if value.chars().any(char::is_control) {
                return FetchError::refused("a variable's value holds a control character");
            }
            out.push_str(value);
            Ok(())
        })
    }
}

fn value<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, FetchError> {
    match vars.get(name) {
        Some(value) if !value.is_empty() && value.len() <= URL_BYTES_MAX => Ok(value),
        Some(_) => FetchError::refused(format!("variable {name:?} is empty, or longer than {URL_BYTES_MAX} bytes")),
        None => FetchError::refused(format!("variable {name:?} is not given for this account")),
    }
}

/// A URL with variables. In the path and the query their values are escaped; in the host they may only be parts of a
/// name; `{+name}` at the very beginning stands for a whole address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlTemplate {
    template: Template,
    /// Host, when no variable is in it.
    host: Option<String>,
}

impl UrlTemplate {
    pub fn read(text: &str, at: &str) -> Result<UrlTemplate, SettingsFault> {
        let template = Template::read(text, at)?;
        let whole = |n: usize, part: &Part| n > 0 && matches!(part, Part::Var(name) if name.starts_with('+'));
        if template.parts.iter().enumerate().any(|(n, part)| whole(n, part)) {
            return Err(SettingsFault::new(at, "`{+name}` stands for a whole address: at the beginning only"));
        }
        if matches!(template.parts.first(), Some(Part::Var(name)) if name.starts_with('+')) {
            return Ok(UrlTemplate { template, host: None });
        }
        let scheme = text.split("://").next().filter(|scheme| matches!(*scheme, "https" | "http"));
        if scheme.is_none() {
            return Err(SettingsFault::new(at, "does not begin with https:// or http://"));
        }
        // With samples for the variables it must be an address.
        let template = UrlTemplate { template, host: None };
        let sample = |value: &str| {
            let vars: BTreeMap<_, _> = template.names().map(|name| (name.to_owned(), value.to_owned())).collect();
            template.expand(&vars).map_err(|error| SettingsFault::new(at, error.to_string()))
        };
        let (url, other) = (sample("x")?, sample("y")?);
        let authority = text.split("://").nth(1).unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
        // In `https:///{host}/` the standard takes for the host what stands in no authority.
        let fixed = !authority.contains('{') && url.host_str() == other.host_str();
        let host = if fixed { url.host_str().map(str::to_owned) } else { None };
        Ok(UrlTemplate { host, ..template })
    }

    /// Its host, when no variable is in it.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.template.names()
    }

    /// Whether a variable stands for the whole address.
    pub fn is_whole(&self) -> bool {
        matches!(self.template.parts.first(), Some(Part::Var(name)) if name.starts_with('+'))
    }

    /// The address for an account.
    pub fn expand(&self, vars: &BTreeMap<String, String>) -> Result<Url, FetchError> {
        let whole = self.is_whole();
        let text = self.template.expand(vars, |value, out| {
            if whole && out.is_empty() {
                out.push_str(value.trim());
                return Ok(());
            }
            let in_host = out.split_once("://").is_none_or(|(_, rest)| !rest.contains(['/', '?', '#']));
            if in_host && !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
                return FetchError::refused("a variable in the host is no part of a name");
            }
            // The URL standard would climb out of the path.
            if !in_host && value.bytes().all(|b| b == b'.') {
                return FetchError::refused("a variable in the path is made of dots only");
            }
            escape(value, out);
            Ok(())
        })?;
        let Ok(url) = Url::parse(&text) else {
            return FetchError::refused("the URL template and its variables make no address");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return FetchError::refused("the address is neither https:// nor http://");
        }
        Ok(url)
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escape(value: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a text never fails.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_escaped_where_they_stand() {
        let url = UrlTemplate::read("https://{shop}.example/u/{user}/p?q={q}", "url").expect("reads");
        let given = vars(&[("shop", "a-1"), ("user", "a/../b?c#d"), ("q", "x&y=z ä")]);
        let made = url.expand(&given).expect("expands");
        assert_eq!(made.as_str(), "https://a-1.example/u/a%2F..%2Fb%3Fc%23d/p?q=x%26y%3Dz%20%C3%A4");
        assert_eq!(url.host(), None);
        for (shop, user) in [("evil.example/", "x"), ("a@b", "x"), ("a", ".."), ("a", "."), ("a:1", "x"), ("a", "")] {
            url.expand(&vars(&[("shop", shop), ("user", user), ("q", "1")])).expect_err(shop);
        }
        url.expand(&vars(&[("shop", "a")])).expect_err("a variable is missing");
    }

    #[test]
    fn a_whole_address_may_be_a_variable() {
        let url = UrlTemplate::read("{+calendar}", "url").expect("reads");
        let made = url.expand(&vars(&[("calendar", "https://cal.example/x.ics?k=1")])).expect("expands");
        assert_eq!(made.as_str(), "https://cal.example/x.ics?k=1");
        for bad in ["ftp://cal.example/", "/etc/passwd", "file:///etc/passwd", "https://"] {
            url.expand(&vars(&[("calendar", bad)])).expect_err(bad);
        }
        UrlTemplate::read("https://a.example/{+rest}", "url").expect_err("not at the beginning");
    }

    #[test]
    fn what_is_no_template_is_told() {
        for bad in ["", "api.example/x", "https://a.example/{x", "https://a.example/{a b}", "ftp://a/", "env:URL"] {
            UrlTemplate::read(bad, "url").expect_err(bad);
        }
        assert_eq!(Template::read("{{a} {b}", "x").expect("reads").plain(&vars(&[("b", "1")])), Ok("{a} 1".into()));
        UrlTemplate::read("https://{a}.example:8443/", "url").expect("a host with a variable");
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(user in "\\PC{1,40}") {
            let url = UrlTemplate::read("https://api.example/u/{user}/end", "url").expect("reads");
            if let Ok(made) = url.expand(&vars(&[("user", &user)])) {
                prop_assert_eq!(made.host_str(), Some("api.example"));
                prop_assert_eq!(made.path_segments().expect("a path").count(), 3);
                prop_assert!(made.path().starts_with("/u/") && made.path().ends_with("/end"));
                prop_assert!(made.query().is_none() && made.fragment().is_none());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            let _ = UrlTemplate::read(&text, "url");
        }
    }
}
