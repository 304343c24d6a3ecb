//! `feed`: RSS, Atom and JSON Feed.

use std::collections::BTreeMap;

use feed_rs::model::{Entry, Feed, Person, Text};
use feed_rs::parser::ParseFeedError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::Timestamp;

use super::account::Account;
use super::auth::AuthSettings;
use super::document;
use super::error::{FetchError, SettingsFault};
use super::fetch::Fetcher;
use super::page::{Page, RECORDS_MAX};
use super::request::{Request, RequestSettings};
use super::shape::{Shape, ShapeSettings, SourceRecord, sized};

/// Media types of feeds, and those that servers give them.
const TYPES: [&str; 8] = [
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
    "application/xml",
    "text/xml",
    "application/json",
    "text/plain",
];
/// Most authors, links, categories or media of one entry.
const PARTS_MAX: usize = 64;
/// Most bytes of the feed's own title, and of its link: each entry has a copy.
const ABOUT_BYTES_MAX: usize = 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    url: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    auth: AuthSettings,
    content_types: Option<Vec<String>>,
    conditional: Option<bool>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    drop: Vec<String>,
}

/// The connector.
#[derive(Debug, Clone)]
pub(super) struct FeedConnector {
    request: Request,
    shape: Shape,
}

impl FeedConnector {
    pub fn read(settings: &Value, at: &str) -> Result<FeedConnector, SettingsFault> {
        let settings: Settings = super::settings(settings, at)?;
        let request = RequestSettings {
            url: settings.url,
            query: settings.query,
            headers: settings.headers,
            auth: settings.auth,
            content_types: settings.content_types,
            conditional: settings.conditional,
        };
        let accept =
            "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.8, */*;q=0.1";
        let shape = ShapeSettings { fields: settings.fields, drop: settings.drop, ..ShapeSettings::default() };
        Ok(FeedConnector { request: Request::read(request, accept, &TYPES, at)?, shape: Shape::read(shape, at)? })
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    pub async fn page(
        &self,
        http: &Fetcher,
        account: &Account,
        before: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, FetchError> {
        let shape = self.shape.clone();
        document::page(&self.request, http, account, (before, None), now, move |body| read(&body, &shape)).await
    }
}

/// Reads a feed's entries.
pub(super) fn read(body: &[u8], shape: &Shape) -> Result<Vec<SourceRecord>, FetchError> {
    // Content is kept as it came: what shows it must clean it.
    let parser = feed_rs::parser::Builder::new().sanitize_content(false).build();
    let feed = parser.parse(body).map_err(|error| {
        // The library's text would repeat content.
        let what = match error {
            ParseFeedError::ParseError(_) => "is no feed that can be read",
            ParseFeedError::IoError(_) => "is in no encoding that can be read",
            ParseFeedError::JsonSerde(_) | ParseFeedError::JsonUnsupportedVersion(_) => "is no JSON Feed",
            ParseFeedError::XmlReader(_) => "is no whole XML",
        };
        FetchError::Malformed(format!("the document {what}"))
    })?;
    // Before records are made of them: each is larger than its entry.
    if feed.entries.len() > RECORDS_MAX {
        let why = format!("the document has {} records, more than {RECORDS_MAX}", feed.entries.len());
        return Err(FetchError::TooLarge(why));
    }
    let of = about(&feed);
    Ok(feed.entries.iter().map(|entry| record(entry, &of, shape)).collect())
}

fn record(entry: &Entry, of: &Value, shape: &Shape) -> SourceRecord {
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            data.insert(name.to_owned(), value);
        }
    };
    let published = entry.published.and_then(|time| time.timestamp_nanos_opt()).map(Timestamp);
    let updated = entry.updated.and_then(|time| time.timestamp_nanos_opt()).map(Timestamp);
    put("id", json!(entry.id));
    put("title", text(&entry.title));
    put("link", json!(entry.links.first().map(|link| &link.href)));
    put(
        "links",
        entry.links.iter().take(PARTS_MAX).map(|link| json!({ "href": link.href, "rel": link.rel })).collect(),
    );
    put("summary", text(&entry.summary));
    put("content", json!(entry.content.as_ref().and_then(|content| content.body.as_ref())));
    put("contentType", json!(entry.content.as_ref().map(|content| content.content_type.to_string())));
    put("authors", entry.authors.iter().take(PARTS_MAX).map(person).collect());
    put("categories", entry.categories.iter().take(PARTS_MAX).map(|category| json!(category.term)).collect());
    put("published", json!(published));
    put("updated", json!(updated));
    let media = entry.media.iter().flat_map(|media| &media.content).filter_map(|content| {
        let url = content.url.as_ref()?.as_str();
        Some(
            json!({ "url": url, "type": content.content_type.as_ref().map(ToString::to_string), "size": content.size }),
        )
    });
    put("media", media.take(PARTS_MAX).collect());
    put("language", json!(entry.language));
    put("feed", of.clone());
    let made = shape.record(Value::Object(data));
    SourceRecord { id: sized(entry.id.clone()), at: updated.or(published), ..made }
}

fn about(feed: &Feed) -> Value {
    let link = feed.links.iter().find(|link| link.rel.as_deref() != Some("self")).map(|link| cut(&link.href));
    json!({ "title": feed.title.as_ref().map(|title| cut(&title.content)), "link": link })
}

/// The beginning of a text that stands in each entry, whole characters only.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(ABOUT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text(text: &Option<Text>) -> Value {
    json!(text.as_ref().map(|text| &text.content))
}

fn person(person: &Person) -> Value {
    let parts = [("name", &person.name), ("email", &person.email), ("uri", &person.uri)];
    parts
        .into_iter()
        .filter_map(|(name, part)| Some((name.to_owned(), json!(part.as_ref()?))))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ATOM: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Notes</title><link href="https://blog.example/"/><id>urn:x</id>
<updated>2026-01-31T12:00:00Z</updated>
<entry><title>One</title><id>urn:1</id><link href="https://blog.example/1"/><updated>2026-01-30T12:00:00Z</updated>
<author><name>Bob</name><email>bob@blog.example</email></author><category term="walks"/>
<content type="html">&lt;p&gt;Hello&lt;/p&gt;</content></entry></feed>"#;
    const RSS: &str = r#"<rss version="2.0"><channel><title>News</title><link>https://news.example/</link>
<item><title>Two</title><guid isPermaLink="false">n-2</guid><pubDate>Sat, 31 Jan 2026 12:00:00 GMT</pubDate>
<description>Short</description><enclosure url="https://news.example/2.mp3" type="audio/mpeg" length="9"/></item>
<item><title>No id</title><link>https://news.example/3</link></item></channel></rss>"#;
    const JSON: &str = r#"{"version":"https://jsonfeed.org/version/1.1","title":"J","items":[
{"id":"j1","content_text":"Hi","date_published":"2026-01-31T12:00:00Z"}]}"#;

    fn records(text: &str) -> Vec<SourceRecord> {
        read(text.as_bytes(), &Shape::default()).expect("a feed")
    }

    #[test]
    fn the_three_kinds_are_read_alike() {
        let atom = records(ATOM);
        assert_eq!(atom[0].id, "urn:1");
        assert_eq!(atom[0].at.expect("a time").to_string(), "2026-01-30T12:00:00Z");
        assert_eq!(atom[0].data["authors"], json!([{ "name": "Bob", "email": "bob@blog.example" }]));
        assert_eq!(atom[0].data["content"], "<p>Hello</p>");
        assert_eq!(atom[0].data["feed"]["title"], "Notes");
        let rss = records(RSS);
        assert_eq!((rss[0].id.as_str(), &rss[0].data["summary"]), ("n-2", &json!("Short")));
        assert_eq!(rss[0].data["media"][0]["url"], "https://news.example/2.mp3");
        assert!(!rss[1].id.is_empty());
        assert_eq!(records(RSS)[1].id, rss[1].id, "an id that is made is the same again");
        assert_eq!(records(JSON)[0].id, "j1");
    }

    #[test]
    fn what_each_entry_would_copy_is_cut_and_entries_are_counted() {
        let rss = |title: &str, count: usize| {
            let items = "<item><title>a</title></item>".repeat(count);
            format!("<rss version=\"2.0\"><channel><title>{title}</title>{items}</channel></rss>")
        };
        let title = format!("a{}", "\u{e9}".repeat(2000));
        let cut = records(&rss(&title, 1));
        // 1,024 bytes would end within a character.
        assert_eq!(cut[0].data["feed"]["title"], title[..1023]);
        let many = read(rss("N", RECORDS_MAX + 1).as_bytes(), &Shape::default());
        assert!(matches!(many, Err(FetchError::TooLarge(_))));
    }

    #[test]
    fn broken_feeds_are_told_without_their_content() {
        let deep = format!("<feed xmlns=\"http://www.w3.org/2005/Atom\">{}", "<a>".repeat(200_000));
        let entities = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><rss version=\"2.0\"><channel><title>&b;</title></channel></rss>";
        let json_deep = format!("{{\"version\":\"https://jsonfeed.org/version/1\",\"items\":{}", "[".repeat(100_000));
        for bad in [
            "",
            "hunter2",
            "<html><p>hunter2</p></html>",
            &ATOM[..300],
            "{\"version\": \"hunter2\"}",
            &deep,
            &json_deep,
        ] {
            match read(bad.as_bytes(), &Shape::default()) {
                Err(FetchError::Malformed(told)) => assert!(!told.contains("hunter2"), "{told}"),
                other => panic!("{bad:.80}: {other:?}"),
            }
        }
        // Entities of a document's own are not followed.
        if let Ok(records) = read(entities.as_bytes(), &Shape::default()) {
            assert!(records.is_empty());
        }
    }

    /// What a parser could be slow at: a megabyte of each must not take long.
    #[test]
    fn feeds_of_every_shape_are_read_in_time() {
        let many = |part: &str| part.repeat((1 << 20) / part.len());
        let rss = |inside: &str| format!("<rss version=\"2.0\"><channel><title>x</title>{inside}</channel></rss>");
        let attributes: String = (0..80_000).map(|n| format!(" a{n}=\"b\"")).collect();
        let spaces: String = (0..30_000).map(|n| format!(" xmlns:a{n}=\"urn:{n}\"")).collect();
        for (name, text) in [
            ("items", rss(&many("<item><title>a</title></item>"))),
            ("depth", rss(&format!("{}{}", many("<a>"), "x"))),
            ("closed depth", rss(&format!("{}{}", "<a>".repeat(150_000), "</a>".repeat(150_000)))),
            ("entities", rss(&format!("<description>{}</description>", many("&amp;")))),
            ("attributes", rss(&format!("<item{attributes}/>"))),
            ("namespaces", rss(&format!("<item{spaces}>{}</item>", "<b/>".repeat(1000)))),
            ("sections", rss(&format!("<description>{}</description>", many("<![CDATA[x]]>")))),
            ("comments", rss(&many("<!-- x -->"))),
            ("date", rss(&format!("<item><pubDate>{}</pubDate></item>", many("1 ")))),
            ("open", many("<")),
            (
                "xhtml",
                format!(
                    "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><content type=\"xhtml\"><div>{}</div></content></entry></feed>",
                    many("<p>a</p>")
                ),
            ),
        ] {
            let began = std::time::Instant::now();
            let _ = read(text.as_bytes(), &Shape::default());
            assert!(began.elapsed() < std::time::Duration::from_secs(5), "{name}: {:?}", began.elapsed());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_damaged_feed_is_read_or_refused(
            which in 0_usize..3,
            at in 0_usize..600,
            noise in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut bytes = [ATOM, RSS, JSON][which].as_bytes().to_vec();
            let at = at % bytes.len();
            let end = (at + noise.len()).min(bytes.len());
            bytes.splice(at..end, noise);
            let _ = read(&bytes, &Shape::default());
        }
    }
}
