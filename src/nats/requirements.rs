//! What the exchange needs of a server, and the check at connect that names what is missing.

use async_nats::{Client, jetstream};

/// The lowest server version that has all we use: major, minor.
pub const MINIMUM_VERSION: (u64, u64) = (2, 12);
/// The lowest JetStream API level (2.11 = 1, 2.12 = 2).
pub const MINIMUM_API_LEVEL: usize = 2;
/// The smallest payload limit with which a body of 512 KiB and its headers pass.
pub const MINIMUM_PAYLOAD: usize = 1024 * 1024;

/// How to get a server that will do; part of every error that asks for one.
pub const HOW_TO_GET: &str = "install nats-server 2.12 or newer, \
    or run `make`, which unpacks a pinned one into .tools/";

/// What a server is, found at connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Version as the server gives it.
    pub version: String,
    /// Server name.
    pub name: String,
    /// JetStream API level of the account.
    pub api_level: usize,
    /// Largest message (headers and body), bytes.
    pub max_payload: usize,
}

/// A server lacks something that the exchange needs.
#[derive(Debug, thiserror::Error)]
pub enum RequirementError {
    /// Too old, or not a version at all.
    #[error("nats-server `{name}` is version {found}, but at least {}.{} is needed: {HOW_TO_GET}", MINIMUM_VERSION.0, MINIMUM_VERSION.1)]
    Version {
        /// Server name.
        name: String,
        /// Version found.
        found: String,
    },
    /// JetStream is off.
    #[error(
        "nats-server `{name}` runs without JetStream: add `jetstream {{ store_dir: \"/path\" }}` to its configuration, or start it with `-js`"
    )]
    NoJetStream {
        /// Server name.
        name: String,
    },
    /// JetStream is on, but this account may not use it or it does not answer.
    #[error(
        "JetStream does not answer for this account on nats-server `{name}` ({reason}): enable it for the account (`jetstream: enabled`) and allow `$JS.API.>`"
    )]
    Account {
        /// Server name.
        name: String,
        /// What the server said.
        reason: String,
    },
    /// JetStream API too old (a mixed cluster gives its lowest).
    #[error(
        "JetStream API level is {found} on nats-server `{name}`, but {MINIMUM_API_LEVEL} is needed: bring every server of the cluster to 2.12 or newer"
    )]
    ApiLevel {
        /// Server name.
        name: String,
        /// Level found.
        found: usize,
    },
    /// `max_payload` too small for a body of the largest allowed size.
    #[error(
        "max_payload of nats-server `{name}` is {found} bytes, but {MINIMUM_PAYLOAD} are needed: set `max_payload: 1MB` or more in its configuration"
    )]
    MaxPayload {
        /// Server name.
        name: String,
        /// Limit found, bytes.
        found: usize,
    },
}

/// Reads `major.minor` out of a version text such as `2.15.1`, `v2.12.0-beta.1` or `nats-server: v2.15.1`.
pub fn parse_version(text: &str) -> Option<(u64, u64)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut parts = text[start..].split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((major, minor[..digits].parse().ok()?))
}

/// Checks the connected server: version, JetStream, its API level, the payload limit.
pub async fn check(client: &Client, jetstream: &jetstream::Context) -> Result<ServerFacts, RequirementError> {
    let info = client.server_info();
    let name = if info.server_name.is_empty() { info.server_id } else { info.server_name };
    if parse_version(&info.version).is_none_or(|version| version < MINIMUM_VERSION) {
        return Err(RequirementError::Version { name, found: info.version });
    }
    if !info.jetstream {
        return Err(RequirementError::NoJetStream { name });
    }
    if info.max_payload < MINIMUM_PAYLOAD {
        return Err(RequirementError::MaxPayload { name, found: info.max_payload });
    }
    let account = match jetstream.query_account().await {
        Ok(account) => account,
        Err(error) => {
            return Err(RequirementError::Account { name, reason: error.to_string() });
        }
    };
    if account.requests.level < MINIMUM_API_LEVEL {
        return Err(RequirementError::ApiLevel { name, found: account.requests.level });
    }
    Ok(ServerFacts { version: info.version, name, api_level: account.requests.level, max_payload: info.max_payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_all_their_spellings() {
        for (text, version) in [
            ("2.15.1", Some((2, 15))),
            ("v2.12.0-beta.1", Some((2, 12))),
            ("nats-server: v2.9.10", Some((2, 9))),
            ("2.12-RC", Some((2, 12))),
            ("unknown", None),
            ("7", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }
}
