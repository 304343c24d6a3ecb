//! Steps over JSON text without reading it: where a value ends, which members an object has.
//!
//! The text was checked when it came in, so nothing is checked twice here. What is no JSON after all ends in
//! [`Unreadable`] or is stepped over; it never panics and never goes on for ever.

use std::borrow::Cow;

use memchr::memchr2;

use super::Unreadable;

/// Bytes that are looked through in place, a word at a time; what is longer is worth the call of a vectored search.
const BLOCK: usize = 32;
const ONES: u64 = u64::MAX / 0xff;
const HIGHS: u64 = ONES << 7;

/// Marks bytes of the word that are `a` or `b`, both ASCII. What stands above the lowest mark may be wrong, the lowest
/// never is.
#[inline]
const fn marks(word: u64, a: u8, b: u8) -> u64 {
    let (is_a, is_b) = (word ^ (ONES * a as u64), word ^ (ONES * b as u64));
    (is_a.wrapping_sub(ONES) | is_b.wrapping_sub(ONES)) & !word & HIGHS
}

/// Where the first mark stands in the block that begins at `at`.
#[inline(always)]
fn in_block(bytes: &[u8], at: usize, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, _) = bytes.get(at..)?.first_chunk::<BLOCK>()?.as_chunks::<8>();
    let mut at = at;
    for word in words {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    None
}

/// Where the next quote or backslash stands, from `at` on.
#[inline(always)]
fn quote_or_escape(bytes: &[u8], at: usize) -> Option<usize> {
    in_block(bytes, at, |word| marks(word, b'"', b'\\')).or_else(|| far_quote_or_escape(bytes, at))
}

#[inline(never)]
fn far_quote_or_escape(bytes: &[u8], at: usize) -> Option<usize> {
    memchr2(b'"', b'\\', bytes.get(at..)?).map(|further| at + further)
}

/// Where the next quote or bracket stands, from `at` on, outside of strings.
#[inline]
fn quote_or_bracket(bytes: &[u8], at: usize) -> Option<usize> {
    // With bit 5, { and [, } and ] are the same, and no other byte outside of strings becomes one of them or a quote.
    const LOWER: u64 = ONES * 0x20;
    let near = in_block(bytes, at, |word| marks(word | LOWER, b'{', b'}') | marks(word, b'"', b'"'));
    near.or_else(|| {
        let rest = bytes.get(at..)?;
        rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')).map(|further| at + further)
    })
}

/// A string of JSON, quotes and escapes and all, as text.
///
/// # Errors
/// [`Unreadable`] for half a surrogate pair.
#[cold]
fn unescaped<'a>(raw: &'a str) -> Result<Cow<'a, str>, Unreadable> {
    serde_json::from_str::<String>(raw).map(Cow::Owned).map_err(|_| Unreadable)
}

/// A place in JSON text.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// At the first value of a text.
    #[inline]
    pub fn new(text: &'a str) -> Self {
        let mut scan = Scan { text, at: 0 };
        scan.space();
        scan
    }

    /// The byte here.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over white space.
    #[inline]
    pub fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// What was stepped over since `from`.
    #[inline]
    fn since(&self, from: usize) -> Result<&'a str, Unreadable> {
        self.text.get(from..self.at).ok_or(Unreadable)
    }

    /// Steps over a string; whether anything in it is escaped.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Unreadable> {
        let bytes = self.text.as_bytes();
        let at = quote_or_escape(bytes, self.at + 1).ok_or(Unreadable)?;
        if bytes[at] == b'"' {
            self.at = at + 1;
            return Ok(false);
        }
        self.escaped_string(at)
    }

    /// The same for one whose first quote or backslash is the backslash at `at`.
    #[inline(never)]
    fn escaped_string(&mut self, mut at: usize) -> Result<bool, Unreadable> {
        let bytes = self.text.as_bytes();
        while bytes[at] != b'"' {
            at = quote_or_escape(bytes, at + 2).ok_or(Unreadable)?;
        }
        self.at = at + 1;
        Ok(true)
    }

    /// Steps over a string and gives what it says, borrowed where nothing in it is escaped.
    ///
    /// # Errors
    /// [`Unreadable`] for half a surrogate pair.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, Unreadable> {
        let from = self.at;
        if self.string()? {
            return unescaped(self.since(from)?);
        }
        self.text.get(from + 1..self.at - 1).map(Cow::Borrowed).ok_or(Unreadable)
    }

    /// Steps over a number, `true`, `false` or `null`.
    #[inline]
    fn word(&mut self) -> Result<(), Unreadable> {
        let from = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(Unreadable) }
    }

    /// Steps over an object or an array, however deep.
    fn container(&mut self) -> Result<(), Unreadable> {
        let mut depth = 0usize;
        loop {
            self.at = quote_or_bracket(self.text.as_bytes(), self.at).ok_or(Unreadable)?;
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                _ => depth = depth.saturating_sub(1),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Steps over the value here.
    ///
    /// # Errors
    /// [`Unreadable`] when none is here.
    #[inline(always)]
    pub fn skip(&mut self) -> Result<(), Unreadable> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{' | b'[') => self.container(),
            _ => self.word(),
        }
    }

    /// Steps over the value here, and gives it as it stands.
    ///
    /// # Errors
    /// [`Unreadable`] when none is here.
    #[inline]
    pub fn value(&mut self) -> Result<&'a str, Unreadable> {
        let from = self.at;
        self.skip()?;
        self.since(from)
    }

    /// Steps into the object or array here.
    #[inline]
    pub fn enter(&mut self) {
        self.at += 1;
    }

    /// Steps to the next element of the array that was entered: false past its end.
    ///
    /// # Errors
    /// [`Unreadable`] when the text ends before.
    #[inline]
    pub fn element(&mut self) -> Result<bool, Unreadable> {
        // As it mostly is.
        if let Some([b',', next, ..]) = self.text.as_bytes().get(self.at..)
            && *next > b' '
        {
            self.at += 1;
            return Ok(true);
        }
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
        }
        match self.peek() {
            Some(b'}' | b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => Err(Unreadable),
        }
    }

    /// Steps over the next element of the array that was entered, and gives it as it stands: none past its end, or when
    /// the text ends before.
    #[inline]
    pub fn next_element(&mut self) -> Option<&'a str> {
        if self.element().ok()? { self.value().ok() } else { None }
    }

    /// Steps to the value of the next member of the object that was entered, and gives its key: none past its end.
    ///
    /// # Errors
    /// [`Unreadable`] for a key with half a surrogate pair, and when the text ends before.
    #[inline]
    pub fn member(&mut self) -> Result<Option<Cow<'a, str>>, Unreadable> {
        if !self.element()? {
            return Ok(None);
        }
        let key = self.key()?;
        self.space();
        Ok(Some(key))
    }

    /// Steps over the key here and its colon.
    ///
    /// # Errors
    /// As [`member`](Self::member).
    #[inline]
    pub fn key(&mut self) -> Result<Cow<'a, str>, Unreadable> {
        if self.peek() != Some(b'"') {
            return Err(Unreadable);
        }
        let key = self.text()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(Unreadable);
        }
        self.at += 1;
        Ok(key)
    }

    /// Steps over a key and its colon, when that is what the next `bytes` bytes are: `word` under `mask`, lowest byte
    /// first.
    #[inline]
    pub fn over_key(&mut self, word: u128, mask: u128, bytes: usize) -> bool {
        let here = self.text.as_bytes().get(self.at..).and_then(|rest| rest.first_chunk());
        let is = here.is_some_and(|here| (u128::from_le_bytes(*here) ^ word) & mask == 0);
        if is {
            self.at += bytes;
            self.space();
        }
        is
    }

    /// What was stepped over since the place `from`.
    ///
    /// # Errors
    /// [`Unreadable`] when that is no text.
    #[inline]
    pub fn past(&self, from: Scan<'a>) -> Result<&'a str, Unreadable> {
        self.since(from.at)
    }
}
