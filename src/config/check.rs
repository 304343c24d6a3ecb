//! Rules across keys, and ranges. Each check tells all that it finds.

mod websocket;

use std::time::Duration;

use super::load::{Places, Problem};
use super::sections::{Config, Signatures};
use crate::domain::Id;

struct Findings<'a> {
    places: &'a Places<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Findings<'_> {
    fn unless(&mut self, fine: bool, key: &str, what: impl Into<String>, remedy: &str) {
        if !fine {
            self.problems.push(Problem {
                place: self.places.of(key),
                key: key.to_owned(),
                what: what.into(),
                remedy: remedy.to_owned(),
            });
        }
    }
}

/// Runs every check.
pub(super) fn all(config: &Config, places: &Places<'_>, problems: &mut Vec<Problem>) {
    let mut found = Findings { places, problems };
    exchange(config, &mut found);
    operators(config, &mut found);
    nats(config, &mut found);
    embedded(config, &mut found);
    websocket::check(config, &mut found);
    streams(config, &mut found);
    limits(config, &mut found);
    large(config, &mut found);
    disk(config, &mut found);
    actors(config, &mut found);
    trust(config, &mut found);
    statistics(config, &mut found);
    bridge(config, &mut found);
    gateway(config, &mut found);
    log(config, &mut found);
}

fn exchange(config: &Config, found: &mut Findings<'_>) {
    let exchange = &config.exchange;
    found.unless(
        Id::new(&exchange.origin).is_ok() && exchange.origin.len() <= 100,
        "exchange.origin",
        format!("{:?} is no origin", exchange.origin),
        "use 1 to 100 characters out of a-z, 0-9, '.' and '-', no dot at either end",
    );
    found.unless(
        !exchange.state_dir.is_empty(),
        "exchange.state_dir",
        "is empty",
        "name a folder that the daemon owns",
    );
    found.unless(
        (1..=64).contains(&exchange.partitions),
        "exchange.partitions",
        format!("{} is out of range", exchange.partitions),
        "use 1 to 64",
    );
    found.unless(
        exchange.signatures == Signatures::Required || config.nats.url.is_empty() || has_credentials(config),
        "exchange.signatures",
        "trusted-broker needs a broker that authenticates",
        "give nats.credentials_file or nats.nkey_seed_file, or require signatures",
    );
}

fn has_credentials(config: &Config) -> bool {
    !config.nats.credentials_file.is_empty() || !config.nats.nkey_seed_file.is_empty()
}

fn operators(config: &Config, found: &mut Findings<'_>) {
    let mut names = std::collections::BTreeSet::new();
    for operator in &config.operator {
        found.unless(
            Id::new(&operator.name).is_ok(),
            "operator.name",
            format!("{:?} is no id", operator.name),
            "use a-z, 0-9, '.' and '-'",
        );
        found.unless(
            names.insert(&operator.name),
            "operator.name",
            format!("{:?} stands twice", operator.name),
            "put all keys of one operator into one block",
        );
        found.unless(
            (1..=16).contains(&operator.keys.len()),
            "operator.keys",
            format!("{:?} has {} keys", operator.name, operator.keys.len()),
            "give 1 to 16 public keys; `dex keys new` makes one",
        );
    }
}

fn nats(config: &Config, found: &mut Findings<'_>) {
    let nats = &config.nats;
    found.unless(
        nats.credentials_file.is_empty() || nats.nkey_seed_file.is_empty(),
        "nats.credentials_file",
        "stands beside nats.nkey_seed_file",
        "give one of the two",
    );
    for (key, file) in
        [("nats.credentials_file", &nats.credentials_file), ("nats.nkey_seed_file", &nats.nkey_seed_file)]
    {
        found.unless(
            file.is_empty() || std::path::Path::new(file).is_file(),
            key,
            format!("there is no file {file}"),
            "name an existing file that the daemon may read",
        );
    }
    found.unless(
        nats.url.is_empty() || nats.url.split(',').all(|url| url.contains("://")),
        "nats.url",
        format!("{:?} is no address", nats.url),
        "write nats://host:4222 or tls://host:4222, several separated by commas, or leave it empty for the embedded server",
    );
}

fn embedded(config: &Config, found: &mut Findings<'_>) {
    let embedded = &config.nats.embedded;
    found.unless(
        embedded.host.parse::<std::net::IpAddr>().is_ok() || embedded.host == "localhost",
        "nats.embedded.host",
        format!("{:?} is no address of this machine", embedded.host),
        "write an IP address like 127.0.0.1",
    );
    found.unless(
        embedded.binary.is_empty() || std::path::Path::new(&embedded.binary).is_file(),
        "nats.embedded.binary",
        format!("there is no file {}", embedded.binary),
        "name a nats-server of 2.12 or newer, or leave it empty",
    );
    found.unless(
        !embedded.sync_interval.0.is_zero(),
        "nats.embedded.sync_interval",
        "is zero",
        "use a length of time like 1s",
    );
    found.unless(
        embedded.threads <= 256,
        "nats.embedded.threads",
        format!("{} is out of range", embedded.threads),
        "use 0 to 256",
    );
}

fn streams(config: &Config, found: &mut Findings<'_>) {
    const LEAST: i64 = 1 << 20;
    for (key, bytes) in [
        ("streams.in_max_bytes", config.streams.in_max_bytes),
        ("streams.out_max_bytes", config.streams.out_max_bytes),
        ("streams.jobs_max_bytes", config.streams.jobs_max_bytes),
    ] {
        found.unless(bytes >= LEAST, key, format!("{bytes} is too small"), "use at least 1048576 bytes");
    }
    found.unless(
        config.streams.in_max_age.0 >= Duration::from_secs(60),
        "streams.in_max_age",
        "is so short that messages may go before they are read",
        "use at least 1m, better days",
    );
    found.unless(
        config.streams.out_max_age >= config.limits.deadline_max,
        "streams.out_max_age",
        "is shorter than limits.deadline_max: deliveries would go before their deadline",
        "make it at least as long",
    );
    found.unless(
        config.streams.out_max_consumers > 0,
        "streams.out_max_consumers",
        "lets nobody receive",
        "use at least 1",
    );
}

fn large(config: &Config, found: &mut Findings<'_>) {
    let (large, limits) = (&config.large, &config.limits);
    found.unless(
        u32::try_from(limits.large_content_bytes).is_ok(),
        "limits.large_content_bytes",
        format!("{} is out of range", limits.large_content_bytes),
        "use 0 to 4294967295",
    );
    found.unless(
        (1..=64).contains(&large.transfers),
        "large.transfers",
        format!("{} is out of range", large.transfers),
        "use 1 to 64",
    );
    found.unless(
        !large.enabled || (limits.large_content_bytes <= large.store_bytes && i64::try_from(large.store_bytes).is_ok()),
        "large.store_bytes",
        "has no room for one content of limits.large_content_bytes",
        "make it at least as large",
    );
    found.unless(
        (600..=7 * 86_400).contains(&large.keep_uploads.0.as_secs()),
        "large.keep_uploads",
        "is out of range",
        "use 10m to 7d",
    );
}

fn limits(config: &Config, found: &mut Findings<'_>) {
    let limits = &config.limits;
    found.unless(
        (1024..=900_000).contains(&limits.body_bytes),
        "limits.body_bytes",
        format!("{} is out of range", limits.body_bytes),
        "use 1024 to 900000: the broker takes messages of up to 1 MiB",
    );
    found.unless(
        (1024..=65_536).contains(&limits.header_bytes),
        "limits.header_bytes",
        format!("{} is out of range", limits.header_bytes),
        "use 1024 to 65536",
    );
    found.unless(
        (4..=100).contains(&limits.depth),
        "limits.depth",
        format!("{} is out of range", limits.depth),
        "use 4 to 100",
    );
    found.unless(limits.records > 0, "limits.records", "lets nothing through", "use at least 1");
    found.unless(
        limits.deadline_min <= limits.deadline_default && limits.deadline_default <= limits.deadline_max,
        "limits.deadline_default",
        "does not lie between limits.deadline_min and limits.deadline_max",
        "put the three in order",
    );
    found.unless(limits.open_per_hat > 0, "limits.open_per_hat", "lets nothing through", "use at least 1");
    found.unless(
        limits.messages_per_minute > 0,
        "limits.messages_per_minute",
        "lets nothing through",
        "use at least 1",
    );
    found.unless(
        (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&limits.connecting_again.0),
        "limits.connecting_again",
        "is not 1s to 24h",
        "use 1h",
    );
    found.unless(
        (1..=1000).contains(&limits.notices_per_hour),
        "limits.notices_per_hour",
        "is not 1 to 1000",
        "use 60",
    );
}

fn disk(config: &Config, found: &mut Findings<'_>) {
    const LEAST: u64 = 1 << 20;
    for (key, bytes) in [
        ("ledger.segment_bytes", config.ledger.segment_bytes),
        ("ledger.spool_segment_bytes", config.ledger.spool_segment_bytes),
        ("ledger.reserve_bytes", config.ledger.reserve_bytes),
    ] {
        found.unless(bytes >= LEAST, key, format!("{bytes} is too small"), "use at least 1048576 bytes");
    }
    found.unless(!config.snapshot.interval.0.is_zero(), "snapshot.interval", "is zero", "use a length of time like 5s");
    found.unless(
        config.snapshot.entries > 0 && config.snapshot.entries <= config.snapshot.entries_max,
        "snapshot.entries",
        "is not between 1 and snapshot.entries_max",
        "an early snapshot must come before the exchange waits for one",
    );
}

fn actors(config: &Config, found: &mut Findings<'_>) {
    let actors = &config.actors;
    found.unless(
        (1..=512).contains(&actors.batch),
        "actors.batch",
        format!("{} is out of range", actors.batch),
        "use 1 to 512",
    );
    found.unless(actors.live > 0, "actors.live", "lets no entity live", "use at least 1");
    found.unless(
        actors.linger.0 <= Duration::from_secs(1),
        "actors.linger",
        "makes every exchange wait",
        "use milliseconds, at most 1s",
    );
    found.unless(
        !actors.idle.0.is_zero(),
        "actors.idle",
        "is zero: entities would be loaded for every message",
        "use a length of time like 5m",
    );
    found.unless(
        (1..=1000).contains(&actors.restarts_per_minute),
        "actors.restarts_per_minute",
        format!("{} is out of range", actors.restarts_per_minute),
        "use 1 to 1000",
    );
    found.unless(
        actors.quarantine.0 >= Duration::from_secs(1),
        "actors.quarantine",
        "is so short that it is none",
        "use at least 1s",
    );
    found.unless(
        actors.arbiters <= 256,
        "actors.arbiters",
        format!("{} is out of range", actors.arbiters),
        "use 0 to 256",
    );
    found.unless(
        (1..=100_000).contains(&config.dispatch.notices_per_second),
        "dispatch.notices_per_second",
        "is not 1 to 100000",
        "use 1000",
    );
    found.unless(
        config.dispatch.redelivery_first <= config.dispatch.redelivery_max
            && !config.dispatch.redelivery_first.0.is_zero(),
        "dispatch.redelivery_first",
        "is zero or longer than dispatch.redelivery_max",
        "put the two in order",
    );
}

fn statistics(config: &Config, found: &mut Findings<'_>) {
    let k = config.statistics.k;
    found.unless(
        (2..=100).contains(&k),
        "statistics.k",
        format!("{k} is out of range"),
        "use 2 to 100: with 1 a public figure could be of one HAT",
    );
}

fn bridge(config: &Config, found: &mut Findings<'_>) {
    let bridge = &config.bridge;
    for (key, number, most) in [("bridge.hats", bridge.hats, 100_000), ("bridge.at_once", bridge.at_once, 1024)] {
        found.unless(
            (1..=most).contains(&number),
            key,
            format!("{number} is out of range"),
            &format!("use 1 to {most}"),
        );
    }
    found.unless(
        (65_536..=64 << 20).contains(&bridge.answer_bytes),
        "bridge.answer_bytes",
        format!("{} is out of range", bridge.answer_bytes),
        "use 65536 to 67108864; an answer to 512 KiB of records is a little larger than they",
    );
    for (key, span) in [
        ("bridge.timeout", bridge.timeout),
        ("bridge.connect_timeout", bridge.connect_timeout),
        ("bridge.roster_every", bridge.roster_every),
        ("bridge.debits_every", bridge.debits_every),
        ("bridge.key_every", bridge.key_every),
        ("bridge.pause_max", bridge.pause_max),
    ] {
        found.unless(span.0 >= Duration::from_millis(50), key, "is too short", "use at least 50ms");
    }
    found.unless(
        bridge.debits_every <= bridge.debits_every_max,
        "bridge.debits_every_max",
        "is shorter than bridge.debits_every",
        "put the two in order",
    );
    for line in &bridge.resolve {
        let to = line.split_once('=').map(|(_, to)| to.parse::<std::net::SocketAddr>());
        found.unless(
            matches!(to, Some(Ok(_))),
            "bridge.resolve",
            format!("{line:?} is not name=address:port"),
            "write bob.hubat.net=192.0.2.7:443, or *.hubat.net=192.0.2.8:443",
        );
    }
    let mut domains = std::collections::BTreeSet::new();
    for account in &bridge.account {
        let named = ["file:", "credential:", "env:"].iter().any(|way| account.password.starts_with(way));
        found.unless(
            named && !account.username.is_empty(),
            "bridge.account",
            format!("that of domain {:?} names no username, or no place of its password", account.domain),
            "write file:PATH, credential:NAME or env:NAME as password; the password itself never stands here",
        );
        found.unless(
            domains.insert(&account.domain),
            "bridge.account",
            format!("domain {:?} stands twice", account.domain),
            "give one account for each domain",
        );
    }
}

fn gateway(config: &Config, found: &mut Findings<'_>) {
    let gateway = &config.gateway;
    found.unless(
        !(gateway.enabled && gateway.admin) || config.operator.iter().all(|operator| operator.name != "gateway"),
        "gateway.admin",
        "there is an [[operator]] of the name gateway, which is the gateway's own",
        "give that operator another name",
    );
    found.unless(
        gateway.resources.iter().all(|name| !name.is_empty() && !name.contains(['/', ':', '@'])),
        "gateway.resources",
        "holds what is no host name",
        "write host names without scheme and port, like dex.example.org",
    );
    found.unless(
        gateway.clock_skew.0 <= Duration::from_secs(300),
        "gateway.clock_skew",
        "lets tokens live long after their end",
        "use at most 5m",
    );
    found.unless(
        gateway.token_life.0 >= Duration::from_secs(1) && gateway.token_life.0 <= Duration::from_secs(7 * 86_400),
        "gateway.token_life",
        "is out of range",
        "use 1s to 7d",
    );
    found.unless(
        (1..=64).contains(&gateway.logins_at_once),
        "gateway.logins_at_once",
        format!("{} is out of range", gateway.logins_at_once),
        "use 1 to 64: each takes 19 MiB and a core",
    );
    let rates =
        [gateway.requests_per_second, gateway.requests_burst, gateway.address_per_second, gateway.address_burst];
    found.unless(
        rates.iter().all(|rate| *rate > 0),
        "gateway.requests_per_second",
        "a rate of the gateway is 0 and lets nothing through",
        "use at least 1 for each of the four",
    );
    found.unless(
        (1024..=900_000).contains(&gateway.body_bytes),
        "gateway.body_bytes",
        format!("{} is out of range", gateway.body_bytes),
        "use 1024 to 900000",
    );
    found.unless(
        gateway.request_timeout.0 >= Duration::from_secs(1),
        "gateway.request_timeout",
        "is too short for anything to be ledgered",
        "use at least 1s",
    );
    found.unless(
        gateway.cors_origins.iter().all(|origin| origin.contains("://") && !origin.ends_with('/')),
        "gateway.cors_origins",
        "holds what is no origin",
        "write https://host without a path; there is no wildcard",
    );
}

fn trust(config: &Config, found: &mut Findings<'_>) {
    let trust = &config.trust;
    let life = Duration::from_secs(60)..=Duration::from_secs(90 * 86_400);
    found.unless(life.contains(&trust.bundle_life.0), "trust.bundle_life", "is out of range", "use 1m to 90d");
    found.unless(
        (4096..=524_288).contains(&trust.bundle_bytes),
        "trust.bundle_bytes",
        format!("{} is out of range", trust.bundle_bytes),
        "use 4096 to 524288, which the broker lets through",
    );
}

fn log(config: &Config, found: &mut Findings<'_>) {
    found.unless(
        tracing_subscriber::EnvFilter::try_new(&config.log.level).is_ok(),
        "log.level",
        format!("{:?} is no level", config.log.level),
        "use error, warn, info, debug, trace, or target=level pairs separated by commas",
    );
}
