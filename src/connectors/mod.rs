//! Connectors: reading people's data at its sources, by settings and without code.
//!
//! A connector is compiled from the settings in a plug's manifest. It fetches one page at a time and is told by a
//! continuation where to go on; it knows nothing of exchanges. All that comes from a source is hostile until checked:
//! where a request goes, how long it takes and how large an answer is, is bounded by [`FetchLimits`].

mod account;
mod after;
mod auth;
mod body;
mod document;
mod error;
mod feed;
mod fetch;
mod file;
mod ical;
mod json;
mod limits;
mod page;
mod path;
mod request;
mod seen;
mod shape;
mod template;
mod time_form;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::Timestamp;

pub use account::Account;
pub use after::AFTER_MAX;
pub use error::{FetchError, SettingsFault};
pub use fetch::{Answer, Ask, Fetcher, URL_BYTES_MAX};
pub use limits::{Allow, FetchLimits};
pub use page::{CONTINUATION_MAX, Page, RECORDS_MAX};
pub use shape::SourceRecord;

/// A connector, compiled from its settings. Immutable: share it.
#[derive(Debug, Clone)]
pub struct Connector {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    HttpJson(Box<json::HttpJson>),
    Feed(Box<feed::FeedConnector>),
    Ical(Box<ical::IcalConnector>),
    File(Box<file::FileConnector>),
}

impl Connector {
    /// The kinds of connectors.
    pub const KINDS: [&str; 4] = ["http-json", "feed", "ical", "file"];

    /// Compiles settings; `at` is where they stand, for faults.
    ///
    /// # Errors
    /// [`SettingsFault`]: the first place that is wrong.
    pub fn read(settings: &Value, at: &str) -> Result<Connector, SettingsFault> {
        let Some(fields) = settings.as_object() else {
            return Err(SettingsFault::new(at, "is no object with the settings of a connector"));
        };
        let mut rest = fields.clone();
        let kind = match rest.remove("kind").as_ref().and_then(Value::as_str) {
            Some("http-json") => Kind::HttpJson(Box::new(json::HttpJson::read(&rest.into(), at)?)),
            Some("feed") => Kind::Feed(Box::new(feed::FeedConnector::read(&rest.into(), at)?)),
            Some("ical") => Kind::Ical(Box::new(ical::IcalConnector::read(&rest.into(), at)?)),
            Some("file") => Kind::File(Box::new(file::FileConnector::read(&rest.into(), at)?)),
            _ => {
                let why = format!("is none of {}", Connector::KINDS.join(", "));
                return Err(SettingsFault::new(format!("{at}.kind"), why));
            }
        };
        Ok(Connector { kind })
    }

    /// Its kind, as the settings name it.
    pub const fn kind(&self) -> &'static str {
        match &self.kind {
            Kind::HttpJson(_) => "http-json",
            Kind::Feed(_) => "feed",
            Kind::Ical(_) => "ical",
            Kind::File(_) => "file",
        }
    }

    /// The host that it asks, when the settings name one: what a worker bounds its load by.
    pub fn host(&self) -> Option<&str> {
        match &self.kind {
            Kind::HttpJson(json) => json.request().host(),
            Kind::Feed(feed) => feed.request().host(),
            Kind::Ical(ical) => ical.request().host(),
            Kind::File(_) => None,
        }
    }

    /// The host that it asks for this account: the one that the settings name, else the one of the URL with the
    /// account's variables. None where no such URL can be made, and for files.
    pub fn host_for(&self, account: &Account) -> Option<String> {
        match &self.kind {
            Kind::HttpJson(json) => json.request().host_for(account),
            Kind::Feed(feed) => feed.request().host_for(account),
            Kind::Ical(ical) => ical.request().host_for(account),
            Kind::File(_) => None,
        }
    }

    /// The names of the variables that an account must give.
    pub fn vars(&self) -> BTreeSet<&str> {
        match &self.kind {
            Kind::HttpJson(json) => json.names().into_iter().collect(),
            Kind::Feed(feed) => feed.request().names().collect(),
            Kind::Ical(ical) => ical.request().names().collect(),
            Kind::File(file) => file.names().collect(),
        }
    }

    /// The continuation with which a round begins anew where the source does not take the place that this one names; from
    /// nothing where it says that the place is `gone`, else what earlier rounds have brought stays known. None where that is of
    /// no use: it names no place in a round, or a round that was begun anew within a day and has not come to its end since.
    pub fn anew(&self, continuation: &str, gone: bool, now: Timestamp) -> Option<Option<String>> {
        match &self.kind {
            Kind::HttpJson(_) => json::HttpJson::anew(continuation, gone, now).map(Some),
            // They know no place in a round, so there is none to come back to.
            Kind::Feed(_) | Kind::Ical(_) | Kind::File(_) => gone.then_some(None),
        }
    }

    /// Fetches one page. Without a continuation a round begins from nothing.
    ///
    /// # Errors
    /// [`FetchError`]; the continuation before it still holds.
    pub async fn page(
        &self,
        http: &Fetcher,
        account: &Account,
        continuation: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, FetchError> {
        match &self.kind {
            Kind::HttpJson(json) => json.page(http, account, continuation, now).await,
            Kind::Feed(feed) => feed.page(http, account, continuation, now).await,
            Kind::Ical(ical) => ical.page(http, account, continuation, now).await,
            Kind::File(file) => file.page(http, account, continuation, now).await,
        }
    }
}

/// The connectors in a plug's settings, by the name of their endpoint: `{"connectors": {"posts": {…}}}`. None where the
/// settings name none.
///
/// # Errors
/// [`SettingsFault`]: the first place that is wrong.
pub fn connectors_of(settings: &Value, at: &str) -> Result<BTreeMap<String, Connector>, SettingsFault> {
    match settings.get("connectors") {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(all)) => all
            .iter()
            .map(|(name, settings)| Ok((name.clone(), Connector::read(settings, &format!("{at}.connectors.{name}"))?)))
            .collect(),
        Some(_) => Err(SettingsFault::new(format!("{at}.connectors"), "is no object of connectors by endpoint")),
    }
}

/// Reads settings strictly.
fn settings<T: DeserializeOwned>(value: &Value, at: &str) -> Result<T, SettingsFault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { at.to_owned() } else { format!("{at}.{path}") };
        SettingsFault::new(at, error.inner().to_string())
    })
}
