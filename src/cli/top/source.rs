//! Who tells the figures: the daemon's page of metrics, or its answer over NATS.

use std::time::Duration;

use serde_json::Value;

use super::sample::Sample;
use crate::cli::args::Globals;
use crate::cli::fail::Failure;
use crate::cli::link;
use crate::client::Client;
use crate::http::outward;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where figures come from.
pub enum Source {
    /// The page of metrics.
    Page(reqwest::Client, String),
    /// `stats.summary` over NATS.
    Nats(Client),
}

/// An answer that is not read yet.
pub enum Answer {
    /// A page.
    Page(String),
    /// A summary.
    Summary(Value),
}

impl Answer {
    /// As a sample of that moment.
    pub fn read(&self, at: f64) -> Sample {
        match self {
            Answer::Page(page) => Sample::of_page(page, at),
            Answer::Summary(summary) => Sample::of_summary(summary, at),
        }
    }
}

impl Source {
    /// The page if it answers, else the exchange over NATS where no page was named; with the first answer.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] that says what was tried.
    pub async fn find(globals: &Globals, named: Option<&str>, usual: &str) -> Result<(Source, Answer), Failure> {
        let url = named.unwrap_or(usual).to_owned();
        let http = outward::client(PATIENCE).map_err(|error| Failure::Unavailable(format!("HTTP: {error}")))?;
        let page = Source::Page(http, url.clone());
        let why = match page.ask().await {
            Ok(first) => return Ok((page, first)),
            Err(why) => why,
        };
        if named.is_some() {
            return Err(Failure::Unavailable(format!("{why}: is the daemon running, and its http.listen there?")));
        }
        let nats = match link::reader(globals).await {
            Ok(client) => Source::Nats(client),
            Err(failure) => {
                return Err(Failure::Unavailable(format!(
                    "nobody answers. {why} (--metrics names another page). Over NATS: {failure}"
                )));
            }
        };
        let first = nats.ask().await.map_err(Failure::Unavailable)?;
        Ok((nats, first))
    }

    /// Its name, for the title.
    pub fn name(&self) -> String {
        match self {
            Source::Page(_, url) => url.clone(),
            Source::Nats(client) => format!("{} over NATS", client.origin()),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn ask(&self) -> Result<Answer, String> {
        match self {
            Source::Page(http, url) => {
                // The library's error names the address too, and hides the cause below it.
                let cause = |error: &reqwest::Error| {
                    let mut cause: &dyn std::error::Error = error;
                    while let Some(below) = cause.source() {
                        cause = below;
                    }
                    format!("{url}: {cause}")
                };
                let answer = http.get(url).send().await.map_err(|error| cause(&error))?;
                if !answer.status().is_success() {
                    return Err(format!("{url}: {}", answer.status()));
                }
                let page = answer.text().await.map_err(|error| cause(&error))?;
                if !page.contains("dex_") {
                    return Err(format!("{url}: this is no page of a dex"));
                }
                Ok(Answer::Page(page))
            }
            Source::Nats(client) => {
                client.query("stats.summary", "{}").await.map(Answer::Summary).map_err(|error| error.to_string())
            }
        }
    }
}
