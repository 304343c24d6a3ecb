//! Batches of events as HATs report them.

use serde_json::{Value, json};

use crate::domain::Reason;
use crate::domain::report::{EVENTS_MAX, Report, StatsKind};
use crate::wire::report::read;

fn batch() -> Value {
    serde_json::from_str(include_str!("../../../tests/rest/stats-report.json")).expect("JSON")
}

fn reads(batch: &Value) -> Report {
    read(batch.to_string().as_bytes()).expect("a batch")
}

#[test]
fn every_kind_of_event_is_read_with_the_counts_of_its_fields() {
    let report = reads(&batch());
    assert_eq!(report.unreadable, 0);
    let kinds: Vec<StatsKind> = report.told.iter().map(|told| told.kind).collect();
    assert_eq!(kinds, StatsKind::ALL);
    let values = |at: usize| -> Vec<(String, String, u32)> {
        let of = report.told[at].values.iter();
        of.map(|value| (value.endpoint.to_string(), value.path.to_string(), value.count)).collect()
    };
    let field = |endpoint: &str, path: &str, count| (endpoint.to_owned(), path.to_owned(), count);
    assert_eq!(
        values(0),
        [
            field("rumpel/notes", "a", 1),
            field("rumpel/notes", "b.c[]", 2),
            field("rumpel/notes", "d[].e", 2),
            field("rumpel/notes", "d[].f", 1),
        ]
    );
    assert_eq!(values(1), [field("fitbit/steps", "steps", 31)]);
    assert_eq!(values(2), []);
    assert_eq!(values(4), [field("facebook/posts", "message", 5), field("facebook/from", "name", 5)]);
}

#[test]
fn events_keep_their_identity_however_they_are_written_and_equal_ones_of_a_batch_are_two() {
    let event = batch()[0].clone();
    let once = reads(&json!([event]));
    let mut text = String::from("[ {");
    let fields = event.as_object().expect("an object");
    for (name, value) in fields.iter().rev() {
        text.push_str(&format!(" {} : {value} ,", json!(name)));
    }
    text.pop();
    text.push_str("} ]");
    let turned = read(text.as_bytes()).expect("a batch");
    assert_eq!(turned, once, "the order of fields and white space do not matter");
    let twice = reads(&json!([event, event]));
    assert_eq!(twice.told[0], once.told[0]);
    assert_ne!(twice.told[1].mark, twice.told[0].mark);
    let mut later = event;
    later["time"] = json!("2026-01-31T12:00:01+0000");
    assert_ne!(reads(&json!([later])).told[0].mark, once.told[0].mark);
}

#[test]
fn what_cannot_be_read_is_counted_beside_what_can_and_refused_alone() {
    let good = batch()[0].clone();
    let wrong = [
        (json!(7), "[0].statsType: it is missing"),
        (json!({"statsType": "other"}), "[0].statsType: it is none of inbound, "),
        (json!({"statsType": "inbound"}), "[0].stats: it is missing"),
        (json!({"statsType": "inbound", "stats": [{"endpoint": "x"}]}), "[0].stats[0].endpoint: it is not"),
        (
            json!({"statsType": "outbound", "stats": [{"endpoint": "x/y", "propertyStats": {"a": -1}}]}),
            "[0].stats[0].propertyStats: a count",
        ),
        (
            json!({"statsType": "inbound", "stats": [{"endpoint": "x/y", "propertyStats": {"a".repeat(129): 1}}]}),
            "[0].stats[0].propertyStats: a name",
        ),
        (json!({"statsType": "datadebit", "operation": "Create"}), "[0].dataDebit: it is missing"),
        (json!({"statsType": "storage", "dataTableStats": [{"name": "x"}]}), "[0].dataTableStats[0].source"),
    ];
    for (event, said) in wrong {
        let (reason, detail) = read(json!([event]).to_string().as_bytes()).expect_err("nothing to read");
        assert_eq!(reason, Reason::Malformed, "{detail}");
        assert!(detail.starts_with(said), "{detail}");
        let report = reads(&json!([event, good]));
        assert_eq!((report.told.len(), report.unreadable), (1, 1), "{event}");
    }
    assert_eq!(reads(&json!([])), Report { told: Vec::new(), unreadable: 0 });
    for text in ["", "{}", "[", "null"] {
        assert_eq!(read(text.as_bytes()).expect_err("no batch").0, Reason::Malformed, "{text}");
    }
    let many = Value::Array(vec![good; EVENTS_MAX + 1]);
    assert_eq!(read(many.to_string().as_bytes()).expect_err("too many").0, Reason::TooLarge);
}
