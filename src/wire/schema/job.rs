//! The shapes of what is said of jobs.

use serde_json::{Value, json};

use super::shape::{id, object};
use crate::domain::job::{CONTINUATION_BYTES_MAX, JobError, WAIT_SECONDS_MAX};

/// `hat.job`: two forms, so it is no plain object.
pub(super) fn word() -> Value {
    let count = |what: &str| json!({"type": "integer", "minimum": 0, "maximum": u32::MAX, "description": what});
    let report = object(
        &["job", "status"],
        json!({
            "job": {"type": "string", "format": "uuid", "description": "the id that the worker was given"},
            "status": {"enum": ["progress", "done", "failed"]},
            "continuation": {
                "type": ["string", "null"],
                "maxLength": CONTINUATION_BYTES_MAX,
                "description": "of progress (must be there, a text) and done: where to go on; null forgets it",
            },
            "records": count("that the job has brought, in all"),
            "retryAfterSeconds": count("of failed and done: the source is not asked again before; 30 days at most count"),
            "error": {"enum": JobError::ALL.map(JobError::as_str), "description": "of failed, must be there"},
        }),
    );
    let endpoint = json!({
        "type": "string",
        "maxLength": 128,
        "description": "by its name below the plug's namespace; all that are read at intervals when absent",
    });
    let wanted = object(&["status"], json!({"status": {"const": "wanted"}, "endpoint": endpoint}));
    json!({"oneOf": [report, wanted]})
}

pub(super) fn word_example() -> Value {
    json!({
        "job": "019b76da-a800-8111-9111-111111111105",
        "status": "done",
        "continuation": "2026-01-31T12:00:00Z",
        "records": 120,
    })
}

/// `plug.schedule`.
pub(super) fn schedule() -> Value {
    let mut hat = id();
    hat["description"] = json!("only from the exchange itself: whose job was told to come later");
    let mut schema = object(
        &[],
        json!({
            "pause": {"type": "boolean", "description": "no job is planned while it is true"},
            "holdSeconds": {
                "type": "integer",
                "minimum": 0,
                "maximum": WAIT_SECONDS_MAX,
                "description": "no job is planned for so long from now; 0 ends a hold",
            },
            "hat": hat,
        }),
    );
    schema["anyOf"] = json!([{"required": ["pause"]}, {"required": ["holdSeconds"]}]);
    schema
}
