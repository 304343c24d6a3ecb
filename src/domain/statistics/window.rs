//! The rolling windows: how long each is, and how fine its time is cut.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::time::{SECOND, Timestamp};

/// A rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Window {
    /// One minute, by the second.
    #[serde(rename = "1m")]
    Minute,
    /// Five minutes, by 5 seconds.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// One hour, by the minute.
    #[serde(rename = "1h")]
    Hour,
    /// A day, by 15 minutes.
    #[serde(rename = "24h")]
    Day,
    /// Thirty days, by 6 hours.
    #[serde(rename = "30d")]
    Month,
}

/// A text that names no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is one of 1m, 5m, 1h, 24h, 30d")]
pub struct NoWindow;

impl Window {
    /// All of them, the shortest first.
    pub const ALL: [Window; 5] = [Window::Minute, Window::FiveMinutes, Window::Hour, Window::Day, Window::Month];

    /// Its name in questions, answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Window::Minute => "1m",
            Window::FiveMinutes => "5m",
            Window::Hour => "1h",
            Window::Day => "24h",
            Window::Month => "30d",
        }
    }

    /// Its length, nanoseconds.
    pub const fn length(self) -> i64 {
        match self {
            Window::Minute => 60 * SECOND,
            Window::FiveMinutes => 300 * SECOND,
            Window::Hour => 3_600 * SECOND,
            Window::Day => 86_400 * SECOND,
            Window::Month => 30 * 86_400 * SECOND,
        }
    }

    /// Length of one of its slots, nanoseconds: what the beginning of a window is rounded to.
    pub const fn slot(self) -> i64 {
        match self {
            Window::Minute => SECOND,
            Window::FiveMinutes => 5 * SECOND,
            Window::Hour => 60 * SECOND,
            Window::Day => 900 * SECOND,
            Window::Month => 21_600 * SECOND,
        }
    }

    /// Where the slot of an instant begins.
    pub const fn slot_of(self, at: Timestamp) -> i64 {
        at.0.div_euclid(self.slot()) * self.slot()
    }

    /// Where the window that ends at `at` begins: the slot of `at` is its last one.
    pub const fn begins(self, at: Timestamp) -> i64 {
        self.slot_of(at) + self.slot() - self.length()
    }

    /// Most slots that are kept at a time: those of the window before the last commit, and as many after it, should a
    /// clock have been ahead.
    pub const fn slots_max(self) -> usize {
        2 * (self.length() / self.slot()) as usize + 2
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        Window::ALL.into_iter().find(|window| window.as_str() == text).ok_or(NoWindow)
    }
}
