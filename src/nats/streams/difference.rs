//! Comparing the stream that is there with the one we asked for, field by field.

use async_nats::jetstream::stream::Config;

/// One field in which a stream is not what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Stream.
    pub stream: String,
    /// Configuration field, by its name in the server's JSON.
    pub field: &'static str,
    /// What we asked.
    pub asked: String,
    /// What is there.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} is {}, asked {}", self.stream, self.field, self.found, self.asked)
    }
}

pub(super) fn differences(asked: &Config, found: &Config) -> Vec<Difference> {
    let mut list = Vec::new();
    let pairs = [
        ("subjects", text(&asked.subjects), text(&found.subjects)),
        ("subject_transform", transform_text(asked), transform_text(found)),
        ("storage", text(asked.storage), text(found.storage)),
        ("retention", text(asked.retention), text(found.retention)),
        ("discard", text(asked.discard), text(found.discard)),
        ("max_bytes", text(asked.max_bytes), text(found.max_bytes)),
        ("max_msgs", text(asked.max_messages), text(found.max_messages)),
        ("max_msgs_per_subject", text(asked.max_messages_per_subject), text(found.max_messages_per_subject)),
        ("max_msg_size", text(unlimited(asked.max_message_size)), text(unlimited(found.max_message_size))),
        ("max_age", text(asked.max_age), text(found.max_age)),
        ("max_consumers", text(asked.max_consumers), text(found.max_consumers)),
        ("duplicate_window", text(asked.duplicate_window), text(found.duplicate_window)),
        ("num_replicas", text(asked.num_replicas), text(found.num_replicas)),
        ("no_ack", text(asked.no_ack), text(found.no_ack)),
        ("sealed", text(asked.sealed), text(found.sealed)),
        ("deny_delete", text(asked.deny_delete), text(found.deny_delete)),
        ("deny_purge", text(asked.deny_purge), text(found.deny_purge)),
        ("allow_rollup_hdrs", text(asked.allow_rollup), text(found.allow_rollup)),
        ("allow_msg_ttl", text(asked.allow_message_ttl), text(found.allow_message_ttl)),
        ("allow_msg_schedules", text(asked.allow_message_schedules), text(found.allow_message_schedules)),
        ("allow_direct", text(asked.allow_direct), text(found.allow_direct)),
        ("mirror", text(asked.mirror.is_some()), text(found.mirror.is_some())),
        ("sources", text(0), text(found.sources.as_ref().map_or(0, Vec::len))),
        ("republish", text(asked.republish.is_some()), text(found.republish.is_some())),
    ];
    for (field, asked, found_text) in pairs {
        note(&mut list, &found.name, field, asked, found_text);
    }
    list
}

pub(super) fn note(list: &mut Vec<Difference>, stream: &str, field: &'static str, asked: String, found: String) {
    if asked != found {
        list.push(Difference { stream: stream.to_string(), field, asked, found });
    }
}

pub(super) fn text(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// The server writes -1 for what the client writes 0.
fn unlimited(size: i32) -> i32 {
    if size <= 0 { -1 } else { size }
}

pub(super) fn transform_text(config: &Config) -> String {
    config.subject_transform.as_ref().map_or_else(
        || "none".to_string(),
        |t| format!("{} -> {}", t.source, t.destination.split_whitespace().collect::<String>()),
    )
}
