//! NATS subjects: built for publishing, read back from what the stream stored.

use crate::domain::{Address, Id, Kind};

/// What every published message in begins with.
pub const IN_PREFIX: &str = "dex.v1.in.";
/// What every stored message in begins with, before the partition's number.
pub const STORED_PREFIX: &str = "dex.v1.p.";
/// What every message to a participant begins with.
pub const OUT_PREFIX: &str = "dex.v1.out.";
/// What every broadcast begins with.
pub const PUB_PREFIX: &str = "dex.v1.pub.";
/// What every query begins with.
pub const API_PREFIX: &str = "dex.v1.api.";
/// What every job for plug workers begins with.
pub const JOB_PREFIX: &str = "dex.v1.job.";
/// The subjects of the input stream, as published: the source of its partition transform.
pub const IN_WILDCARD: &str = "dex.v1.in.*.*.>";
/// The subjects of the stream of jobs.
pub const JOB_WILDCARD: &str = "dex.v1.job.>";
/// The subjects of the output stream.
pub const OUT_WILDCARD: &str = "dex.v1.out.>";

/// Longest subject as published, bytes: the longest kind, id, action and object fit.
pub const SUBJECT_BYTES_MAX: usize = 320;

/// What is wrong with a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Over [`SUBJECT_BYTES_MAX`].
    #[error("the subject has {0} bytes, more than {SUBJECT_BYTES_MAX}")]
    Length(usize),
    /// Does not begin as a stored message in does.
    #[error("not of the form dex.v1.p.<partition>.<kind>.<id>.<action>")]
    Stored,
    /// Does not begin as a published message in does.
    #[error("not of the form dex.v1.in.<kind>.<id>.<action> or dex.v1.in.<kind>.<id>.<action>.<object>")]
    Published,
    /// The kind or the id is none.
    #[error("the subject's address: {0}")]
    Address(#[from] crate::domain::id::IdError),
}

/// A published subject of a message in, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InSubject<'a> {
    /// The entity that is addressed.
    pub addressed: Address,
    /// The action's first token.
    pub verb: &'a str,
    /// The action's second token, still written as a token.
    pub object: Option<&'a str>,
}

/// The subject `dex.v1.in.<kind>.<id>.<action…>`. Each element of `action` is written as a token
/// (`.` becomes `_`), so ids may be given as they are.
pub fn published(to: &Address, action: &[&str]) -> String {
    under(IN_PREFIX, to, action)
}

/// The partition and the published form of a stored subject `dex.v1.p.<n>.<kind>.<id>.<action…>`.
///
/// # Errors
/// [`SubjectError::Stored`] when it has another form or the number is not canonical.
pub fn published_of_stored(stored: &str) -> Result<(u16, String), SubjectError> {
    let rest = stored.strip_prefix(STORED_PREFIX).ok_or(SubjectError::Stored)?;
    let (number, rest) = rest.split_once('.').ok_or(SubjectError::Stored)?;
    let partition: u16 = number.parse().map_err(|_| SubjectError::Stored)?;
    if number.starts_with('+') || (number.len() > 1 && number.starts_with('0')) {
        return Err(SubjectError::Stored);
    }
    if rest.len() + IN_PREFIX.len() > SUBJECT_BYTES_MAX {
        return Err(SubjectError::Length(rest.len() + IN_PREFIX.len()));
    }
    Ok((partition, [IN_PREFIX, rest].concat()))
}

/// The stored form of a published subject: what the stream's transform makes of it.
pub fn stored_of_published(published: &str, partition: u16) -> Option<String> {
    let rest = published.strip_prefix(IN_PREFIX)?;
    Some(format!("{STORED_PREFIX}{partition}.{rest}"))
}

/// Takes a published subject apart. Whether the action exists is not checked here.
///
/// # Errors
/// [`SubjectError`] naming what is wrong.
pub fn parse(published: &str) -> Result<InSubject<'_>, SubjectError> {
    if published.len() > SUBJECT_BYTES_MAX {
        return Err(SubjectError::Length(published.len()));
    }
    let rest = published.strip_prefix(IN_PREFIX).ok_or(SubjectError::Published)?;
    let mut tokens = rest.split('.');
    let mut next = || tokens.next().filter(|token| !token.is_empty());
    let (Some(kind), Some(id), Some(verb)) = (next(), next(), next()) else {
        return Err(SubjectError::Published);
    };
    let object = match tokens.next() {
        Some("") => return Err(SubjectError::Published),
        other => other,
    };
    if tokens.next().is_some() {
        return Err(SubjectError::Published);
    }
    let addressed = Address::new(kind.parse::<Kind>()?, Id::from_token(id)?);
    Ok(InSubject { addressed, verb, object })
}

/// Where a party's outcomes are published.
pub fn outcome(to: &Address) -> String {
    under(OUT_PREFIX, to, &["outcome"])
}

/// Where content for a party is published: `delivery` into a HAT, `delivery.<debit>` to a client.
pub fn delivery(to: &Address, debit: Option<&Id>) -> String {
    match debit {
        None => under(OUT_PREFIX, to, &["delivery"]),
        Some(debit) => under(OUT_PREFIX, to, &["delivery", debit.as_str()]),
    }
}

/// Where a HAT is asked for a release.
pub fn request(to: &Address) -> String {
    under(OUT_PREFIX, to, &["request"])
}

/// Where a recipient is asked to give a delivery back.
pub fn recall(to: &Address) -> String {
    under(OUT_PREFIX, to, &["recall"])
}

/// Where a party is told of anything else.
pub fn notice(to: &Address) -> String {
    under(OUT_PREFIX, to, &["notice"])
}

/// Where a plug or a HAT is told how the two stand to each other.
pub fn connection(to: &Address) -> String {
    under(OUT_PREFIX, to, &["connection"])
}

/// Where the jobs of a plug are published for its workers.
pub fn job(plug: &Id) -> String {
    [JOB_PREFIX, &plug.to_token()].concat()
}

/// The name of the durable consumer that a plug's workers share.
pub fn job_consumer(plug: &Id) -> String {
    format!("plug_{}", plug.to_token())
}

/// Where the exchange marks, for itself, how far its output stream goes.
pub fn mark(origin: &Address) -> String {
    under(OUT_PREFIX, origin, &["mark"])
}

/// What a recipient's consumer filters on: everything for it.
pub fn out_filter(to: &Address) -> String {
    under(OUT_PREFIX, to, &[">"])
}

/// A broadcast's subject; `topic` is one or more tokens.
pub fn broadcast(topic: &str) -> String {
    [PUB_PREFIX, topic].concat()
}

/// A query's subject, `dex.v1.api.<service>[.<call>]`.
pub fn api(call: &str) -> String {
    [API_PREFIX, call].concat()
}

/// Whether a message to the exchange came by a lane.
pub fn is_lane(published: &str) -> bool {
    published.strip_prefix(IN_PREFIX).is_some_and(|rest| rest.starts_with("lane."))
}

/// The subject on which the exchange takes receipts for this lane (`lane` is one token).
pub fn receipt_to(lane: &str) -> String {
    format!("{IN_PREFIX}lane.{lane}.receipt")
}

pub(super) fn under(prefix: &str, address: &Address, tokens: &[&str]) -> String {
    let mut subject = String::with_capacity(SUBJECT_BYTES_MAX / 2);
    subject.push_str(prefix);
    subject.push_str(address.kind.as_str());
    for token in std::iter::once(&address.id.as_str()).chain(tokens) {
        subject.push('.');
        subject.extend(token.chars().map(|c| if c == '.' { '_' } else { c }));
    }
    subject
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    #[test]
    fn subjects_are_written_as_the_protocol_says() {
        let hat = address("hat:bob.hubat.net");
        let golden = [
            (published(&hat, &["credit", "facebook"]), "dex.v1.in.hat.bob_hubat_net.credit.facebook"),
            (published(&hat, &["release", "acme.steps"]), "dex.v1.in.hat.bob_hubat_net.release.acme_steps"),
            (published(&address("platform:hubat.net"), &["certify"]), "dex.v1.in.platform.hubat_net.certify"),
            (outcome(&hat), "dex.v1.out.hat.bob_hubat_net.outcome"),
            (delivery(&hat, None), "dex.v1.out.hat.bob_hubat_net.delivery"),
            (
                delivery(&address("org:acme"), Some(&Id::new("acme.steps").expect("id"))),
                "dex.v1.out.org.acme.delivery.acme_steps",
            ),
            (request(&hat), "dex.v1.out.hat.bob_hubat_net.request"),
            (recall(&hat), "dex.v1.out.hat.bob_hubat_net.recall"),
            (job(&Id::new("fitbit.plug").expect("id")), "dex.v1.job.fitbit_plug"),
            (job_consumer(&Id::new("fitbit.plug").expect("id")), "plug_fitbit_plug"),
            (notice(&hat), "dex.v1.out.hat.bob_hubat_net.notice"),
            (out_filter(&hat), "dex.v1.out.hat.bob_hubat_net.>"),
            (broadcast("checkpoint"), "dex.v1.pub.checkpoint"),
            (api("exchange.trace"), "dex.v1.api.exchange.trace"),
            (receipt_to("k3"), "dex.v1.in.lane.k3.receipt"),
        ];
        for (written, wanted) in golden {
            assert_eq!(written, wanted);
        }
    }

    #[test]
    fn what_is_no_subject_of_a_message_in_is_refused() {
        for bad in [
            "",
            "dex.v1.in.",
            "dex.v1.in.hat",
            "dex.v1.in.hat.bob",
            "dex.v1.in.hat.bob.",
            "dex.v1.in.hat.bob.data.",
            "dex.v1.in.hat.bob.a.b.c",
            "dex.v1.in.cat.bob.data",
            "dex.v1.in.hat.Bob.data",
            "dex.v1.in.hat._bob.data",
            "dex.v1.out.hat.bob.data",
            "dex.v1.in..bob.data",
            "dex.v1.in.hat..data",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "dex.v1.p.x.hat.bob.data",
            "dex.v1.p.01.hat.bob.data",
            "dex.v1.p.+1.hat.bob.data",
            "dex.v1.p.70000.hat.bob.data",
            "dex.v1.in.hat.bob.data",
            "dex.v1.p.1",
        ] {
            assert!(published_of_stored(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_longest_subject_fits() {
        let id = "a".repeat(128);
        let to = Address::new(Kind::Platform, Id::new(&id).expect("id"));
        let subject = published(&to, &["plug-disconnect", &id]);
        assert!(subject.len() <= SUBJECT_BYTES_MAX, "{}", subject.len());
        assert!(parse(&subject).is_ok());
    }

    proptest! {
        #[test]
        fn a_subject_reads_back_through_the_stored_form(
            kind in 0..9usize,
            id in "[a-z0-9-][a-z0-9.-]{0,40}[a-z0-9-]",
            object in proptest::option::of("[a-z0-9-][a-z0-9.-]{0,40}[a-z0-9-]"),
            partition in any::<u16>(),
        ) {
            let to = Address::new(Kind::ALL[kind], Id::new(&id).expect("id"));
            let mut action = vec!["verb"];
            action.extend(object.as_deref());
            let subject = published(&to, &action);
            let stored = stored_of_published(&subject, partition).expect("in");
            let (number, again) = published_of_stored(&stored).expect("stored");
            prop_assert_eq!(number, partition);
            prop_assert_eq!(&again, &subject);
            let parsed = parse(&again).expect("parses");
            prop_assert_eq!(parsed.addressed, to);
            let back = parsed.object.map(|o| Id::from_token(o).expect("id").to_string());
            prop_assert_eq!(back, object);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,400}") {
            let _ = parse(&text);
            let _ = published_of_stored(&text);
        }
    }
}
