//! `ical`: calendars, their recurrences expanded within a window around today.

mod event;
mod expand;
mod parse;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::time::SECOND;

use super::account::Account;
use super::auth::AuthSettings;
use super::document;
use super::error::{FetchError, SettingsFault};
use super::fetch::Fetcher;
use super::page::Page;
use super::request::{Request, RequestSettings};
use super::shape::{Shape, ShapeSettings};
use zone::Zone;

const TYPES: [&str; 4] = ["text/calendar", "application/ics", "text/plain", "application/octet-stream"];
/// Longest reach of the window to either side, days.
const DAYS_MAX: u32 = 3_660;
/// Days back where the settings say nothing.
const PAST_DAYS: u32 = 30;
/// Days ahead where the settings say nothing.
const FUTURE_DAYS: u32 = 365;
/// Seconds of a day.
const DAY: i64 = 86_400;

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
    past_days: Option<u32>,
    future_days: Option<u32>,
    time_zone: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    drop: Vec<String>,
}

/// The connector.
#[derive(Debug, Clone)]
pub(super) struct IcalConnector {
    request: Request,
    shape: Shape,
    past: i64,
    future: i64,
    zone: Option<Zone>,
}

/// From when to when events are wanted, seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub from: i64,
    pub to: i64,
}

impl IcalConnector {
    pub fn read(settings: &Value, at: &str) -> Result<IcalConnector, SettingsFault> {
        let settings: Settings = super::settings(settings, at)?;
        let days = |days: Option<u32>, usual: u32, name: &str| match days.unwrap_or(usual) {
            days @ 0..=DAYS_MAX => Ok(i64::from(days) * DAY),
            _ => Err(SettingsFault::new(format!("{at}.{name}"), format!("is more than {DAYS_MAX} days"))),
        };
        let zone = settings.time_zone.map(|name| {
            Zone::named(&name).ok_or_else(|| {
                let why = "is no time zone that this machine knows, like Europe/London";
                SettingsFault::new(format!("{at}.timeZone"), why)
            })
        });
        let request = RequestSettings {
            url: settings.url,
            query: settings.query,
            headers: settings.headers,
            auth: settings.auth,
            content_types: settings.content_types,
            conditional: settings.conditional,
        };
        let shape = ShapeSettings { fields: settings.fields, drop: settings.drop, ..ShapeSettings::default() };
        Ok(IcalConnector {
            past: days(settings.past_days, PAST_DAYS, "pastDays")?,
            future: days(settings.future_days, FUTURE_DAYS, "futureDays")?,
            zone: zone.transpose()?,
            request: Request::read(request, "text/calendar, */*;q=0.1", &TYPES, at)?,
            shape: Shape::read(shape, at)?,
        })
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
        // The window moves by whole days: within one the same calendar gives the same events.
        let day = now.0.div_euclid(DAY * SECOND);
        let window = Window { from: day * DAY - self.past, to: (day + 1) * DAY + self.future };
        let (shape, zone) = (self.shape.clone(), self.zone.clone());
        let read = move |body: Vec<u8>| event::read(&body, window, zone.as_ref(), &shape);
        document::page(&self.request, http, account, (before, Some(day)), now, read).await
    }
}
