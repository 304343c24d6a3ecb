//! The gateway's settings, as its parts want them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::hat_token::Rules;
use super::limit::Rate;
use crate::bridge::hat::DoorOptions;
use crate::config;

/// What the gateway is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether the console is served.
    pub console: bool,
    /// The state folder: its seed, its accounts, its socket.
    pub state: PathBuf,
    /// Whether admin accounts act as `operator:gateway`.
    pub admin: bool,
    /// What tokens of HATs must meet.
    pub rules: Rules,
    /// How long a token of an account is in force.
    pub token_life: Duration,
    /// Logins that are worked on at once.
    pub logins: usize,
    /// Requests of one account or HAT.
    pub rate: Rate,
    /// Requests of one address, of whoever they are.
    pub address_rate: Rate,
    /// Largest body of a request, bytes.
    pub body_bytes: usize,
    /// A request that takes longer is answered 504.
    pub within: Duration,
    /// Web pages of these origins may call; none by default.
    pub cors_origins: Vec<String>,
    /// Rules for the way out to HATs that are to be registered.
    pub door: DoorOptions,
    /// Whether the proxy in front is believed about where a request comes from.
    pub trust_forwarded: bool,
}

impl Settings {
    /// From the configuration's section, and that of the way out to HATs; `origin` is the resource when none is named.
    pub fn new(section: &config::Gateway, origin: &str, state: PathBuf, door: DoorOptions) -> Self {
        let resources = if section.resources.is_empty() { vec![origin.to_owned()] } else { section.resources.clone() };
        Settings {
            listen: section.listen,
            console: section.console,
            state,
            admin: section.admin,
            rules: Rules {
                resources,
                skew: section.clock_skew.0.as_secs(),
                age_max: section.hat_token_age.0.as_secs(),
            },
            token_life: section.token_life.0,
            logins: section.logins_at_once,
            rate: Rate { per_second: section.requests_per_second, burst: section.requests_burst },
            address_rate: Rate { per_second: section.address_per_second, burst: section.address_burst },
            body_bytes: section.body_bytes,
            within: section.request_timeout.0,
            cors_origins: section.cors_origins.clone(),
            door,
            trust_forwarded: section.trust_forwarded,
        }
    }
}
