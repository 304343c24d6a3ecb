//! The sender's place in a trace of its own: W3C Trace Context, header `traceparent`. For logs only: it is not
//! signed, not ledgered, and never sent on to another party.

use std::fmt;

use super::header::HeaderSource;

/// Name of the header (W3C Trace Context, level 1).
pub const TRACEPARENT: &str = "traceparent";

/// A trace and the span in it that sent the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Not all zero.
    pub trace: [u8; 16],
    /// Not all zero.
    pub span: [u8; 8],
    /// Whether the sender keeps this trace.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads the header's value. As the recommendation says, what is not of the form counts as absent, and of a
    /// later version the parts of version 00 are read.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = byte(parts.next()?)?;
        let (trace, span, flags) = (parts.next()?, parts.next()?, byte(parts.next()?)?);
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let context = TraceContext { trace: hex(trace)?, span: hex(span)?, sampled: flags & 1 == 1 };
        (context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
    }

    /// The context that comes with a message, when there is exactly one.
    pub fn of<H: HeaderSource>(headers: &H) -> Option<Self> {
        let mut values = headers.all(TRACEPARENT);
        let value = values.next()?;
        if values.next().is_some() { None } else { TraceContext::parse(value) }
    }
}

fn byte(text: &str) -> Option<u8> {
    hex::<1>(text).map(|[byte]| byte)
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    // Lower case only, as the recommendation has it.
    data_encoding::HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace), hex(&self.span), u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::HeaderList;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_recommendation_reads_back() {
        let context = TraceContext::parse(GOOD).expect("good");
        assert!(context.sampled);
        assert_eq!(context.to_string(), GOOD);
        // A later version may have more parts.
        assert_eq!(TraceContext::parse(&format!("01{}-more", &GOOD[2..])), Some(context));
    }

    #[test]
    fn what_is_not_of_the_form_counts_as_absent() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let one: HeaderList = [(TRACEPARENT, GOOD)].into_iter().collect();
        assert!(TraceContext::of(&one).is_some());
        let two: HeaderList = [(TRACEPARENT, GOOD), (TRACEPARENT, GOOD)].into_iter().collect();
        assert_eq!(TraceContext::of(&two), None);
    }
}
