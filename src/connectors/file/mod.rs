//! `file`: JSON Lines or CSV in a folder of this machine, read as they grow.

mod csv_lines;
mod follow;
mod open;
mod pattern;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::Timestamp;

use super::account::Account;
use super::error::{FetchError, SettingsFault};
use super::fetch::Fetcher;
use super::page::Page;
use super::shape::{OneOrMore, Shape, ShapeSettings, TimeSettings};
use csv_lines::{CsvLines, CsvSettings};
use pattern::Pattern;

/// Most records of a page where the settings say nothing.
const PAGE_RECORDS: usize = 500;
/// Seconds without a change after which a last line without its end is whole.
const SETTLE_SECONDS: u32 = 60;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    path: String,
    format: Format,
    csv: Option<CsvSettings>,
    page_records: Option<usize>,
    settle_seconds: Option<u32>,
    #[serde(default)]
    on_bad_line: OnBad,
    id: Option<OneOrMore>,
    timestamp: Option<TimeSettings>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    drop: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    Jsonl,
    Csv,
}

/// What becomes of a line that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OnBad {
    /// The page fails, and nothing after the line is read until it is mended.
    #[default]
    Fail,
    /// It is left out and counted.
    Skip,
}

/// How lines become values.
#[derive(Debug, Clone)]
enum Lines {
    Json,
    Csv(CsvLines),
}

/// The connector.
#[derive(Debug, Clone)]
pub(super) struct FileConnector {
    pattern: Pattern,
    lines: Lines,
    page_records: usize,
    settle: i64,
    on_bad: OnBad,
    shape: Shape,
}

impl FileConnector {
    pub fn read(settings: &Value, at: &str) -> Result<FileConnector, SettingsFault> {
        let settings: Settings = super::settings(settings, at)?;
        let lines = match (settings.format, settings.csv) {
            (Format::Jsonl, None) => Lines::Json,
            (Format::Jsonl, Some(_)) => {
                return Err(SettingsFault::new(format!("{at}.csv"), "goes with the format `csv` only"));
            }
            (Format::Csv, csv) => Lines::Csv(CsvLines::read(csv.unwrap_or_default(), &format!("{at}.csv"))?),
        };
        let page_records = settings.page_records.unwrap_or(PAGE_RECORDS);
        if !(1..=super::RECORDS_MAX).contains(&page_records) {
            let why = format!("is not 1 to {}", super::RECORDS_MAX);
            return Err(SettingsFault::new(format!("{at}.pageRecords"), why));
        }
        let settle = settings.settle_seconds.unwrap_or(SETTLE_SECONDS);
        if settle > 86_400 {
            return Err(SettingsFault::new(format!("{at}.settleSeconds"), "is more than a day"));
        }
        let shape = ShapeSettings {
            id: settings.id,
            timestamp: settings.timestamp,
            fields: settings.fields,
            drop: settings.drop,
        };
        Ok(FileConnector {
            pattern: Pattern::read(&settings.path, &format!("{at}.path"))?,
            lines,
            page_records,
            settle: i64::from(settle),
            on_bad: settings.on_bad_line,
            shape: Shape::read(shape, at)?,
        })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pattern.names()
    }

    pub async fn page(
        &self,
        http: &Fetcher,
        account: &Account,
        before: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, FetchError> {
        let place = self.pattern.expand(account)?;
        let roots = http.limits().file_roots.clone();
        let (of, before) = (self.clone(), before.map(str::to_owned));
        let read = move || follow::page(&of, &roots, &place, before.as_deref(), now);
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|_| FetchError::malformed("the files cannot be read"))
    }
}
