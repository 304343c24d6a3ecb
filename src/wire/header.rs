//! Header names of the protocol, and where headers are read from.

/// End-to-end reference and idempotency key of a message.
pub const ID: &str = "Dex-Id";
/// The party who speaks.
pub const FROM: &str = "Dex-From";
/// The public key that the signature is checked with.
pub const KEY: &str = "Dex-Key";
/// The signature.
pub const SIG: &str = "Dex-Sig";
/// On what the exchange signs together with others: the way to the root that the signature is over.
pub const PATH: &str = "Dex-Path";
/// Settle by then or expire.
pub const DEADLINE: &str = "Dex-Deadline";
/// Where a waiting caller wants the first outcome.
pub const REPLY: &str = "Dex-Reply";
/// What shall come with the outcome.
pub const WANT: &str = "Dex-Want";
/// The pull that is answered.
pub const PULL: &str = "Dex-Pull";
/// On a credit: the job that brought its records.
pub const JOB: &str = "Dex-Job";
/// On a delivery: the sender.
pub const SOURCE: &str = "Dex-Source";
/// On a delivery: hex SHA-256 of the body.
pub const DIGEST: &str = "Dex-Digest";
/// On a delivery whose body a debit's bundle made: hex SHA-256 of the body that was sent.
pub const DIGEST_IN: &str = "Dex-Digest-In";
/// On a delivery: number of records.
pub const COUNT: &str = "Dex-Count";
/// On a delivery: where the recipient sends its receipt.
pub const RECEIPT_TO: &str = "Dex-Receipt-To";
/// On a delivery: the right under which it moved.
pub const AUTHORITY: &str = "Dex-Authority";
/// The body's media type, on answers.
pub const CONTENT_TYPE: &str = "Content-Type";

/// The only value of [`WANT`].
pub const WANT_PROOF: &str = "proof";

/// Longest value of one `Dex-*` header, bytes.
pub const VALUE_BYTES_MAX: usize = 512;

/// Why a header cannot be taken as it came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Two values under one name.
    #[error("header {0} is given more than once")]
    Repeated(&'static str),
    /// Given without a value.
    #[error("header {0} is empty; leave it out instead")]
    Empty(&'static str),
    /// Over [`VALUE_BYTES_MAX`].
    #[error("header {0} has more than {VALUE_BYTES_MAX} bytes")]
    Length(&'static str),
    /// Holds something other than printable ASCII without spaces.
    #[error("header {0} holds a character that is not printable ASCII, or a space")]
    Characters(&'static str),
}

/// Anything that headers can be read from, in the order they were written.
pub trait HeaderSource {
    /// Every value under exactly this name.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a;

    /// The one value under `name`, if there is one.
    ///
    /// # Errors
    /// [`HeaderError`] when there are two, or the value cannot stand in a signed text.
    fn one<'a>(&'a self, name: &'static str) -> Result<Option<&'a str>, HeaderError> {
        let mut values = self.all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(HeaderError::Repeated(name));
        }
        if value.is_empty() {
            return Err(HeaderError::Empty(name));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(HeaderError::Length(name));
        }
        // A line feed here would move lines of the signed text; a space is trimmed by some clients.
        if !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HeaderError::Characters(name));
        }
        Ok(Some(value))
    }
}

/// Headers as a plain list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderList(pub Vec<(String, String)>);

impl HeaderList {
    /// About the bytes of the list as a NATS header block.
    pub fn wire_bytes(&self) -> usize {
        let lines: usize = self.0.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
        lines + "NATS/1.0\r\n\r\n".len()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for HeaderList {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(items: T) -> Self {
        HeaderList(items.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

impl HeaderSource for HeaderList {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whether `text` is a place to reply to: below `_INBOX.`, no wildcard, no empty token. Anything else
/// in `Dex-Reply` is ignored, so that nobody makes the exchange publish elsewhere.
pub fn is_inbox(text: &str) -> bool {
    text.strip_prefix("_INBOX.").is_some_and(|rest| {
        rest.len() <= 256
            && rest
                .split('.')
                .all(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_there_once_with_a_plain_value_or_refused() {
        let list: HeaderList =
            [(ID, "a"), (FROM, "x"), (FROM, "x"), (KEY, ""), (SIG, "a\nb"), (WANT, "a b"), (PULL, "ä")]
                .into_iter()
                .collect();
        assert_eq!(list.one(ID), Ok(Some("a")));
        assert_eq!(list.one(REPLY), Ok(None));
        assert_eq!(list.one(FROM), Err(HeaderError::Repeated(FROM)));
        assert_eq!(list.one(KEY), Err(HeaderError::Empty(KEY)));
        for name in [SIG, WANT, PULL] {
            assert_eq!(list.one(name), Err(HeaderError::Characters(name)));
        }
        let long: HeaderList = [(ID, "a".repeat(513))].into_iter().collect();
        assert_eq!(long.one(ID), Err(HeaderError::Length(ID)));
    }

    #[test]
    fn only_inboxes_are_replied_to() {
        for good in ["_INBOX.a", "_INBOX.abc.1.x"] {
            assert!(is_inbox(good), "{good}");
        }
        for bad in [
            "",
            "_INBOX",
            "_INBOX.",
            "_INBOX.>",
            "_INBOX.a.*",
            "_INBOX..a",
            "_INBOXES.a",
            "dex.v1.in.hat.bob.data",
            "$SYS.a",
            "_INBOX.a b",
            "_INBOX.a.",
        ] {
            assert!(!is_inbox(bad), "{bad}");
        }
    }
}
