//! The request of a connector that asks over HTTP: address, parameters, headers, credentials, and what makes it
//! conditional.

use std::collections::BTreeMap;

use reqwest::Url;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::account::Account;
use super::auth::{Auth, AuthSettings};
use super::error::{FetchError, SettingsFault};
use super::fetch::Ask;
use super::template::{Template, UrlTemplate};

/// Most headers, and most parameters.
const PAIRS_MAX: usize = 32;
/// Longest validator kept, bytes.
const VALIDATOR_MAX: usize = 256;
/// Headers that are ours to say.
const OURS: [&str; 10] = [
    "authorization",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "if-modified-since",
    "if-none-match",
    "proxy-authorization",
    "transfer-encoding",
];

/// The settings of a request, as they stand in those of a connector.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestSettings {
    pub url: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub auth: AuthSettings,
    pub content_types: Option<Vec<String>>,
    pub conditional: Option<bool>,
}

/// A request, compiled.
#[derive(Debug, Clone)]
pub(super) struct Request {
    url: UrlTemplate,
    query: Vec<(String, Template)>,
    headers: Vec<(HeaderName, Template)>,
    pub auth: Auth,
    accept: &'static str,
    types: Vec<String>,
    conditional: bool,
}

/// What makes the next request conditional: ETag, Last-Modified, and the URL that they are of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Validators {
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(rename = "u", default)]
    url: String,
}

impl Request {
    /// Compiles it. `accept` and `types` are those of the connector's kind.
    pub fn read(
        settings: RequestSettings,
        accept: &'static str,
        types: &[&str],
        at: &str,
    ) -> Result<Request, SettingsFault> {
        let url = UrlTemplate::read(&settings.url, &format!("{at}.url"))?;
        if settings.query.len() > PAIRS_MAX || settings.headers.len() > PAIRS_MAX {
            return Err(SettingsFault::new(at, format!("has more than {PAIRS_MAX} headers or parameters")));
        }
        let query = settings.query.into_iter().map(|(name, text)| {
            let template = Template::read(&text, &format!("{at}.query.{name}"))?;
            Ok((name, template))
        });
        let query = query.collect::<Result<_, _>>()?;
        let headers = settings.headers.into_iter().map(|(name, text)| {
            let at = format!("{at}.headers.{name}");
            let template = Template::read(&text, &at)?;
            match HeaderName::try_from(&name) {
                Ok(name) if OURS.contains(&name.as_str()) => {
                    Err(SettingsFault::new(at, "is set by the connector itself; credentials are said by `auth`"))
                }
                Ok(name) => Ok((name, template)),
                Err(_) => Err(SettingsFault::new(at, "is no name of a header")),
            }
        });
        let headers = headers.collect::<Result<_, _>>()?;
        let auth = Auth::read(settings.auth, &format!("{at}.auth"))?;
        // Whoever gives an account's variables would be told the plug's secret.
        if auth.is_own() && url.host().is_none() {
            let why = "refers to a secret of the plug's own while a variable in `url` says which host gets it: write \
                       the host out, or leave the secret to the account";
            return Err(SettingsFault::new(format!("{at}.auth"), why));
        }
        let types = match settings.content_types {
            Some(types) if types.len() > PAIRS_MAX || types.iter().any(|kind| !kind.is_ascii() || kind.len() > 128) => {
                return Err(SettingsFault::new(format!("{at}.contentTypes"), "is no short list of media types"));
            }
            Some(types) => types.iter().map(|kind| kind.trim().to_ascii_lowercase()).collect(),
            None => types.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        // `*/*` takes what has no type at all.
        let types: Vec<String> = types;
        let types = if types.iter().any(|kind| kind == "*/*") { Vec::new() } else { types };
        let conditional = settings.conditional.unwrap_or(true);
        Ok(Request { url, query, headers, auth, accept, types, conditional })
    }

    pub fn host(&self) -> Option<&str> {
        self.url.host()
    }

    /// The host that is asked for an account; none when no address can be made of the URL and the account's variables.
    pub fn host_for(&self, account: &Account) -> Option<String> {
        match self.host() {
            Some(host) => Some(host.to_owned()),
            None => self.url.expand(&account.vars).ok()?.host_str().map(str::to_owned),
        }
    }

    /// The names of the variables that it needs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let query = self.query.iter().flat_map(|(_, template)| template.names());
        let headers = self.headers.iter().flat_map(|(_, template)| template.names());
        self.url.names().chain(query).chain(headers).chain(self.auth.names())
    }

    /// The address for an account, its parameters included, without credentials.
    pub fn url(&self, account: &Account) -> Result<Url, FetchError> {
        let mut url = self.url.expand(&account.vars)?;
        for (name, template) in &self.query {
            let value = template.plain(&account.vars)?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        Ok(url)
    }

    /// The request for a URL of this account, conditional when `known` is of that URL.
    pub fn ask(&self, url: Url, account: &Account, known: Option<&Validators>) -> Result<Ask, FetchError> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            let value = template.plain(&account.vars)?;
            let Ok(value) = HeaderValue::from_str(&value) else {
                return FetchError::refused("a header's value holds what a header cannot");
            };
            headers.append(name.clone(), value);
        }
        if let Some(known) = known.filter(|known| self.conditional && known.url == mark(&url)) {
            let value = |text: &Option<String>| HeaderValue::from_str(text.as_deref()?).ok();
            for (name, value) in [(IF_NONE_MATCH, value(&known.etag)), (IF_MODIFIED_SINCE, value(&known.modified))] {
                value.map(|value| headers.insert(name, value));
            }
        }
        let mut ask = Ask { headers, accept: self.accept, types: self.types.clone(), ..Ask::get(url) };
        self.auth.put(&mut ask, account)?;
        Ok(ask)
    }
}

impl Validators {
    /// Those of an answer to a request for `url`; none when it brings none that could be kept.
    pub fn of(headers: &HeaderMap, url: &Url) -> Option<Validators> {
        let text = |name: HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            (!text.is_empty() && text.len() <= VALIDATOR_MAX).then(|| text.to_owned())
        };
        let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
        (etag.is_some() || modified.is_some()).then(|| Validators { etag, modified, url: mark(url) })
    }
}

/// A short digest of a URL: the URL itself is nobody's business.
fn mark(url: &Url) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(url.as_str())[..9])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(url: &str, auth: Value) -> Result<Request, SettingsFault> {
        let auth = serde_json::from_value(auth).expect("settings");
        let settings = RequestSettings { url: url.into(), auth, ..RequestSettings::default() };
        Request::read(settings, "*/*", &[], "c")
    }

    #[test]
    fn a_secret_of_the_plugs_own_goes_to_no_host_that_an_account_names() {
        let own = [
            json!({"kind": "bearer", "token": "env:T"}),
            json!({"kind": "basic", "username": "u", "password": "file:/p"}),
            json!({"kind": "api-key", "header": "x-key", "key": "credential:k"}),
            json!({"kind": "api-key", "query": "k", "key": "env:K"}),
        ];
        for auth in own {
            for url in ["{+all}", "https://{shop}.example/", "https:///{host}/x", "https://{host}/x"] {
                let fault = request(url, auth.clone()).expect_err(url);
                assert_eq!(fault.at, "c.auth", "{url}");
            }
            request("https://api.example/{user}?q={q}", auth).expect("a host of the manifest's");
        }
        for auth in [json!({"kind": "none"}), json!({"kind": "bearer"}), json!({"kind": "basic"})] {
            request("{+all}", auth).expect("the account's own");
        }
    }

    #[test]
    fn the_host_is_that_of_the_settings_or_of_the_account() {
        let none = || json!({"kind": "none"});
        let vars = [("shop".to_owned(), "a".to_owned()), ("all".to_owned(), "https://cal.example/x".to_owned())];
        let account = Account { vars: vars.into(), ..Account::default() };
        for (url, expected) in [
            ("https://api.example/{user}", Some("api.example")),
            ("https://{shop}.example/", Some("a.example")),
            ("{+all}", Some("cal.example")),
            ("{+other}", None),
        ] {
            let host = request(url, none()).expect("settings").host_for(&account);
            assert_eq!(host.as_deref(), expected, "{url}");
        }
    }
}
