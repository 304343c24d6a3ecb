//! How a request shows who asks. Secrets are referred to, or are the account's; they never stand in settings.

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::http::secret::{Secret, Source};

use super::account::Account;
use super::error::{FetchError, SettingsFault};
use super::fetch::Ask;
use super::template::Template;

/// The setting `auth`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum AuthSettings {
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer { token: Option<String> },
    /// `Authorization: Basic …`.
    Basic { username: Option<String>, password: Option<String> },
    /// A header or a parameter of the query.
    ApiKey { header: Option<String>, query: Option<String>, prefix: Option<String>, key: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Header(HeaderName, String),
    Query(String),
}

/// How a request shows who asks.
#[derive(Debug, Clone, Default)]
pub(super) enum Auth {
    #[default]
    None,
    Bearer(Option<Source>),
    Basic(Option<(Template, Source)>),
    Key(Key),
}

/// Where a key goes, and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Key {
    place: Place,
    key: Option<Source>,
}

fn source(text: Option<String>, at: &str, name: &str) -> Result<Option<Source>, SettingsFault> {
    let parsed = text.map(|text| Source::parse(&text)).transpose();
    parsed.map_err(|why| SettingsFault::new(format!("{at}.{name}"), why))
}

impl Auth {
    pub fn read(settings: AuthSettings, at: &str) -> Result<Auth, SettingsFault> {
        match settings {
            AuthSettings::None => Ok(Auth::None),
            AuthSettings::Bearer { token } => Ok(Auth::Bearer(source(token, at, "token")?)),
            AuthSettings::Basic { username: None, password: None } => Ok(Auth::Basic(None)),
            AuthSettings::Basic { username: Some(name), password: Some(password) } => {
                let name = Template::read(&name, &format!("{at}.username"))?;
                Ok(Auth::Basic(source(Some(password), at, "password")?.map(|password| (name, password))))
            }
            AuthSettings::Basic { .. } => {
                Err(SettingsFault::new(at, "has one of `username` and `password`: both, or none for the account's own"))
            }
            AuthSettings::ApiKey { header, query, prefix, key } => {
                let place = match (header, query) {
                    (Some(name), None) => {
                        let name = HeaderName::try_from(&name).map_err(|_| {
                            SettingsFault::new(format!("{at}.header"), "is no name of a header, like X-Api-Key")
                        })?;
                        Place::Header(name, prefix.unwrap_or_default())
                    }
                    (None, Some(name)) if !name.is_empty() && prefix.is_none() => Place::Query(name),
                    (None, Some(_)) => {
                        return Err(SettingsFault::new(at, "`query` is a name, and takes no `prefix`"));
                    }
                    _ => return Err(SettingsFault::new(at, "says either `header` or `query`: where the key goes")),
                };
                Ok(Auth::Key(Key { place, key: source(key, at, "key")? }))
            }
        }
    }

    /// The parameter of the query that holds a key, if one does.
    pub fn query_name(&self) -> Option<&str> {
        match self {
            Auth::Key(Key { place: Place::Query(name), .. }) => Some(name),
            _ => None,
        }
    }

    /// Whether it refers to a secret of the plug's own, not the account's.
    pub const fn is_own(&self) -> bool {
        matches!(self, Auth::Bearer(Some(_)) | Auth::Basic(Some(_)) | Auth::Key(Key { key: Some(_), .. }))
    }

    /// The names of variables that it needs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let template = if let Auth::Basic(Some((name, _))) = self { Some(name) } else { None };
        template.into_iter().flat_map(Template::names)
    }

    /// Puts the credentials into a request.
    ///
    /// # Errors
    /// [`FetchError::Unauthorized`] when the account has none; refused when a reference leads to nothing.
    pub fn put(&self, ask: &mut Ask, account: &Account) -> Result<(), FetchError> {
        let own = |source: &Option<Source>| match source {
            Some(source) => source.read().map_err(|why| FetchError::Refused(format!("a secret cannot be read: {why}"))),
            None => account.bearer.clone().ok_or(FetchError::Unauthorized),
        };
        let header = |secret: &Secret, word: &str| {
            secret.header_after(word).map_err(|_| FetchError::Refused("a secret holds what a header cannot".into()))
        };
        match self {
            Auth::None => {}
            Auth::Bearer(source) => ask.secret.push((AUTHORIZATION, header(&own(source)?, "Bearer ")?)),
            Auth::Basic(None) => {
                let (name, password) = account.basic.as_ref().ok_or(FetchError::Unauthorized)?;
                ask.secret.push((AUTHORIZATION, basic(name, password)?));
            }
            Auth::Basic(Some((name, source))) => {
                let (name, password) = (name.plain(&account.vars)?, own(&Some(source.clone()))?);
                ask.secret.push((AUTHORIZATION, basic(&name, &password)?));
            }
            Auth::Key(Key { place: Place::Header(name, prefix), key }) => {
                ask.secret.push((name.clone(), header(&own(key)?, prefix)?));
            }
            Auth::Key(Key { place: Place::Query(name), key }) => {
                let key = own(key)?;
                let kept = without(&ask.url, |known| known == name);
                ask.url = kept;
                ask.url.query_pairs_mut().append_pair(name, key.reveal());
                ask.secret_inside = true;
            }
        }
        Ok(())
    }
}

/// `Basic …` of a name and a password, as the value of a header.
pub(super) fn basic(name: &str, password: &Secret) -> Result<HeaderValue, FetchError> {
    let held = pair(name, password).header_after("Basic ");
    held.map_err(|_| FetchError::Refused("a secret holds what a header cannot".into()))
}

fn pair(name: &str, password: &Secret) -> Secret {
    let both = Zeroizing::new(format!("{name}:{}", password.reveal()));
    Secret::new(data_encoding::BASE64.encode(both.as_bytes()))
}

/// The URL without the parameters of these names.
pub(super) fn without(url: &Url, mut is: impl FnMut(&str) -> bool) -> Url {
    let mut out = url.clone();
    if !url.query_pairs().any(|(name, _)| is(&name)) {
        return out;
    }
    let kept: Vec<_> = url.query_pairs().filter(|(name, _)| !is(name)).collect();
    out.set_query(None);
    if !kept.is_empty() {
        out.query_pairs_mut().extend_pairs(kept);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn auth(value: Value) -> Result<Auth, String> {
        let settings = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Auth::read(settings, "auth").map_err(|fault| fault.to_string())
    }

    fn put(value: Value, account: &Account) -> Result<Ask, FetchError> {
        let mut ask = Ask::get(Url::parse("https://api.example/x?a=1&k=old").expect("a URL"));
        auth(value).expect("reads").put(&mut ask, account)?;
        Ok(ask)
    }

    #[test]
    fn credentials_are_the_accounts_or_are_referred_to() {
        let account = Account {
            bearer: Some(Secret::new("t0k")),
            basic: Some(("bob".into(), Secret::new("pw"))),
            ..Account::default()
        };
        let bearer = put(json!({"kind": "bearer"}), &account).expect("put");
        assert_eq!(bearer.secret[0].1.to_str().expect("text"), "Bearer t0k");
        assert!(bearer.secret[0].1.is_sensitive());
        let basic = put(json!({"kind": "basic"}), &account).expect("put");
        assert_eq!(basic.secret[0].1.to_str().expect("text"), "Basic Ym9iOnB3");
        let key = put(json!({"kind": "api-key", "header": "x-key", "prefix": "Token "}), &account).expect("put");
        assert_eq!(key.secret[0].1.to_str().expect("text"), "Token t0k");
        let query = put(json!({"kind": "api-key", "query": "k"}), &account).expect("put");
        assert_eq!(query.url.as_str(), "https://api.example/x?a=1&k=t0k");
        assert!(query.secret_inside);
        for kind in ["bearer", "basic"] {
            assert_eq!(put(json!({"kind": kind}), &Account::default()).err(), Some(FetchError::Unauthorized));
        }
        assert!(!format!("{account:?}").contains("t0k"));
    }

    #[test]
    fn a_secret_itself_is_refused_and_not_repeated() {
        for bad in [
            json!({"kind": "bearer", "token": "hunter2"}),
            json!({"kind": "basic", "username": "bob"}),
            json!({"kind": "basic", "username": "bob", "password": "hunter2"}),
            json!({"kind": "api-key"}),
            json!({"kind": "api-key", "header": "a b"}),
            json!({"kind": "api-key", "header": "x", "query": "y"}),
            json!({"kind": "oauth"}),
            json!({"kind": "bearer", "tokn": "env:X"}),
        ] {
            let told = auth(bad.clone()).expect_err("refused");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let missing = put(json!({"kind": "bearer", "token": "file:/nowhere/at/all"}), &Account::default());
        assert!(matches!(missing, Err(FetchError::Refused(_))));
    }
}
