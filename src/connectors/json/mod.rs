//! `http-json`: a list of records in JSON, page by page.

mod circle;
mod paging;
mod since;

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::time::SECOND;

use super::account::Account;
use super::auth::AuthSettings;
use super::error::{FetchError, SettingsFault};
use super::fetch::Fetcher;
use super::page::{Page, RECORDS_MAX, continuation, state_of};
use super::path::Path;
use super::request::{Request, RequestSettings, Validators};
use super::seen::{Seen, fresh};
use super::shape::{OneOrMore, Shape, ShapeSettings, TimeSettings, digest};
use super::template::Template;
use circle::Circle;
use paging::{Asked, Next, Paging, PagingSettings};
use since::{Since, SinceSettings};

/// Most pages of one round; the next round goes on from there.
const PAGES_MAX: u32 = 100_000;
/// The same where the settings say nothing.
const PAGES: u32 = 1_000;
/// How often a round may begin anew before one has come to its end, nanoseconds: once a day.
const ANEW_EVERY: i64 = 86_400 * SECOND;
/// Most bytes of a request's body.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    url: String,
    #[serde(default)]
    method: MethodWord,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    #[serde(default)]
    auth: AuthSettings,
    #[serde(default)]
    paging: PagingSettings,
    max_pages: Option<u32>,
    records: Option<String>,
    #[serde(default)]
    absent_is_empty: bool,
    id: Option<OneOrMore>,
    timestamp: Option<TimeSettings>,
    since: Option<SinceSettings>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    drop: Vec<String>,
    content_types: Option<Vec<String>>,
    conditional: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum MethodWord {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

/// A body whose texts are templates.
#[derive(Debug, Clone)]
enum BodyOf {
    Plain(Value),
    Text(Template),
    List(Vec<BodyOf>),
    Fields(Vec<(String, BodyOf)>),
}

/// The connector.
#[derive(Debug, Clone)]
pub(super) struct HttpJson {
    request: Request,
    body: Option<BodyOf>,
    post: bool,
    paging: Paging,
    pages: u32,
    records: Path,
    absent_is_empty: bool,
    shape: Shape,
    since: Option<Since>,
}

/// Where a round stands.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// The page that comes next; none: a round begins.
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    /// Pages of this round so far.
    #[serde(rename = "n", skip_serializing_if = "is_zero")]
    pages: u32,
    #[serde(rename = "l", skip_serializing_if = "Option::is_none")]
    circle: Option<Circle>,
    /// The newest record of the last whole round.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// The newest record of this round.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    top: Option<Timestamp>,
    /// From when this round asks: the same for each of its pages.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    validators: Option<Validators>,
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    /// When this round was begun anew, in place of one whose place the source did not take.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    anew: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl HttpJson {
    pub fn read(settings: &Value, at: &str) -> Result<HttpJson, SettingsFault> {
        let settings: Settings = super::settings(settings, at)?;
        let post = settings.method == MethodWord::Post;
        if settings.body.is_some() && !post {
            return Err(SettingsFault::new(format!("{at}.body"), "goes with the method POST only"));
        }
        let request = RequestSettings {
            url: settings.url,
            query: settings.query,
            headers: settings.headers,
            auth: settings.auth,
            content_types: settings.content_types,
            conditional: Some(settings.conditional.unwrap_or(true) && !post),
        };
        let types = ["application/json", "application/*+json", "text/json"];
        let shape = ShapeSettings {
            id: settings.id,
            timestamp: settings.timestamp,
            fields: settings.fields,
            drop: settings.drop,
        };
        let shape = Shape::read(shape, at)?;
        if settings.since.is_some() && !shape.has_time() {
            return Err(SettingsFault::new(
                format!("{at}.since"),
                "needs `timestamp`: the newest record says from when",
            ));
        }
        let pages = settings.max_pages.unwrap_or(PAGES);
        if !(1..=PAGES_MAX).contains(&pages) {
            return Err(SettingsFault::new(format!("{at}.maxPages"), format!("is not 1 to {PAGES_MAX}")));
        }
        Ok(HttpJson {
            request: Request::read(request, "application/json", &types, at)?,
            body: settings.body.map(|body| BodyOf::read(body, &format!("{at}.body"))).transpose()?,
            post,
            paging: Paging::read(settings.paging, &format!("{at}.paging"))?,
            pages,
            records: Path::read(settings.records.as_deref().unwrap_or_default(), &format!("{at}.records"))?,
            absent_is_empty: settings.absent_is_empty,
            shape,
            since: settings.since.map(|since| Since::read(since, &format!("{at}.since"))).transpose()?,
        })
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn names(&self) -> Vec<&str> {
        let body = self.body.iter().flat_map(BodyOf::names);
        self.request.names().chain(body).collect()
    }

    pub async fn page(
        &self,
        http: &Fetcher,
        account: &Account,
        before: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, FetchError> {
        let mut state: State = state_of(before);
        let mut first = self.request.url(account)?;
        if let Some(since) = &self.since {
            // A time to come, as an earlier version may have kept it, would hide all that is new until then.
            state.since = state.since.map(|newest| newest.min(now));
            let under_way = state.from.filter(|_| state.next.is_some());
            state.from = under_way.or_else(|| since.begin(state.since, now));
            first = since.put(first, state.from);
        }
        let url = self.paging.url(first, state.next.as_ref())?;
        let known = state.validators.as_ref().filter(|_| state.next.is_none());
        let mut ask = self.request.ask(url.clone(), account, known)?;
        if self.post {
            ask.method = Method::POST;
            let body = self.body.as_ref().map(|body| body.expand(account)).transpose()?.unwrap_or(Value::Null);
            ask.body = Some(("application/json", Bytes::from(body.to_string())));
        }
        let answer = http.send(&ask, now).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            (state.from, state.anew) = (None, None);
            return Page::end(Vec::new(), continuation(&state)?);
        }
        // "No content" is no record.
        let none = answer.status == StatusCode::NO_CONTENT || answer.body.trim_ascii().is_empty();
        let body = if none { Value::Array(Vec::new()) } else { parse(&answer.body)? };
        let asked = Asked { next: state.next.as_ref(), url: &url, headers: &answer.headers, body: &body };
        let count = self.listed(&body, none)?.map_or(0, |list| list.len());
        if count > RECORDS_MAX {
            return Err(FetchError::TooLarge(format!("a page has {count} records, more than {RECORDS_MAX}")));
        }
        let next = self.paging.next(&asked, count, self.request.auth.query_name())?;
        let alone = state.next.is_none() && next.is_none();
        let mark = next.as_ref().map(|next| if self.paging.counts() { digest(&body) } else { format!("{next:?}") });
        let records: Vec<_> = self.take(body, none).into_iter().map(|value| self.shape.record(value)).collect();
        // One record that is dated ahead must not move `since` into the future.
        state.top = records.iter().filter_map(|record| record.at).chain(state.top).max().map(|top| top.min(now));
        let Some(next) = next else {
            state.since = state.top.take().max(state.since);
            // Only of a list on one page does an unchanged first page say that nothing has changed.
            state.validators = Validators::of(&answer.headers, &url).filter(|_| alone);
            let (records, seen) = if alone && self.since.is_none() {
                let (records, seen) = fresh(records, state.seen.as_ref());
                (records, Some(seen))
            } else {
                (records, None)
            };
            (state.next, state.pages, state.circle, state.seen) = (None, 0, None, seen);
            (state.from, state.anew) = (None, None);
            return Page::end(records, continuation(&state)?);
        };
        let circle = state.circle.take().unwrap_or_default().step(mark.as_deref().unwrap_or_default());
        let Some(circle) = circle else {
            return FetchError::malformed("the source's pages go in a circle: the same cursor or page came again");
        };
        state.circle = Some(circle);
        state.next = Some(next);
        (state.validators, state.seen) = (None, None);
        state.pages += 1;
        let more = state.pages < self.pages;
        if !more {
            state.pages = 0;
        }
        Ok(Page { records, continuation: Some(continuation(&state)?), more, skipped: 0 })
    }

    /// The continuation of a round that begins anew in place of one that is under way: from the newest record of the last
    /// whole round, or from nothing when the source says that it is `gone`. None where no round is under way, so that the same
    /// would be asked again, and where this one was begun anew not long before: what lies behind the place would never come,
    /// and nobody would hear of it.
    pub fn anew(before: &str, gone: bool, now: Timestamp) -> Option<String> {
        let State { next, since, anew, .. } = state_of(Some(before));
        let again = anew.is_some_and(|begun| now.since(begun) < ANEW_EVERY);
        if again || (next.is_none() && !gone) {
            return None;
        }
        let since = since.filter(|_| !gone);
        continuation(&State { since, anew: Some(now), ..State::default() }).ok()
    }

    /// The list of records in a body, none for one that is a record itself.
    fn listed<'a>(&self, body: &'a Value, none: bool) -> Result<Option<&'a [Value]>, FetchError> {
        match self.records.of(body) {
            _ if none => Ok(Some(&[])),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(Value::Null) => Ok(Some(&[])),
            Some(Value::Object(_)) => Ok(None),
            Some(_) => FetchError::malformed("what `records` names in the answer is no list and no object"),
            None if self.absent_is_empty => Ok(Some(&[])),
            None => FetchError::malformed("what `records` names is not in the answer"),
        }
    }

    fn take(&self, mut body: Value, none: bool) -> Vec<Value> {
        if none {
            return Vec::new();
        }
        match self.records.take(&mut body) {
            Some(Value::Array(list)) => list,
            Some(one @ Value::Object(_)) => vec![one],
            _ => Vec::new(),
        }
    }
}

/// Reads JSON; deeper than 128 is refused by the library.
fn parse(body: &[u8]) -> Result<Value, FetchError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_eof() { "is cut off" } else { "is no JSON" };
        FetchError::Malformed(format!("the answer {what} at line {}, column {}", error.line(), error.column()))
    })
}

impl BodyOf {
    fn read(value: Value, at: &str) -> Result<BodyOf, SettingsFault> {
        if value.to_string().len() > BODY_BYTES_MAX {
            return Err(SettingsFault::new(at, format!("has more than {BODY_BYTES_MAX} bytes")));
        }
        BodyOf::compile(value, at)
    }

    fn compile(value: Value, at: &str) -> Result<BodyOf, SettingsFault> {
        Ok(match value {
            Value::String(text) => BodyOf::Text(Template::read(&text, at)?),
            Value::Array(list) => {
                BodyOf::List(list.into_iter().map(|value| BodyOf::compile(value, at)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let field = |(name, value)| Ok((name, BodyOf::compile(value, at)?));
                BodyOf::Fields(fields.into_iter().map(field).collect::<Result<_, _>>()?)
            }
            other => BodyOf::Plain(other),
        })
    }

    fn names(&self) -> Vec<&str> {
        match self {
            BodyOf::Plain(_) => Vec::new(),
            BodyOf::Text(template) => template.names().collect(),
            BodyOf::List(list) => list.iter().flat_map(BodyOf::names).collect(),
            BodyOf::Fields(fields) => fields.iter().flat_map(|(_, body)| body.names()).collect(),
        }
    }

    fn expand(&self, account: &Account) -> Result<Value, FetchError> {
        Ok(match self {
            BodyOf::Plain(value) => value.clone(),
            BodyOf::Text(template) => Value::String(template.plain(&account.vars)?),
            BodyOf::List(list) => Value::Array(list.iter().map(|body| body.expand(account)).collect::<Result<_, _>>()?),
            BodyOf::Fields(fields) => {
                let field = |(name, body): &(String, BodyOf)| Ok((name.clone(), body.expand(account)?));
                Value::Object(fields.iter().map(field).collect::<Result<_, FetchError>>()?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let name = prop_oneof![Just("items"), Just("next"), Just("id"), Just("t"), Just("total")];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(name.prop_map(str::to_owned), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever a source answers, it is a page or a fault.
        #[test]
        fn any_answer_is_a_page_or_a_fault(body in any_json(), which in 0_usize..4) {
            let paging = [
                json!({"kind": "link", "path": "next"}),
                json!({"kind": "cursor", "path": "next", "param": "c", "more": "id"}),
                json!({"kind": "page", "param": "p", "size": 2, "pages": "total"}),
                json!({"kind": "offset", "param": "o", "total": "total"}),
            ];
            let settings = json!({
                "url": "https://api.example/", "records": "items", "paging": paging[which],
                "id": ["id", "t"], "timestamp": {"path": "t", "format": "unix"}, "fields": {"a.b": "next"},
            });
            let of = HttpJson::read(&settings, "c").expect("settings");
            let url = Url::parse("https://api.example/").expect("a URL");
            let count = of.listed(&body, false).ok().flatten().map_or(0, <[Value]>::len);
            let asked = Asked { next: None, url: &url, headers: &HeaderMap::new(), body: &body };
            if let Ok(Some(next)) = of.paging.next(&asked, count, None) {
                let _ = of.paging.url(url, Some(&next));
            }
            let taken = of.take(body, false);
            prop_assert!(count == 0 || taken.len() == count);
            for value in taken {
                let record = of.shape.record(value);
                prop_assert!(!record.id.is_empty() && record.data.is_object());
            }
        }

        #[test]
        fn any_bytes_are_json_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_continuation_that_was_tampered_with_is_harmless(text in "\\PC{0,60}") {
            let state: State = state_of(Some(&text));
            prop_assert!(continuation(&state).is_ok());
        }
    }
}
