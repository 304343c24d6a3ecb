//! Asking only for what is newer than what is there.

use reqwest::Url;
use serde::Deserialize;

use crate::connectors::error::SettingsFault;
use crate::connectors::time_form::SinceForm;
use crate::domain::Timestamp;
use crate::domain::time::SECOND;

use super::paging::with;

/// Longest look back, seconds: 20 years.
const BACK_MAX: u32 = 20 * 366 * 86_400;

/// The setting `since`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SinceSettings {
    param: String,
    #[serde(default = "rfc3339")]
    format: String,
    #[serde(default)]
    overlap_seconds: u32,
    first_seconds: Option<u32>,
}

fn rfc3339() -> String {
    "rfc3339".into()
}

/// From when a source is asked.
#[derive(Debug, Clone)]
pub(super) struct Since {
    param: String,
    form: SinceForm,
    overlap: i64,
    first: Option<i64>,
}

impl Since {
    pub fn read(settings: SinceSettings, at: &str) -> Result<Since, SettingsFault> {
        if settings.param.is_empty() || settings.param.len() > 128 {
            return Err(SettingsFault::new(format!("{at}.param"), "is no name of 1 to 128 bytes"));
        }
        let seconds = |seconds: u32, name: &str| match seconds {
            0..=BACK_MAX => Ok(i64::from(seconds) * SECOND),
            _ => Err(SettingsFault::new(format!("{at}.{name}"), format!("is more than {BACK_MAX} seconds"))),
        };
        Ok(Since {
            form: SinceForm::parse(&settings.format, &format!("{at}.format"))?,
            overlap: seconds(settings.overlap_seconds, "overlapSeconds")?,
            first: settings.first_seconds.map(|first| seconds(first, "firstSeconds")).transpose()?,
            param: settings.param,
        })
    }

    /// From when a round asks: the newest record that is there less the overlap, or for the first round so far back.
    pub fn begin(&self, newest: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        newest.map(|newest| newest.plus(-self.overlap)).or(self.first.map(|first| now.plus(-first)))
    }

    /// The URL with the time from which the round asks.
    pub fn put(&self, url: Url, from: Option<Timestamp>) -> Url {
        match from.and_then(|from| self.form.write(from)) {
            Some(text) => with(&url, &self.param, &text),
            None => url,
        }
    }
}
