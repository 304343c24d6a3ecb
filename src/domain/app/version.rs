//! A version of an app: three numbers.

use std::fmt;
use std::str::FromStr;

/// `x.y.z`, compared number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |text: Option<&str>| -> Option<u32> {
            let text = text?;
            let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            if plain { text.parse().ok() } else { None }
        };
        let mut parts = text.split('.');
        let read = (part(parts.next()), part(parts.next()), part(parts.next()), parts.next());
        match read {
            (Some(x), Some(y), Some(z), None) => Ok(Version(x, y, z)),
            _ => Err(format!(
                "{:?} is not a version of three numbers like 1.4.0",
                text.chars().take(64).collect::<String>()
            )),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
