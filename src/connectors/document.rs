//! What sources have in common that give one document with all that they have: feeds and calendars.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;

use super::account::Account;
use super::error::FetchError;
use super::fetch::Fetcher;
use super::page::{Page, RECORDS_MAX, continuation, state_of};
use super::request::{Request, Validators};
use super::seen::{Seen, fresh};
use super::shape::SourceRecord;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    validators: Option<Validators>,
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    /// The day of which the document was read: what it says may depend on the day.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    day: Option<i64>,
}

/// Fetches the document and gives the records that are new in it or have changed. `day`: what the records depend on
/// besides the document; when it changes the document is asked for whether it has changed or not.
pub(super) async fn page<F>(
    request: &Request,
    http: &Fetcher,
    account: &Account,
    before: (Option<&str>, Option<i64>),
    now: Timestamp,
    read: F,
) -> Result<Page, FetchError>
where
    F: FnOnce(Vec<u8>) -> Result<Vec<SourceRecord>, FetchError> + Send + 'static,
{
    let (before, day) = before;
    let mut state: State = state_of(before);
    let url = request.url(account)?;
    let known = state.validators.as_ref().filter(|_| state.day == day);
    let ask = request.ask(url.clone(), account, known)?;
    let answer = http.send(&ask, now).await?;
    if answer.status == StatusCode::NOT_MODIFIED {
        return Page::end(Vec::new(), continuation(&state)?);
    }
    // Other people's parsers on strangers' documents: off the runtime's threads, and a panic is the document's fault.
    let records = tokio::task::spawn_blocking(move || read(answer.body)).await;
    let records = records.unwrap_or_else(|_| FetchError::malformed("the document cannot be read"))?;
    if records.len() > RECORDS_MAX {
        let why = format!("the document has {} records, more than {RECORDS_MAX}", records.len());
        return Err(FetchError::TooLarge(why));
    }
    let (records, seen) = fresh(records, state.seen.as_ref());
    state = State { validators: Validators::of(&answer.headers, &url), seen: Some(seen), day };
    Page::end(records, continuation(&state)?)
}
