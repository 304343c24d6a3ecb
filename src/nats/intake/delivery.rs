//! Reading the delivery subject of a JetStream message (`$JS.ACK.…`, ADR-15), without allocating.

/// What the delivery subject says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub stream_sequence: u64,
    pub consumer_sequence: u64,
    pub stored_at_ns: i64,
    pub pending: u64,
}

/// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the newer form with domain
/// and account hash before the stream (and whatever is added at its end).
pub(super) fn parse(reply: &str) -> Option<Delivery> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let skip = match rest.split('.').count() {
        7 => 3,
        n if n >= 9 => 5,
        _ => return None,
    };
    let mut tokens = rest.split('.').skip(skip);
    Some(Delivery {
        stream_sequence: tokens.next()?.parse().ok()?,
        consumer_sequence: tokens.next()?.parse().ok()?,
        stored_at_ns: tokens.next()?.parse().ok()?,
        pending: tokens.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let expected = Some(Delivery {
            stream_sequence: 1234,
            consumer_sequence: 56,
            stored_at_ns: 1_700_000_000_000_000_001,
            pending: 7,
        });
        assert_eq!(parse("$JS.ACK.DEX_IN.dex_p0.1.1234.56.1700000000000000001.7"), expected);
        assert_eq!(parse("$JS.ACK._.AbCd.DEX_IN.dex_p0.1.1234.56.1700000000000000001.7"), expected);
        assert_eq!(parse("$JS.ACK._.AbCd.DEX_IN.dex_p0.1.1234.56.1700000000000000001.7.rnd.more"), expected);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in
            ["", "$JS.ACK.", "_INBOX.x", "$JS.ACK.a.b.c.d.e.f.g", "$JS.ACK.a.b.1.2.3.4.5.6", "$JS.ACK.a.b.1.-2.3.4.5"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
