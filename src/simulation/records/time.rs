//! Times of records in the spellings of their sources. Made from numbers, so the same seed gives the same.

/// A moment: seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub i64);

impl Moment {
    /// So many minutes later.
    pub fn plus_minutes(self, minutes: i64) -> Self {
        Moment(self.0 + minutes * 60)
    }

    fn written(self, format: &str) -> String {
        jiff::Timestamp::from_second(self.0).map(|time| time.strftime(format).to_string()).unwrap_or_default()
    }
}

/// `2026-01-31T12:00:00+0000`.
pub fn offset_zero(at: Moment) -> String {
    at.written("%Y-%m-%dT%H:%M:%S+0000")
}

/// `2026-01-31T12:00:00.000Z`.
pub fn zulu(at: Moment) -> String {
    at.written("%Y-%m-%dT%H:%M:%S.000Z")
}

/// `2026-01-31T12:00:00.000`: local, without an offset.
pub fn local(at: Moment) -> String {
    at.written("%Y-%m-%dT%H:%M:%S.000")
}

/// `Sat Jan 31 12:00:00 +0000 2026`.
pub fn twitter(at: Moment) -> String {
    at.written("%a %b %d %H:%M:%S +0000 %Y")
}

/// `2026-01-31`.
pub fn date(at: Moment) -> String {
    at.written("%Y-%m-%d")
}
