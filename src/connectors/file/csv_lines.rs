//! CSV as values: an object for each line, its fields named by the header.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::connectors::error::{FetchError, SettingsFault};

/// Most columns.
const COLUMNS_MAX: usize = 512;
/// Most lines before the header.
const SKIP_MAX: usize = 1_000;

/// The setting `csv`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CsvSettings {
    delimiter: Option<String>,
    quote: Option<String>,
    /// Names of the columns, when the file has no header.
    columns: Option<Vec<String>>,
    /// Lines before the header or the first record.
    #[serde(default)]
    skip_lines: usize,
    #[serde(default)]
    encoding: Encoding,
    /// Columns that hold numbers.
    #[serde(default)]
    numbers: Vec<String>,
    /// The decimal sign of numbers.
    decimal: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Encoding {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "latin-1")]
    Latin1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Decimal {
    #[serde(rename = ".")]
    Point,
    #[serde(rename = ",")]
    Comma,
}

/// How CSV is read.
#[derive(Debug, Clone)]
pub(super) struct CsvLines {
    pub delimiter: u8,
    pub quote: u8,
    columns: Option<Vec<String>>,
    skip: usize,
    encoding: Encoding,
    numbers: Vec<String>,
    decimal: Decimal,
}

impl CsvLines {
    pub fn read(settings: CsvSettings, at: &str) -> Result<CsvLines, SettingsFault> {
        let byte = |text: Option<String>, usual: u8, name: &str| match text.as_deref().map(str::as_bytes) {
            None => Ok(usual),
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
            Some(_) => Err(SettingsFault::new(format!("{at}.{name}"), "is not one ASCII character")),
        };
        if settings.skip_lines > SKIP_MAX {
            return Err(SettingsFault::new(format!("{at}.skipLines"), format!("is more than {SKIP_MAX}")));
        }
        if settings.columns.as_ref().is_some_and(|columns| columns.is_empty() || columns.len() > COLUMNS_MAX) {
            return Err(SettingsFault::new(format!("{at}.columns"), format!("has not 1 to {COLUMNS_MAX} names")));
        }
        Ok(CsvLines {
            delimiter: byte(settings.delimiter, b',', "delimiter")?,
            quote: byte(settings.quote, b'"', "quote")?,
            columns: settings.columns.map(named),
            skip: settings.skip_lines,
            encoding: settings.encoding,
            numbers: settings.numbers,
            decimal: settings.decimal.unwrap_or(Decimal::Point),
        })
    }

    /// The names of the columns and the offset of the first record, from the beginning of a file; none while the
    /// header is not there whole.
    pub fn header(&self, head: &[u8]) -> Result<Option<(Vec<String>, u64)>, FetchError> {
        let mut at = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        for _ in 0..self.skip {
            let Some(end) = head[at..].iter().position(|byte| *byte == b'\n') else { return Ok(None) };
            at += end + 1;
        }
        if let Some(columns) = &self.columns {
            return Ok(Some((columns.clone(), at as u64)));
        }
        let ends = super::follow::ends(&head[at..], Some((self.quote, self.delimiter)));
        let Some(end) = ends.first() else { return Ok(None) };
        let Some(fields) = self.fields(&head[at..at + end]) else {
            return FetchError::malformed("the header of a file cannot be read as CSV");
        };
        if fields.len() > COLUMNS_MAX {
            return Err(FetchError::TooLarge(format!("a file has more than {COLUMNS_MAX} columns")));
        }
        Ok(Some((named(fields), (at + end) as u64)))
    }

    /// One record, none for what cannot be read.
    pub fn value(&self, line: &[u8], columns: &[String]) -> Option<Value> {
        let fields = self.fields(line)?;
        if fields.len() != columns.len() {
            return None;
        }
        let mut out = Map::new();
        for (name, text) in columns.iter().zip(fields) {
            let value = if self.numbers.contains(name) { self.number(&text)? } else { Value::String(text) };
            out.insert(name.clone(), value);
        }
        Some(Value::Object(out))
    }

    fn fields(&self, line: &[u8]) -> Option<Vec<String>> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter).quote(self.quote);
        let mut reader = builder.from_reader(line);
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).ok()? {
            return None;
        }
        // Two records in one line: one of them would be lost.
        if reader.read_byte_record(&mut csv::ByteRecord::new()).ok()? {
            return None;
        }
        let text = |field: &[u8]| match self.encoding {
            Encoding::Utf8 => std::str::from_utf8(field).ok().map(str::to_owned),
            Encoding::Latin1 => Some(field.iter().map(|byte| char::from(*byte)).collect()),
        };
        record.iter().map(text).collect()
    }

    /// A number, `null` for nothing. What groups digits is left out.
    fn number(&self, text: &str) -> Option<Value> {
        let plain: String = text
            .chars()
            .filter(|c| {
                !c.is_whitespace() && *c != '\'' && *c != if self.decimal == Decimal::Comma { '.' } else { ',' }
            })
            .map(|c| if c == ',' { '.' } else { c })
            .collect();
        if plain.is_empty() {
            return Some(Value::Null);
        }
        let plain = plain.strip_prefix('+').unwrap_or(&plain);
        if let Ok(whole) = plain.parse::<i64>() {
            return Some(whole.into());
        }
        Number::from_f64(plain.parse().ok()?).map(Value::Number)
    }
}

/// Names without blanks around them; what has none or stands there twice is told apart by its place.
fn named(names: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(names.len());
    for (n, name) in names.iter().enumerate() {
        let name = name.trim().trim_start_matches('\u{feff}');
        let taken = name.is_empty() || out.iter().any(|known| known == name);
        out.push(if taken { format!("{name}_{}", n + 1) } else { name.to_owned() });
    }
    out
}
