//! Writes a record's data in the shape of its mapping.

use smol_str::SmolStr;

use super::super::json::Scan;
use super::Found;
use super::layout::Layouts;
use super::walk::Node;

/// The mapping of an object inside the data.
#[derive(Debug)]
pub(in super::super) struct Shape {
    pub node: Node,
    pub slots: usize,
    pub members: Members,
}

/// What an object is made of. A key stands as it is written after another member: `,"key":`.
pub(in super::super) type Members = Vec<(SmolStr, Out)>;

/// Where a written member's value comes from.
#[derive(Debug)]
pub(in super::super) enum Out {
    /// As it stands in the data.
    Slot(usize),
    /// An object of its own, left out when all its members are missing.
    Object(Members),
    /// The object there, mapped.
    One(usize, Box<Shape>),
    /// Each element of the array there, mapped.
    Each(usize, Box<Shape>),
}

/// What is written would be larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// A text that grows up to a bound.
pub(in super::super) struct Bounded<'o> {
    pub out: &'o mut Vec<u8>,
    pub most: usize,
}

impl Bounded<'_> {
    #[inline]
    fn push_both(&mut self, one: &str, other: &str) -> Result<(), TooLarge> {
        let more = one.len() + other.len();
        if self.out.len() + more > self.most {
            return Err(TooLarge);
        }
        self.out.reserve(more);
        self.out.extend_from_slice(one.as_bytes());
        self.out.extend_from_slice(other.as_bytes());
        Ok(())
    }

    pub fn push(&mut self, text: &str) -> Result<(), TooLarge> {
        if self.out.len() + text.len() > self.most {
            return Err(TooLarge);
        }
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Writes members that are there, without the braces; how many there were.
fn members(out: &mut Bounded<'_>, members: &[(SmolStr, Out)], found: &[Option<&str>]) -> Result<usize, TooLarge> {
    let mut written = 0;
    for (key, member) in members {
        // The first one goes without its comma.
        let key = &key[usize::from(written == 0)..];
        written += usize::from(written_member(out, key, member, found)?);
    }
    Ok(written)
}

/// Writes an object of these members: `{}` when none is there.
pub(in super::super) fn object(
    out: &mut Bounded<'_>,
    of: &[(SmolStr, Out)],
    found: &[Option<&str>],
) -> Result<(), TooLarge> {
    out.push("{")?;
    members(out, of, found)?;
    out.push("}")
}

/// Writes a member, key and value, when it is there.
#[inline]
fn written_member(out: &mut Bounded<'_>, key: &str, member: &Out, found: &[Option<&str>]) -> Result<bool, TooLarge> {
    let at = |slot: &usize| found.get(*slot).copied().flatten();
    match member {
        Out::Slot(slot) => match at(slot) {
            Some(raw) => out.push_both(key, raw).map(|()| true),
            None => Ok(false),
        },
        Out::Object(inner) => {
            let before = out.out.len();
            out.push_both(key, "{")?;
            if members(out, inner, found)? == 0 {
                out.out.truncate(before);
                return Ok(false);
            }
            out.push("}").map(|()| true)
        }
        Out::One(slot, shape) => match at(slot) {
            Some(raw) => {
                out.push(key)?;
                shape.write(out, raw, &mut Found::new()).map(|()| true)
            }
            None => Ok(false),
        },
        Out::Each(slot, shape) => match at(slot).filter(|raw| raw.starts_with('[')) {
            Some(items) => {
                out.push(key)?;
                shape.write_each(out, items).map(|()| true)
            }
            None => Ok(false),
        },
    }
}

impl Shape {
    fn write<'a>(&self, out: &mut Bounded<'_>, raw: &'a str, found: &mut Found<'a>) -> Result<(), TooLarge> {
        found.clear();
        found.resize(self.slots, None);
        // What can't be read holds nothing that is asked for.
        if !self.node.fill(raw, found, &mut Layouts::none()) {
            found.fill(None);
        }
        object(out, &self.members, found)
    }

    /// Writes an array of what each element of an array becomes.
    fn write_each(&self, out: &mut Bounded<'_>, items: &str) -> Result<(), TooLarge> {
        let mut scan = Scan::new(items);
        let mut found = Found::with_capacity(self.slots);
        let mut comma = "";
        out.push("[")?;
        scan.enter();
        while let Some(item) = scan.next_element() {
            out.push(comma)?;
            self.write(out, item, &mut found)?;
            comma = ",";
        }
        out.push("]")
    }
}
