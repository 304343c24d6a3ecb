//! Connecting: credentials, bounded retry of the first connect, watched events, and the check of what the server can do.

use std::{fmt, path::PathBuf, time::Duration};

use async_nats::{ConnectErrorKind, ConnectOptions, jetstream};
use tokio::{sync::watch, time::Instant};

use super::{
    link::{Link, LinkEvent, LinkState},
    requirements::{self, RequirementError},
};

/// How we prove to the broker who we are. `Debug` never shows the secret.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// An nkey user seed (`SU…`).
    NkeySeed(String),
    /// User and password.
    UserPassword {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// Path of a `.creds` file (JWT and seed).
    CredsFile(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::NkeySeed(_) => f.write_str("NkeySeed(…)"),
            Self::UserPassword { user, .. } => write!(f, "UserPassword({user}, …)"),
            Self::CredsFile(path) => write!(f, "CredsFile({})", path.display()),
        }
    }
}

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub struct Connect {
    /// One address or several, separated by commas: `nats://host:4222`.
    pub url: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Connection name, shown in the server's monitoring: `dex-intake`, `dex-publish`.
    pub name: String,
    /// Give up the first connect after this long. Later reconnects are tried for ever.
    pub give_up_after: Duration,
    /// Silence after which the link is probed; a dead peer is noticed after about twice that.
    pub ping_interval: Duration,
    /// Messages a subscription may hold before the library drops. Intake keeps well under it.
    pub subscription_capacity: usize,
    /// Do not get our own core messages back. JetStream deliveries are not concerned.
    pub no_echo: bool,
}

impl Connect {
    /// A connection to `url` under `name` with the defaults: no credentials, 30 s for the first connect, ping every 10 s,
    /// 65 536 messages per subscription, no echo.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: Credentials::None,
            name: name.into(),
            give_up_after: Duration::from_secs(30),
            ping_interval: Duration::from_secs(10),
            subscription_capacity: 65_536,
            no_echo: true,
        }
    }

    /// Connects, retrying with back-off (0.1 s doubling to 5 s) until `give_up_after`, then checks the server.
    ///
    /// Refused credentials and a malformed address are not retried.
    pub async fn open(&self) -> Result<Link, ConnectError> {
        let servers: Vec<async_nats::ServerAddr> = self
            .url
            .split(',')
            .map(|part| part.trim().parse::<async_nats::ServerAddr>())
            .collect::<Result<_, _>>()
            .map_err(|error: std::io::Error| ConnectError::Address {
                url: redact(&self.url),
                reason: error.to_string(),
            })?;
        let deadline = Instant::now() + self.give_up_after;
        let mut pause = Duration::from_millis(100);
        loop {
            let (sender, state) = watch::channel(LinkState::default());
            match self.options(sender).await?.connect(servers.clone()).await {
                Ok(client) => {
                    let mut jetstream = jetstream::new(client.clone());
                    jetstream.set_timeout(Duration::from_secs(10));
                    let server = requirements::check(&client, &jetstream).await?;
                    return Ok(Link { client, jetstream, state, server });
                }
                Err(error) => {
                    let url = redact(&self.url);
                    match error.kind() {
                        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                            return Err(ConnectError::Refused { url, who: format!("{:?}", self.credentials) });
                        }
                        ConnectErrorKind::ServerParse => {
                            return Err(ConnectError::Address { url, reason: error.to_string() });
                        }
                        _ if Instant::now() + pause >= deadline => {
                            let waited = self.give_up_after;
                            return Err(ConnectError::Unreachable { url, waited, reason: error.to_string() });
                        }
                        _ => tracing::debug!(%error, ?pause, "broker not reachable yet"),
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn options(&self, sender: watch::Sender<LinkState>) -> Result<ConnectOptions, ConnectError> {
        let mut options = ConnectOptions::new()
            .name(&self.name)
            .ping_interval(self.ping_interval)
            .connection_timeout(Duration::from_secs(5))
            .subscription_capacity(self.subscription_capacity)
            .read_buffer_capacity(u16::MAX)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| {
                let exponent = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
                Duration::from_millis(50) * 2u32.pow(exponent)
            })
            .event_callback(move |event| {
                let event = LinkEvent::from(event);
                tracing::debug!(?event, "broker link");
                sender.send_modify(|state| state.note(event));
                std::future::ready(())
            });
        if self.no_echo {
            options = options.no_echo();
        }
        Ok(match &self.credentials {
            Credentials::None => options,
            Credentials::NkeySeed(seed) => {
                nkeys_seed(seed)?;
                options.nkey(seed.clone())
            }
            Credentials::UserPassword { user, password } => options.user_and_password(user.clone(), password.clone()),
            Credentials::CredsFile(path) => options
                .credentials_file(path)
                .await
                .map_err(|source| ConnectError::CredsFile { path: path.clone(), source })?,
        })
    }
}

/// A connection could not be made, or the server will not do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address.
    #[error("`{url}` is no NATS address ({reason}): write nats://host:port, several separated by commas")]
    Address {
        /// What was given, without user information.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The credentials file cannot be read.
    #[error("cannot read the credentials file {path}: {source}", path = path.display())]
    CredsFile {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The nkey seed is not one.
    #[error("the nkey seed is not a user seed: it must start with SU and have 58 characters")]
    Seed,
    /// The server said no.
    #[error("the broker at {url} refuses {who}: check user, key and permissions there")]
    Refused {
        /// Address.
        url: String,
        /// Kind of credentials, no secret.
        who: String,
    },
    /// Nobody there for the whole time.
    #[error("no broker at {url} within {waited:?} ({reason}): is nats-server running there?")]
    Unreachable {
        /// Address.
        url: String,
        /// How long we tried.
        waited: Duration,
        /// Last error.
        reason: String,
    },
    /// The server lacks something.
    #[error(transparent)]
    Requirement(#[from] RequirementError),
}

fn nkeys_seed(seed: &str) -> Result<(), ConnectError> {
    if seed.len() == 58 && seed.starts_with("SU") { Ok(()) } else { Err(ConnectError::Seed) }
}

/// The address without user information, which may hold a password.
fn redact(url: &str) -> String {
    url.split(',')
        .map(|part| match (part.find("://"), part.rfind('@')) {
            (Some(scheme), Some(at)) if at > scheme => {
                format!("{}://…@{}", &part[..scheme], &part[at + 1..])
            }
            (None, Some(at)) => format!("…@{}", &part[at + 1..]),
            _ => part.to_string(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_reach_errors() {
        assert_eq!(redact("nats://bob:secret@h:1,nats://h2:2"), "nats://…@h:1,nats://h2:2");
        assert_eq!(redact("bob:secret@h:1"), "…@h:1");
        let debug = format!("{:?}", Credentials::UserPassword { user: "bob".into(), password: "secret".into() });
        assert!(!debug.contains("secret"));
    }

    #[test]
    fn a_wrong_seed_is_named_before_connecting() {
        assert!(nkeys_seed("SAAA").is_err());
    }
}
