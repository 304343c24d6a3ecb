//! How a source's list goes on: by a link, a cursor, a page's number, or an offset.

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connectors::auth::without;
use crate::connectors::error::{FetchError, SettingsFault};
use crate::connectors::fetch::origin;
use crate::connectors::path::Path;

/// Longest cursor or next link, bytes: it must fit into a continuation.
const NEXT_BYTES_MAX: usize = 2048;
/// Parameters that hold credentials in the links of some sources; they are not kept.
const SECRET_NAMES: [&str; 7] =
    ["access_token", "api_key", "apikey", "client_secret", "password", "appsecret_proof", "oauth_token"];

/// The setting `paging`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum PagingSettings {
    #[default]
    None,
    /// `Link: <…>; rel="next"`, or a URL in the body.
    Link { path: Option<String> },
    /// A text in the body that goes into a parameter.
    Cursor { path: String, param: String, more: Option<String> },
    /// 1, 2, 3 …
    Page { param: String, start: Option<u64>, size_param: Option<String>, size: Option<u64>, pages: Option<String> },
    /// 0, 100, 200 …
    Offset { param: String, size_param: Option<String>, size: Option<u64>, total: Option<String> },
}

#[derive(Debug, Clone)]
enum Kind {
    None,
    Link(Option<Path>),
    Cursor { path: Path, more: Option<Path> },
    Page { start: u64, pages: Option<Path> },
    Offset { total: Option<Path> },
}

/// How a list goes on.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    kind: Kind,
    param: String,
    size: Option<(Option<String>, u64)>,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Next {
    #[serde(rename = "u")]
    Url(String),
    #[serde(rename = "c")]
    Cursor(String),
    #[serde(rename = "p")]
    Page(u64),
    #[serde(rename = "o")]
    Offset(u64),
}

impl Paging {
    pub fn read(settings: PagingSettings, at: &str) -> Result<Paging, SettingsFault> {
        let path =
            |path: Option<String>, name: &str| path.map(|path| Path::read(&path, &format!("{at}.{name}"))).transpose();
        let sized = |param: Option<String>, size: Option<u64>| match (param, size) {
            (None, None) => Ok(None),
            (param, Some(size)) if (1..=10_000).contains(&size) => Ok(Some((param, size))),
            (_, Some(_)) => Err(SettingsFault::new(format!("{at}.size"), "is not 1 to 10000")),
            (Some(_), None) => Err(SettingsFault::new(format!("{at}.sizeParam"), "names a parameter without `size`")),
        };
        let named = |param: String| match param.len() {
            1..=128 => Ok(param),
            _ => Err(SettingsFault::new(format!("{at}.param"), "is no name of 1 to 128 bytes")),
        };
        let none = String::new();
        Ok(match settings {
            PagingSettings::None => Paging { kind: Kind::None, param: none, size: None },
            PagingSettings::Link { path: at } => {
                Paging { kind: Kind::Link(path(at, "path")?), param: none, size: None }
            }
            PagingSettings::Cursor { path: place, param, more } => {
                let place = Path::read(&place, &format!("{at}.path"))?;
                let kind = Kind::Cursor { path: place, more: path(more, "more")? };
                Paging { kind, param: named(param)?, size: None }
            }
            PagingSettings::Page { param, start, size_param, size, pages } => {
                let kind = Kind::Page { start: start.unwrap_or(1), pages: path(pages, "pages")? };
                Paging { kind, param: named(param)?, size: sized(size_param, size)? }
            }
            PagingSettings::Offset { param, size_param, size, total } => {
                let kind = Kind::Offset { total: path(total, "total")? };
                Paging { kind, param: named(param)?, size: sized(size_param, size)? }
            }
        })
    }

    /// Whether it knows by something other than its place where the next page begins: then the same page twice means
    /// that the source does not heed the parameter.
    pub fn counts(&self) -> bool {
        matches!(self.kind, Kind::Page { .. } | Kind::Offset { .. })
    }

    /// The URL of a page: the first one's with what says which page it is.
    pub fn url(&self, first: Url, next: Option<&Next>) -> Result<Url, FetchError> {
        let mut url = first;
        if let Some((Some(param), size)) = &self.size {
            url = with(&url, param, &size.to_string());
        }
        match (&self.kind, next) {
            (Kind::Page { start, .. }, None) => Ok(with(&url, &self.param, &start.to_string())),
            (_, None) => Ok(url),
            (Kind::Link(_), Some(Next::Url(text))) => {
                let Ok(to) = Url::parse(text) else {
                    return FetchError::refused("the continuation's link is no address");
                };
                // Credentials go along: to nobody but whom they are for.
                if origin(&to) != origin(&url) {
                    return FetchError::refused("the link to the next page leads to another host");
                }
                Ok(to)
            }
            (Kind::Cursor { .. }, Some(Next::Cursor(cursor))) => Ok(with(&url, &self.param, cursor)),
            (Kind::Page { .. }, Some(Next::Page(page))) => Ok(with(&url, &self.param, &page.to_string())),
            (Kind::Offset { .. }, Some(Next::Offset(offset))) => Ok(with(&url, &self.param, &offset.to_string())),
            // Of other settings than those of today: from the beginning.
            _ => self.url(url, None),
        }
    }

    /// Where the next page begins, none after the last one. `asked`: the page that this answer is of; `count`: records
    /// in it.
    pub fn next(&self, asked: &Asked<'_>, count: usize, secret: Option<&str>) -> Result<Option<Next>, FetchError> {
        let count = count as u64;
        // A page that is not full is the last one.
        let full = count > 0 && self.size.as_ref().is_none_or(|(_, size)| count >= *size);
        let number = |path: &Option<Path>| path.as_ref().and_then(|path| whole(path.of(asked.body)?));
        match &self.kind {
            Kind::None => Ok(None),
            Kind::Link(path) => {
                let text = match path {
                    None => linked(asked.headers),
                    Some(path) => path.of(asked.body).and_then(Value::as_str).map(str::to_owned),
                };
                let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
                let Ok(url) = asked.url.join(&text) else {
                    return FetchError::malformed("the link to the next page is no address");
                };
                let hidden = |name: &str| Some(name) == secret || SECRET_NAMES.contains(&name);
                fits(without(&url, hidden).into()).map(|url| Some(Next::Url(url)))
            }
            Kind::Cursor { path, more } => {
                if more.as_ref().and_then(|more| more.of(asked.body)) == Some(&Value::Bool(false)) {
                    return Ok(None);
                }
                match path.of(asked.body) {
                    Some(Value::String(cursor)) if !cursor.is_empty() => {
                        fits(cursor.clone()).map(|cursor| Some(Next::Cursor(cursor)))
                    }
                    Some(Value::Number(cursor)) => Ok(Some(Next::Cursor(cursor.to_string()))),
                    _ => Ok(None),
                }
            }
            Kind::Page { start, pages } => {
                let page = if let Some(Next::Page(page)) = asked.next { *page } else { *start };
                let last = number(pages).is_some_and(|pages| page.saturating_sub(*start) + 1 >= pages);
                Ok((full && !last).then_some(Next::Page(page.saturating_add(1))))
            }
            Kind::Offset { total } => {
                let offset = if let Some(Next::Offset(offset)) = asked.next { *offset } else { 0 };
                let next = offset.saturating_add(count);
                let last = number(total).is_some_and(|total| next >= total);
                Ok((full && !last).then_some(Next::Offset(next)))
            }
        }
    }
}

/// The page that was asked for, and its answer.
pub(super) struct Asked<'a> {
    pub next: Option<&'a Next>,
    pub url: &'a Url,
    pub headers: &'a HeaderMap,
    pub body: &'a Value,
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn fits(text: String) -> Result<String, FetchError> {
    if text.len() > NEXT_BYTES_MAX {
        return FetchError::malformed(format!(
            "the cursor or link to the next page has more than {NEXT_BYTES_MAX} bytes"
        ));
    }
    Ok(text)
}

/// The URL with a parameter of this value, whatever it was before.
pub(super) fn with(url: &Url, name: &str, value: &str) -> Url {
    let mut url = without(url, |known| known == name);
    url.query_pairs_mut().append_pair(name, value);
    url
}

/// The target of `Link: <…>; rel="next"` (RFC 8288).
fn linked(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(links).find(|(_, next)| *next).map(|(target, _)| target)
}

/// The targets of a line, each with whether it is the next page.
fn links(line: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        // A comma ends the link, but for one within quotes.
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let params = &after[..end.unwrap_or(after.len())];
        let is_next = params.split(';').filter_map(|param| param.split_once('=')).any(|(name, value)| {
            let words = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && words.into_iter().any(|word| word.eq_ignore_ascii_case("next"))
        });
        found.push((target.trim().to_owned(), is_next));
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn paging(value: Value) -> Paging {
        Paging::read(serde_json::from_value(value).expect("settings"), "paging").expect("reads")
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn next(paging: &Paging, asked: Option<&Next>, body: &Value, headers: &HeaderMap, count: usize) -> Option<Next> {
        let url = url("https://api.example/v1/list?a=1&key=s");
        paging.next(&Asked { next: asked, url: &url, headers, body }, count, Some("key")).expect("no fault")
    }

    #[test]
    fn a_link_is_followed_on_its_own_host_without_credentials() {
        let by_link = paging(json!({"kind": "link"}));
        let mut headers = HeaderMap::new();
        headers.append(LINK, "<https://api.example/first>; rel=\"first\"".parse().expect("a header"));
        let line = "<?page=0>; title=\"a, b\"; rel=prev, </v1/list?page=2&key=s&access_token=t>; rel=\"last next\"";
        headers.append(LINK, line.parse().expect("a header"));
        let found = next(&by_link, None, &json!([]), &headers, 1).expect("a next page");
        assert_eq!(found, Next::Url("https://api.example/v1/list?page=2".into()));
        let first = url("https://api.example/v1/list");
        assert_eq!(by_link.url(first.clone(), Some(&found)).expect("ours").query(), Some("page=2"));
        for bad in ["https://evil.example/v1/list", "http://api.example/v1/list", "https://api.example:444/", "//x"] {
            by_link.url(first.clone(), Some(&Next::Url(bad.into()))).expect_err(bad);
        }
        let in_body = paging(json!({"kind": "link", "path": "paging.next"}));
        let body = json!({"paging": {"next": "https://api.example/v1/list?after=x"}});
        assert!(next(&in_body, None, &body, &HeaderMap::new(), 1).is_some());
        assert_eq!(next(&in_body, None, &json!({"paging": {}}), &HeaderMap::new(), 1), None);
    }

    #[test]
    fn a_cursor_goes_into_its_parameter() {
        let by_cursor = paging(json!({"kind": "cursor", "path": "next", "param": "after", "more": "more"}));
        let none = HeaderMap::new();
        let found = next(&by_cursor, None, &json!({"next": "a&b"}), &none, 0).expect("a next page");
        let made = by_cursor.url(url("https://api.example/?after=old&x=1"), Some(&found)).expect("a URL");
        assert_eq!(made.query(), Some("x=1&after=a%26b"));
        for last in [json!({}), json!({"next": ""}), json!({"next": null}), json!({"next": "x", "more": false})] {
            assert_eq!(next(&by_cursor, None, &last, &none, 5), None, "{last}");
        }
        let long = json!({"next": "x".repeat(3000)});
        let asked = Asked { next: None, url: &url("https://api.example/"), headers: &none, body: &long };
        by_cursor.next(&asked, 1, None).expect_err("no continuation could hold it");
    }

    #[test]
    fn pages_and_offsets_are_counted_to_the_last_one() {
        let none = HeaderMap::new();
        let by_page = paging(json!({"kind": "page", "param": "p", "sizeParam": "n", "size": 10, "pages": "pages"}));
        assert_eq!(by_page.url(url("https://a.example/"), None).expect("a URL").query(), Some("n=10&p=1"));
        assert_eq!(next(&by_page, None, &json!({}), &none, 10), Some(Next::Page(2)));
        assert_eq!(next(&by_page, Some(&Next::Page(2)), &json!({}), &none, 9), None);
        assert_eq!(next(&by_page, Some(&Next::Page(2)), &json!({"pages": 2}), &none, 10), None);
        let by_offset = paging(json!({"kind": "offset", "param": "o", "total": "total"}));
        assert_eq!(next(&by_offset, None, &json!({"total": "12"}), &none, 10), Some(Next::Offset(10)));
        assert_eq!(next(&by_offset, Some(&Next::Offset(10)), &json!({"total": 12}), &none, 2), None);
        assert_eq!(next(&by_offset, Some(&Next::Offset(10)), &json!({}), &none, 0), None);
    }

    proptest! {
        #[test]
        fn any_link_header_is_read(line in "[<>;,\"= a-zA-Z/?]{0,80}") {
            let _ = links(&line);
        }
    }
}
