//! Times as sources write them.

use std::str::FromStr;

use jiff::civil;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::time::SECOND;

use super::error::SettingsFault;

/// Longest text of a time, bytes.
const TEXT_MAX: usize = 64;

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum TimeForm {
    /// RFC 3339 with or without its offset (then UTC), a date, or RFC 2822.
    #[default]
    Auto,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// As `strftime` writes it, like `%d/%m/%Y`; without an offset UTC.
    Pattern(String),
}

fn instant(time: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
}

fn utc(time: civil::DateTime) -> Option<Timestamp> {
    instant(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A number of seconds or milliseconds, whole or broken, also as a text.
#[allow(clippy::cast_possible_truncation, reason = "a float beyond the range is refused before")]
fn number(value: &Value, unit: i64) -> Option<Timestamp> {
    let whole = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    if let Some(whole) = whole {
        return whole.checked_mul(unit).map(Timestamp);
    }
    let broken: f64 = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    if broken.is_nan() || broken.abs() * (unit as f64) >= 9e18 {
        return None;
    }
    // In two parts: all of it at once has more digits than a float.
    Some(Timestamp(broken.trunc() as i64 * unit + (broken.fract() * unit as f64).round() as i64))
}

fn text(text: &str) -> Option<Timestamp> {
    if let Ok(time) = jiff::Timestamp::from_str(text) {
        return instant(time);
    }
    if let Ok(time) = civil::DateTime::from_str(text) {
        return utc(time);
    }
    if let Ok(date) = civil::Date::from_str(text) {
        return utc(date.to_datetime(civil::Time::midnight()));
    }
    instant(rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?)
}

fn pattern(form: &str, text: &str) -> Option<Timestamp> {
    let read = strtime::parse(form, text).ok()?;
    if let Ok(time) = read.to_timestamp() {
        return instant(time);
    }
    if let Ok(time) = read.to_datetime() {
        return utc(time);
    }
    utc(read.to_date().ok()?.to_datetime(civil::Time::midnight()))
}

impl TimeForm {
    pub fn parse(word: &str, at: &str) -> Result<TimeForm, SettingsFault> {
        match word {
            "auto" | "rfc3339" | "date" => Ok(TimeForm::Auto),
            "unix" => Ok(TimeForm::Unix),
            "unix-ms" => Ok(TimeForm::UnixMs),
            form if form.contains('%') && form.len() <= TEXT_MAX => {
                // What it writes shows whether it is a pattern at all.
                strtime::format(form, &jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC))
                    .map_err(|_| SettingsFault::new(at, "is no pattern as strftime knows it, like %d/%m/%Y"))?;
                Ok(TimeForm::Pattern(form.to_owned()))
            }
            _ => Err(SettingsFault::new(at, "is not auto, unix, unix-ms, nor a pattern like %d/%m/%Y")),
        }
    }

    /// Reads a time; none when it is not one of this form.
    pub fn read(&self, value: &Value) -> Option<Timestamp> {
        let as_text = || value.as_str().map(str::trim).filter(|text| text.len() <= TEXT_MAX);
        match self {
            TimeForm::Auto => text(as_text()?),
            TimeForm::Unix => number(value, SECOND),
            TimeForm::UnixMs => number(value, SECOND / 1000),
            TimeForm::Pattern(form) => pattern(form, as_text()?),
        }
    }
}

/// How `since` is written into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SinceForm {
    Rfc3339,
    Date,
    Unix,
    UnixMs,
    Pattern(String),
}

impl SinceForm {
    pub fn parse(word: &str, at: &str) -> Result<SinceForm, SettingsFault> {
        match (word, TimeForm::parse(word, at)) {
            ("rfc3339", _) => Ok(SinceForm::Rfc3339),
            ("date", _) => Ok(SinceForm::Date),
            (_, Ok(TimeForm::Unix)) => Ok(SinceForm::Unix),
            (_, Ok(TimeForm::UnixMs)) => Ok(SinceForm::UnixMs),
            (_, Ok(TimeForm::Pattern(form))) => Ok(SinceForm::Pattern(form)),
            _ => Err(SettingsFault::new(at, "is not rfc3339, date, unix, unix-ms, nor a pattern like %d/%m/%Y")),
        }
    }

    pub fn write(&self, at: Timestamp) -> Option<String> {
        let time = || jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok().map(|time| time.to_zoned(TimeZone::UTC));
        let form = match self {
            SinceForm::Unix => return Some(at.0.div_euclid(SECOND).to_string()),
            SinceForm::UnixMs => return Some(at.0.div_euclid(SECOND / 1000).to_string()),
            SinceForm::Rfc3339 => "%Y-%m-%dT%H:%M:%SZ",
            SinceForm::Date => "%Y-%m-%d",
            SinceForm::Pattern(form) => form,
        };
        strtime::format(form, &time()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(form: &str, value: Value) -> Option<String> {
        TimeForm::parse(form, "x").expect("a form").read(&value).map(|time| time.to_string())
    }

    #[test]
    fn times_are_read_as_sources_write_them() {
        for (form, value, expected) in [
            ("auto", json!("2026-01-31T12:00:00Z"), Some("2026-01-31T12:00:00Z")),
            ("auto", json!("2026-01-31T12:00:00.5+02:00"), Some("2026-01-31T10:00:00.5Z")),
            ("auto", json!("2026-01-31T12:00:00+0000"), Some("2026-01-31T12:00:00Z")),
            ("auto", json!("2026-01-31 12:00:00"), Some("2026-01-31T12:00:00Z")),
            ("auto", json!("2026-01-31T12:00:00.000"), Some("2026-01-31T12:00:00Z")),
            ("auto", json!("2026-01-31"), Some("2026-01-31T00:00:00Z")),
            ("auto", json!("Sat, 31 Jan 2026 12:00:00 +0100"), Some("2026-01-31T11:00:00Z")),
            ("auto", json!("yesterday"), None),
            ("auto", json!(17), None),
            ("unix", json!(1_769_860_800), Some("2026-01-31T12:00:00Z")),
            ("unix", json!("1769860800"), Some("2026-01-31T12:00:00Z")),
            ("unix", json!(1_769_860_800.25), Some("2026-01-31T12:00:00.25Z")),
            ("unix", json!(i64::MAX), None),
            ("unix", json!(1e300), None),
            ("unix-ms", json!(1_769_860_800_250_i64), Some("2026-01-31T12:00:00.25Z")),
            ("%d/%m/%Y", json!("31/01/2026"), Some("2026-01-31T00:00:00Z")),
            ("%d.%m.%Y %H:%M", json!("31.01.2026 12:00"), Some("2026-01-31T12:00:00Z")),
            ("%d/%m/%Y", json!("01/31/2026"), None),
        ] {
            assert_eq!(read(form, value.clone()).as_deref(), expected, "{form} {value}");
        }
        for bad in ["", "iso", "%", "%~"] {
            TimeForm::parse(bad, "x").expect_err(bad);
        }
    }

    #[test]
    fn since_is_written_as_the_source_wants_it() {
        let at: Timestamp = "2026-01-31T12:00:00.9Z".parse().expect("a time");
        for (form, expected) in [
            ("rfc3339", "2026-01-31T12:00:00Z"),
            ("date", "2026-01-31"),
            ("unix", "1769860800"),
            ("unix-ms", "1769860800900"),
            ("%Y%m%d", "20260131"),
        ] {
            assert_eq!(SinceForm::parse(form, "x").expect("a form").write(at).as_deref(), Some(expected));
        }
        SinceForm::parse("auto", "x").expect_err("nothing can be written by it");
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "\\PC{0,70}", form in "(%[a-zA-Z]|[ /:-]){1,6}") {
            let _ = TimeForm::Auto.read(&json!(text));
            if let Ok(form) = TimeForm::parse(&form, "x") {
                let _ = form.read(&json!(text));
            }
        }
    }
}
