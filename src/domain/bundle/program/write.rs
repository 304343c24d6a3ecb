//! Writes a record's data in the shape of its mapping.

use super::super::json::Items;
use super::Found;
use super::walk::Node;

/// The mapping of an object inside the data.
#[derive(Debug)]
pub(in super::super) struct Shape {
    pub node: Node,
    pub slots: usize,
    pub members: Vec<(Box<str>, Out)>,
}

/// Where a written member's value comes from. Its key stands beside it, written: `"key":`.
#[derive(Debug)]
pub(in super::super) enum Out {
    /// As it stands in the data.
    Slot(usize),
    /// An object of its own, left out when all its members are missing.
    Object(Vec<(Box<str>, Out)>),
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
    pub fn push(&mut self, text: &str) -> Result<(), TooLarge> {
        if self.out.len() + text.len() > self.most {
            return Err(TooLarge);
        }
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Writes members that are there, without the braces; how many there were.
fn members(out: &mut Bounded<'_>, members: &[(Box<str>, Out)], found: &[Option<&str>]) -> Result<usize, TooLarge> {
    let mut written = 0;
    for (key, member) in members {
        let before = out.out.len();
        if written > 0 {
            out.push(",")?;
        }
        out.push(key)?;
        if value(out, member, found)? {
            written += 1;
        } else {
            out.out.truncate(before);
        }
    }
    Ok(written)
}

/// Writes an object of these members: `{}` when none is there.
pub(in super::super) fn object(
    out: &mut Bounded<'_>,
    of: &[(Box<str>, Out)],
    found: &[Option<&str>],
) -> Result<(), TooLarge> {
    out.push("{")?;
    members(out, of, found)?;
    out.push("}")
}

fn value(out: &mut Bounded<'_>, member: &Out, found: &[Option<&str>]) -> Result<bool, TooLarge> {
    let at = |slot: &usize| found.get(*slot).copied().flatten();
    match member {
        Out::Slot(slot) => match at(slot) {
            Some(raw) => out.push(raw).map(|()| true),
            None => Ok(false),
        },
        Out::Object(inner) => {
            out.push("{")?;
            if members(out, inner, found)? == 0 {
                return Ok(false);
            }
            out.push("}").map(|()| true)
        }
        Out::One(slot, shape) => match at(slot) {
            Some(raw) => shape.write(out, raw, &mut Found::new()).map(|()| true),
            None => Ok(false),
        },
        Out::Each(slot, shape) => {
            let items = at(slot).filter(|raw| raw.starts_with('[')).map(serde_json::from_str);
            let Some(Ok(Items(items))) = items else {
                return Ok(false);
            };
            out.push("[")?;
            let mut inner = Found::with_capacity(shape.slots);
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(",")?;
                }
                shape.write(out, item.get(), &mut inner)?;
            }
            out.push("]").map(|()| true)
        }
    }
}

impl Shape {
    fn write<'a>(&self, out: &mut Bounded<'_>, raw: &'a str, found: &mut Found<'a>) -> Result<(), TooLarge> {
        found.clear();
        found.resize(self.slots, None);
        // What can't be read holds nothing that is asked for.
        if !self.node.fill(raw, found) {
            found.fill(None);
        }
        object(out, &self.members, found)
    }
}
