//! Compares decimal numbers by their text, exactly.

use std::cmp::Ordering;

/// A number's text taken apart: ± 0.d₁d₂d₃… × 10^`point`, d₁ ≠ 0.
struct Number<'a> {
    negative: bool,
    int: &'a [u8],
    frac: &'a [u8],
    point: i128,
}

impl<'a> Number<'a> {
    /// `None` for zero.
    fn of(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = bytes.strip_prefix(b"-").map_or((false, bytes), |rest| (true, rest));
        let e = bytes.iter().position(|b| matches!(b, b'e' | b'E'));
        let (mantissa, exponent) = e.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + 1..]));
        let dot = mantissa.iter().position(|b| *b == b'.');
        let (int, frac) = dot.map_or((mantissa, &b""[..]), |at| (&mantissa[..at], &mantissa[at + 1..]));
        let zero = |digits: &[u8]| digits.iter().take_while(|b| **b == b'0').count();
        let lead = zero(int);
        let int = &int[lead..];
        let skipped = if int.is_empty() { zero(frac) } else { 0 };
        let frac = &frac[skipped..];
        if int.is_empty() && frac.is_empty() {
            return None;
        }
        let length = |digits: usize| i128::try_from(digits).unwrap_or(i128::from(i64::MAX));
        let point = length(int.len()) - length(skipped) + exponent_of(exponent);
        Some(Number { negative, int, frac, point })
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        if self.point != other.point {
            return self.point.cmp(&other.point);
        }
        let mut a = self.int.iter().chain(self.frac);
        let mut b = other.int.iter().chain(other.frac);
        loop {
            match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (Some(a), Some(b)) if a != b => return a.cmp(b),
                (Some(_), Some(_)) => {}
                (Some(digit), None) if *digit != b'0' => return Ordering::Greater,
                (None, Some(digit)) if *digit != b'0' => return Ordering::Less,
                _ => {}
            }
        }
    }
}

/// An exponent, its size held within ±2⁶³: beyond it all are alike far out.
fn exponent_of(text: &[u8]) -> i128 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value = 0i128;
    for digit in digits {
        value = (value * 10 + i128::from(digit.saturating_sub(b'0'))).min(i128::from(i64::MAX));
    }
    if negative { -value } else { value }
}

/// Most bytes of a [`Short`] number without its sign: more digits may not fit 64 bits.
const SHORT_BYTES: usize = 19;

/// A number of few digits, none of them behind an `e`: most are. It is `digits` / 10^`places`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Short {
    digits: i64,
    places: u32,
}

impl Short {
    /// Reads a number; none when it is a longer one.
    #[inline]
    pub fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = bytes.strip_prefix(b"-").map_or((false, bytes), |rest| (true, rest));
        if bytes.len() > SHORT_BYTES {
            return None;
        }
        let mut size = 0u64;
        let mut point = None;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' => size = size * 10 + u64::from(byte - b'0'),
                b'.' => point = Some(at + 1),
                _ => return None,
            }
        }
        let places = point.map_or(0, |point| bytes.len() - point);
        let digits = i64::try_from(size).ok()?;
        Some(Short { digits: if negative { -digits } else { digits }, places: u32::try_from(places).ok()? })
    }

    /// The order of two numbers.
    #[inline]
    pub fn compare(&self, other: &Self) -> Ordering {
        if self.places == other.places {
            return self.digits.cmp(&other.digits);
        }
        // Below 2^63 × 10^18, which fits.
        let raised = |by: &Self, to: u32| i128::from(by.digits) * 10i128.pow(to.saturating_sub(by.places));
        let places = self.places.max(other.places);
        raised(self, places).cmp(&raised(other, places))
    }
}

/// The order of two JSON numbers: `1`, `1.0` and `10e-1` are equal.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    if let (Some(a), Some(b)) = (Short::of(a), Short::of(b)) {
        return a.compare(&b);
    }
    match (Number::of(a), Number::of(b)) {
        (None, None) => Ordering::Equal,
        (None, Some(b)) => {
            if b.negative {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (Some(a), None) => {
            if a.negative {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (Some(a), Some(b)) => match (a.negative, b.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => a.magnitude(&b),
            (true, true) => b.magnitude(&a),
        },
    }
}
