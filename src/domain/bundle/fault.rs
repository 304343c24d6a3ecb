//! What is wrong with a bundle, and where.

use std::fmt::{self, Display};

/// The first place of a bundle that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct BundleFault {
    /// Where: a path like `bundle.data.endpoints[0].filters[1].operator`.
    pub at: String,
    /// Why, and what to do.
    pub why: String,
}

/// A place in the bundle that is being read: a list from the inside out, so that nothing is allocated unless
/// something is wrong.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    outer: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

impl<'a> At<'a> {
    /// The outermost place.
    pub const fn root(name: &'a str) -> Self {
        At { outer: None, step: Step::Key(name) }
    }

    /// A member of this place.
    pub const fn key(&'a self, key: &'a str) -> At<'a> {
        At { outer: Some(self), step: Step::Key(key) }
    }

    /// An element of this place.
    pub const fn item(&'a self, index: usize) -> At<'a> {
        At { outer: Some(self), step: Step::Item(index) }
    }

    /// This place is refused.
    pub fn refuse<T>(&self, why: impl Into<String>) -> Result<T, BundleFault> {
        Err(BundleFault { at: self.to_string(), why: why.into() })
    }
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        match (self.step, self.outer) {
            (Step::Item(index), _) => write!(f, "[{index}]"),
            (Step::Key(key), None) => f.write_str(key),
            // A key may hold anything: it is written so that the place stays one line and bounded.
            (Step::Key(key), Some(_)) => {
                f.write_str(".")?;
                for (n, c) in key.chars().enumerate() {
                    if n == 64 {
                        return f.write_str("…");
                    }
                    write!(f, "{}", if c.is_control() { '\u{fffd}' } else { c })?;
                }
                Ok(())
            }
        }
    }
}
