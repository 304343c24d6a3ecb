//! Parts of a time, as PostgreSQL's `date_part` names them, in UTC.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde::Serialize;

const MICROS: i128 = 1_000_000;

macro_rules! parts {
    ($($variant:ident $name:literal $text:literal),+ $(,)?) => {
        /// A part of a time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Part {
            $(#[doc = $text] #[serde(rename = $name)] $variant),+
        }

        impl Part {
            /// All of them.
            pub const ALL: &[Part] = &[$(Part::$variant),+];

            /// As it is written in a bundle.
            pub const fn name(self) -> &'static str {
                match self { $(Part::$variant => $name),+ }
            }
        }
    };
}

parts! {
    Microseconds "microseconds" "The seconds with their fraction, in millionths.",
    Milliseconds "milliseconds" "The seconds with their fraction, in thousandths.",
    Second "second" "0 to 59, with the fraction.",
    Minute "minute" "Of the hour, 0 to 59.",
    Hour "hour" "0 to 23.",
    Day "day" "Of the month, 1 to 31.",
    Week "week" "ISO 8601 week, 1 to 53.",
    Month "month" "1 to 12.",
    Quarter "quarter" "1 to 4.",
    Year "year" "1 to 9999.",
    Isoyear "isoyear" "The year that the ISO 8601 week belongs to.",
    Decade "decade" "The year divided by ten, rounded down.",
    Century "century" "2000 is in the 20th, 2001 in the 21st.",
    Millennium "millennium" "2000 is in the second, 2001 in the third.",
    Dow "dow" "Day of the week, 0 is Sunday.",
    Isodow "isodow" "Day of the week, 1 is Monday, 7 Sunday.",
    Doy "doy" "Day of the year, 1 to 366.",
    Epoch "epoch" "Seconds since 1970, with the fraction.",
    Timezone "timezone" "Offset in seconds: always 0.",
    TimezoneHour "timezone_hour" "Hours of the offset: always 0.",
    TimezoneMinute "timezone_minute" "Minutes of the offset: always 0.",
}

impl Part {
    /// The part of this name.
    pub fn named(name: &str) -> Option<Part> {
        Part::ALL.iter().copied().find(|part| part.name() == name)
    }

    /// All names, for people.
    pub fn names() -> String {
        Part::ALL.iter().map(|part| part.name()).collect::<Vec<_>>().join(", ")
    }

    /// This part of a time, in millionths of its unit.
    fn micros_of(self, at: Timestamp) -> i128 {
        let civil = at.to_zoned(TimeZone::UTC).datetime();
        let date = civil.date();
        let seconds = i128::from(civil.second()) * MICROS + i128::from(civil.subsec_nanosecond()) / 1_000;
        let year = i128::from(civil.year());
        let whole = match self {
            Part::Microseconds => return seconds * MICROS,
            Part::Milliseconds => return seconds * 1_000,
            Part::Second => return seconds,
            Part::Epoch => return at.as_nanosecond().div_euclid(1_000),
            Part::Minute => i128::from(civil.minute()),
            Part::Hour => i128::from(civil.hour()),
            Part::Day => i128::from(civil.day()),
            Part::Week => i128::from(date.iso_week_date().week()),
            Part::Month => i128::from(civil.month()),
            Part::Quarter => (i128::from(civil.month()) + 2) / 3,
            Part::Year => year,
            Part::Isoyear => i128::from(date.iso_week_date().year()),
            Part::Decade => year.div_euclid(10),
            Part::Century => (year + 99).div_euclid(100),
            Part::Millennium => (year + 999).div_euclid(1000),
            Part::Dow => i128::from(date.weekday().to_sunday_zero_offset()),
            Part::Isodow => i128::from(date.weekday().to_monday_one_offset()),
            Part::Doy => i128::from(date.day_of_year()),
            Part::Timezone | Part::TimezoneHour | Part::TimezoneMinute => 0,
        };
        whole * MICROS
    }

    /// This part as a JSON number; `None` outside the years 1 to 9999.
    fn number(self, at: Timestamp) -> Option<String> {
        let at = at.round(Unit::Microsecond).ok()?;
        if !(1..=9999).contains(&at.to_zoned(TimeZone::UTC).year()) {
            return None;
        }
        let micros = self.micros_of(at);
        let (sign, size) = if micros < 0 { ("-", -micros) } else { ("", micros) };
        let (whole, rest) = (size / MICROS, size % MICROS);
        Some(if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:06}") })
    }

    /// This part of an ISO 8601 time: date and time with or without an offset (then UTC), or a date alone.
    pub(super) fn of_text(self, text: &str) -> Option<String> {
        let text = text.trim_ascii();
        let at = text.parse::<Timestamp>().ok().or_else(|| {
            // The calendar alone is strict about what it reads: with a zone in brackets it is no plain time.
            let civil: DateTime = text.parse().ok()?;
            civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        })?;
        self.number(at)
    }

    /// This part of a time in seconds since 1970, a JSON number's or a text's.
    pub(super) fn of_seconds(self, text: &str) -> Option<String> {
        let seconds: f64 = text.trim_ascii().parse().ok()?;
        let micros = (seconds * 1e6).round();
        // Years 1 to 9999 lie within ±10^18 microseconds.
        if !micros.is_finite() || micros.abs() > 1e18 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "within ±10^18 as checked above")]
        let at = Timestamp::from_microsecond(micros as i64).ok()?;
        self.number(at)
    }
}
