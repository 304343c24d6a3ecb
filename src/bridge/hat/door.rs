//! The way out to HATs: one HTTP client with the rules that hold for all of them.

use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::{Attempt, Policy};

use crate::domain::Id;
use crate::http::resolve::{Fixed, Guard, Open};

use super::error::Fault;

/// Redirects followed in one request, all on the host that was asked.
const REDIRECTS_MAX: usize = 3;
/// Idle connections kept to one host.
const IDLE_PER_HOST: usize = 2;

/// Rules for the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorOptions {
    /// `http://` where a HAT has `https://`: for closed test networks.
    pub plain: bool,
    /// Private, loopback and link-local addresses may be gone to.
    pub private: bool,
    /// Names that are not asked of DNS.
    pub fixed: Vec<Fixed>,
    /// Longest time for one request, its answer included.
    pub limit: Duration,
    /// Longest time for a connect.
    pub connect: Duration,
    /// Most bytes read of one answer.
    pub answer_bytes: usize,
}

impl Default for DoorOptions {
    /// HTTPS to public addresses, 10 s, of it 3 s for the connect, 4 MiB.
    fn default() -> Self {
        DoorOptions {
            plain: false,
            private: false,
            fixed: Vec::new(),
            limit: Duration::from_secs(10),
            connect: Duration::from_secs(3),
            answer_bytes: 4 << 20,
        }
    }
}

/// The client for all HATs.
#[derive(Debug, Clone)]
pub struct Door {
    pub(super) client: reqwest::Client,
    pub(super) answer_bytes: usize,
    scheme: &'static str,
}

fn same_host(attempt: &Attempt<'_>) -> bool {
    let to = attempt.url();
    attempt.previous().iter().all(|from| {
        (from.scheme(), from.host_str(), from.port_or_known_default())
            == (to.scheme(), to.host_str(), to.port_or_known_default())
    })
}

impl Door {
    /// A door with these rules. No proxy of the environment is used: it would resolve names elsewhere.
    ///
    /// # Errors
    /// What TLS needs of the system is not there.
    pub fn new(options: &DoorOptions) -> reqwest::Result<Door> {
        let open = if options.private { Open::All } else { Open::Public };
        let guard = Guard { fixed: options.fixed.clone().into(), open };
        let redirects = Policy::custom(|attempt| {
            if attempt.previous().len() > REDIRECTS_MAX || !same_host(&attempt) {
                attempt.error("not followed")
            } else {
                attempt.follow()
            }
        });
        let client = crate::http::outward::builder(options.limit)
            .connect_timeout(options.connect)
            .dns_resolver(guard)
            .redirect(redirects)
            .no_proxy()
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("dex/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let scheme = if options.plain { "http" } else { "https" };
        Ok(Door { client, answer_bytes: options.answer_bytes, scheme })
    }

    /// Where a call goes. A HAT is a DNS name: what the URL standard reads as a number, in whatever
    /// notation, is none, and a name of one part is looked up in whatever network we stand in.
    pub(super) fn url(&self, hat: &Id, path: &str) -> Result<Url, Fault> {
        let url = Url::parse(&format!("{}://{hat}{path}", self.scheme)).map_err(|_| Fault::Address)?;
        let named = url.domain().is_some_and(|domain| domain == hat.as_str() && domain.contains('.'));
        if named { Ok(url) } else { Err(Fault::Address) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hat_is_a_dns_name_and_no_number() {
        let door = Door::new(&DoorOptions::default()).expect("built");
        let url = |text: &str| door.url(&Id::new(text).expect("an id"), "/publickey");
        assert_eq!(url("bob.hubat.net").expect("fine").as_str(), "https://bob.hubat.net/publickey");
        for bad in ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "a.127", "10.0"] {
            assert_eq!(url(bad), Err(Fault::Address), "{bad}");
        }
    }
}
