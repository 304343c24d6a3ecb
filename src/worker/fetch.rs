//! One page: with a place at its host, with a token that is good, tried again where that may help.

use std::time::{Duration, Instant};

use crate::client::ids;
use crate::connectors::{Account, FetchError, Page};
use crate::domain::job::JobError;
use crate::http::retry::Retry;
use crate::telemetry::events::{PageFetched, SourceFault};

use super::account;
use super::fault::Fault;
use super::known::Endpoint;
use super::task::Task;

/// Further tries that are left to one job.
#[derive(Debug)]
pub struct Tries {
    /// Of all its pages.
    pub left: u32,
}

impl Task {
    /// Fetches the page after `at`.
    ///
    /// # Errors
    /// The last [`Fault`].
    pub async fn page(&self, endpoint: &Endpoint, at: Option<&str>, tries: &mut Tries) -> Result<Page, Fault> {
        let common = &self.common;
        // Before its host: where the account's variables name it, one person's server is nobody else's.
        let known = self.plug.accounts.of(&self.job.hat, self.known.auth.as_ref())?;
        let name = endpoint.connector.host_for(&known.account);
        let host = common.hosts.of(&name.unwrap_or_else(|| format!("plug:{}:{}", self.plug.id, self.job.hat)));
        let policy = common.retry;
        let (mut tried, mut renewed) = (1, false);
        loop {
            let wait = host.wait(Instant::now());
            if wait > policy.most {
                let fault = Fault::new(JobError::RateLimited, "its host is left alone for a while");
                return Err(Fault { after: Some(wait), ..fault });
            }
            tokio::time::sleep(wait).await;
            // Closed by nobody.
            let seat = host.seats.acquire().await;
            // Others may have learnt it while this one waited for its seat.
            if !host.wait(Instant::now()).is_zero() {
                continue;
            }
            let account = self.authorised(&known, None).await?;
            let began = Instant::now();
            let fetched = endpoint.connector.page(&common.http, &account, at, ids::now()).await;
            drop(seat);
            let error = match fetched {
                Ok(page) => {
                    host.answered();
                    PageFetched { took: began.elapsed() }.emit();
                    return Ok(page);
                }
                Err(error) => error,
            };
            if error == FetchError::Unauthorized && !renewed && known.grant.is_some() {
                renewed = true;
                self.authorised(&known, account.bearer.as_ref()).await?;
                continue;
            }
            let fault = Fault::from(error);
            SourceFault { word: fault.word.as_str(), what: &fault.what }.emit();
            let now = Instant::now();
            match fault.word {
                JobError::RateLimited => {
                    let pause = fault.after.unwrap_or_else(|| policy.pause(tried, rand::random()));
                    host.pause(now, pause);
                    if pause > policy.most {
                        return Err(Fault { after: Some(pause), ..fault });
                    }
                }
                JobError::Timeout | JobError::Network => host.failed(began, now, rand::random()),
                _ => host.answered(),
            }
            if !fault.passes() || tried >= policy.tries || tries.left == 0 || !host.may_retry(now) {
                let after = fault.after.or_else(|| Some(host.wait(now)).filter(|wait| !wait.is_zero()));
                return Err(Fault { after, ..fault });
            }
            tries.left -= 1;
            let pause = pause_after(&policy, tried, &fault);
            tried += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// The account with a token, where it needs one.
    async fn authorised(
        &self,
        known: &account::Known,
        refused: Option<&crate::http::secret::Secret>,
    ) -> Result<Account, Fault> {
        let mut account = known.account.clone();
        if let Some(grant) = &known.grant {
            let common = &self.common;
            let token = common.tokens.token(&common.http, &self.plug.id, &self.job.hat, grant, refused, ids::now);
            account.bearer = Some(token.await?);
        }
        Ok(account)
    }
}

/// A host that asked for a pause gets that one, before its next page; others the usual.
fn pause_after(policy: &Retry, tried: u32, fault: &Fault) -> Duration {
    if fault.word == JobError::RateLimited { Duration::ZERO } else { policy.pause(tried, rand::random()) }
}
