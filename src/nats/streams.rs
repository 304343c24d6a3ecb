//! The streams of the exchange: made when absent, verified when present; a difference is reported, never changed silently.

mod difference;

use std::time::Duration;

use async_nats::jetstream::{
    self, ErrorCode,
    context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind},
    kv,
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, SubjectTransform},
};

use super::lookup;
use difference::{differences, note, text, transform_text};

pub use difference::Difference;

/// The stream of all that comes in.
pub const DEX_IN: &str = "DEX_IN";
/// The stream of all that goes out.
pub const DEX_OUT: &str = "DEX_OUT";
/// The stream of jobs for plug workers.
pub const DEX_JOBS: &str = "DEX_JOBS";
/// Most jobs of one plug that lie in it: a plug without workers leaves room for others.
pub const JOBS_PER_PLUG_MAX: i64 = 50_000;
/// A job that is published twice within this, as after a restart, is stored once.
const JOBS_WINDOW: Duration = Duration::from_secs(120);
/// Age after which a job goes whatever its own time says; no job lives longer than a day.
const JOBS_AGE_MAX: Duration = Duration::from_secs(2 * 86_400);
/// The KV bucket of checkpoints.
pub const DEX_STATE: &str = "DEX_STATE";
/// The subjects of `DEX_IN`, exactly the source of its transform.
pub const IN_SUBJECTS: &str = "dex.v1.in.*.*.>";
/// The subjects of `DEX_OUT`.
pub const OUT_SUBJECTS: &str = "dex.v1.out.>";
/// The smallest duplicate window a server takes. Ids are checked by us, so the server should hold as few as it may.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// Limits of `DEX_IN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InLimits {
    /// Number of partitions, fixed when the stream is made, 1 to 1024.
    pub partitions: u32,
    /// Bytes on disk; beyond it publishers are refused (error 10077).
    pub max_bytes: i64,
    /// Age after which a message goes even if nobody read it.
    pub max_age: Duration,
    /// Copies (1 on one machine).
    pub replicas: usize,
}

/// Limits of `DEX_OUT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutLimits {
    /// Bytes on disk; beyond it our own publisher waits.
    pub max_bytes: i64,
    /// Age after which a message goes even if its own TTL is longer.
    pub max_age: Duration,
    /// How many recipients may have a consumer at a time.
    pub max_consumers: i32,
    /// Copies (1 on one machine).
    pub replicas: usize,
}

/// Which stream this is, and how far it goes. A stream made anew has another `created_ns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamIdentity {
    /// When the stream was made, nanoseconds since 1970.
    pub created_ns: i64,
    /// Lowest sequence still stored (last + 1 when empty).
    pub first_sequence: u64,
    /// Last sequence given out, 0 when there never was a message.
    pub last_sequence: u64,
    /// Messages stored.
    pub messages: u64,
    /// Bytes stored.
    pub bytes: u64,
}

impl From<&Info> for StreamIdentity {
    fn from(info: &Info) -> Self {
        Self {
            created_ns: lookup::nanos(info.created),
            first_sequence: info.state.first_sequence,
            last_sequence: info.state.last_sequence,
            messages: info.state.messages,
            bytes: info.state.bytes,
        }
    }
}

/// A stream is there; `differences` is empty when it is as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Was it made just now?
    pub made: bool,
    /// Which stream it is.
    pub identity: StreamIdentity,
    /// Partitions in force: those of the stream that is there (`DEX_IN` only, else 0).
    pub partitions: u32,
    /// Where it differs from what was asked.
    pub differences: Vec<Difference>,
}

/// A stream could not be made or looked at, or is not usable at all.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The argument is out of range.
    #[error("{field} must be {range}, got {got}")]
    Range {
        /// Field.
        field: &'static str,
        /// Allowed.
        range: &'static str,
        /// Given.
        got: i64,
    },
    /// The server refused or did not answer.
    #[error("stream {stream} cannot be prepared: {reason}")]
    Server {
        /// Stream.
        stream: String,
        /// What the server said.
        reason: String,
    },
    /// The broker has less room left than is asked for.
    #[error(
        "stream {stream} cannot be made: the broker is to keep {asked} bytes for it, and has fewer left beside its other \
         streams. An embedded broker may take three quarters of what was free of the disk at its start, one of your own \
         what its `max_file_store` says: free some of the disk or raise that, or lower streams.in_max_bytes, \
         streams.out_max_bytes, streams.jobs_max_bytes or large.store_bytes (kept twice)"
    )]
    Room {
        /// Stream.
        stream: String,
        /// Its `max_bytes`.
        asked: i64,
    },
    /// A `DEX_IN` is there whose transform is not ours: its messages could not be found by partition.
    #[error("stream DEX_IN exists but its subject transform is `{found}`: it was not made by dex; rename or remove it")]
    ForeignTransform {
        /// The transform found.
        found: String,
    },
}

/// Makes or verifies `DEX_IN`.
pub async fn prepare_in(js: &jetstream::Context, limits: &InLimits) -> Result<Prepared, StreamError> {
    if !(1..=1024).contains(&limits.partitions) {
        return Err(StreamError::Range { field: "partitions", range: "1 to 1024", got: i64::from(limits.partitions) });
    }
    let config = Config {
        name: DEX_IN.into(),
        description: Some("messages to the exchange, stored by partition".into()),
        subjects: vec![IN_SUBJECTS.into()],
        subject_transform: Some(SubjectTransform {
            source: IN_SUBJECTS.into(),
            destination: in_destination(limits.partitions),
        }),
        max_bytes: limits.max_bytes,
        max_age: limits.max_age,
        max_consumers: -1,
        num_replicas: limits.replicas,
        ..common()
    };
    let (made, info) = make_or_get(js, config.clone()).await?;
    let partitions = info
        .config
        .subject_transform
        .as_ref()
        .and_then(partitions_in)
        .ok_or_else(|| StreamError::ForeignTransform { found: transform_text(&info.config) })?;
    Ok(Prepared { made, identity: (&info).into(), partitions, differences: differences(&config, &info.config) })
}

/// Makes or verifies `DEX_OUT`.
pub async fn prepare_out(js: &jetstream::Context, limits: &OutLimits) -> Result<Prepared, StreamError> {
    let config = Config {
        name: DEX_OUT.into(),
        description: Some("deliveries, outcomes and requests from the exchange".into()),
        subjects: vec![OUT_SUBJECTS.into()],
        max_bytes: limits.max_bytes,
        max_age: limits.max_age,
        max_consumers: limits.max_consumers,
        allow_message_ttl: true,
        num_replicas: limits.replicas,
        ..common()
    };
    let (made, info) = make_or_get(js, config.clone()).await?;
    Ok(Prepared { made, identity: (&info).into(), partitions: 0, differences: differences(&config, &info.config) })
}

/// Makes or verifies `DEX_JOBS`: each job is there until a worker has acknowledged it or its time is over.
pub async fn prepare_jobs(js: &jetstream::Context, max_bytes: i64) -> Result<Prepared, StreamError> {
    let config = Config {
        name: DEX_JOBS.into(),
        description: Some("jobs for the workers of plugs".into()),
        subjects: vec![crate::wire::subject::JOB_WILDCARD.into()],
        retention: RetentionPolicy::WorkQueue,
        discard_new_per_subject: true,
        max_messages_per_subject: JOBS_PER_PLUG_MAX,
        max_bytes,
        max_age: JOBS_AGE_MAX,
        max_consumers: -1,
        allow_message_ttl: true,
        duplicate_window: JOBS_WINDOW,
        num_replicas: 1,
        ..common()
    };
    let (made, info) = make_or_get(js, config.clone()).await?;
    Ok(Prepared { made, identity: (&info).into(), partitions: 0, differences: differences(&config, &info.config) })
}

/// Makes or verifies the stream of an object bucket: each chunk on a subject of its own, written once, gone after `max_age`.
pub async fn prepare_objects(
    js: &jetstream::Context,
    bucket: &str,
    max_bytes: i64,
    max_age: Duration,
) -> Result<Prepared, StreamError> {
    let config = Config {
        name: crate::wire::object::stream_of(bucket),
        description: Some("chunks of content that is larger than a message".into()),
        subjects: vec![format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
        max_bytes,
        max_age,
        max_consumers: -1,
        num_replicas: 1,
        ..common()
    };
    let (made, info) = make_or_get(js, config.clone()).await?;
    Ok(Prepared { made, identity: (&info).into(), partitions: 0, differences: differences(&config, &info.config) })
}

/// Makes or opens the KV bucket `DEX_STATE` (file, one value per key) and reports where it differs.
pub async fn prepare_state(
    js: &jetstream::Context,
    max_bytes: i64,
    replicas: usize,
) -> Result<(kv::Store, Vec<Difference>), StreamError> {
    let fail = |reason: String| StreamError::Server { stream: format!("KV_{DEX_STATE}"), reason };
    let asked = kv::Config {
        bucket: DEX_STATE.into(),
        description: "checkpoints of the exchange".into(),
        history: 1,
        max_bytes,
        storage: StorageType::File,
        num_replicas: replicas,
        ..Default::default()
    };
    let store = match js.get_key_value(DEX_STATE).await {
        Ok(store) => store,
        Err(_) => js.create_key_value(asked).await.map_err(|e| fail(e.to_string()))?,
    };
    let info = store.stream.get_info().await.map_err(|e| fail(e.to_string()))?;
    let found = &info.config;
    let mut list = Vec::new();
    let mut compare = |field, asked: String, found: String| note(&mut list, &info.config.name, field, asked, found);
    compare("storage", text(StorageType::File), text(found.storage));
    compare("max_msgs_per_subject", text(1), text(found.max_messages_per_subject));
    compare("max_bytes", text(max_bytes), text(found.max_bytes));
    compare("num_replicas", text(replicas), text(found.num_replicas));
    Ok((store, list))
}

/// The transform's destination: `{{partition(P,2)}}` hashes the second wildcard of the source, the id.
fn in_destination(partitions: u32) -> String {
    format!("dex.v1.p.{{{{partition({partitions},2)}}}}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.>")
}

/// P of a transform that is ours, in whatever spacing the server gives it back.
fn partitions_in(transform: &SubjectTransform) -> Option<u32> {
    let destination: String = transform.destination.split_whitespace().collect();
    let rest = destination.strip_prefix("dex.v1.p.{{partition(")?;
    let partitions = rest[..rest.find(',')?].parse().ok()?;
    let ours = transform.source == IN_SUBJECTS && destination == in_destination(partitions) && partitions > 0;
    ours.then_some(partitions)
}

fn common() -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        max_messages: -1,
        max_messages_per_subject: -1,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        ..Default::default()
    }
}

async fn make_or_get(js: &jetstream::Context, config: Config) -> Result<(bool, Info), StreamError> {
    let (name, asked) = (config.name.clone(), config.max_bytes);
    let fail = |reason: String| StreamError::Server { stream: name.clone(), reason };
    match js.get_stream(&name).await {
        Ok(stream) => return Ok((false, stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(inner) if inner.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            _ => return Err(fail(error.to_string())),
        },
    }
    match js.create_stream(config).await {
        Ok(stream) => Ok((true, stream.cached_info().clone())),
        Err(error) if no_room(&error) => Err(StreamError::Room { stream: name, asked }),
        // Another node was faster with another configuration: report how it differs, as for any stream that is there.
        Err(error) => match js.get_stream(&name).await {
            Ok(stream) => Ok((false, stream.cached_info().clone())),
            Err(_) => Err(fail(error.to_string())),
        },
    }
}

/// Whether the broker has refused a stream because the bytes to be kept for it are more than it has left.
fn no_room(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(it) if it.error_code() == ErrorCode::STORAGE_RESOURCES_EXCEEDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_count_is_read_from_our_transform_only() {
        let of = |source: &str, destination: &str| {
            partitions_in(&SubjectTransform { source: source.into(), destination: destination.into() })
        };
        assert_eq!(of(IN_SUBJECTS, &in_destination(16)), Some(16));
        assert_eq!(of(IN_SUBJECTS, "dex.v1.p.{{partition(8, 2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>"), Some(8));
        assert_eq!(of(IN_SUBJECTS, "dex.v1.p.{{partition(8,1)}}.{{wildcard(1)}}.{{wildcard(2)}}.>"), None);
        assert_eq!(of("dex.v1.in.>", &in_destination(16)), None);
    }
}
