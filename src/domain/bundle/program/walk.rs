//! One pass over JSON text that notes where the values of some paths stand.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::super::json::{Items, Members, Text};
use super::super::path::Step;

/// The paths that go on from one place.
#[derive(Debug, Default)]
pub(in super::super) struct Node {
    /// The slot that the value here comes to stand in.
    pub capture: Option<usize>,
    children: Vec<(Step, Node)>,
    /// Members by name, then the child; in order.
    keys: Vec<(SmolStr, usize)>,
    /// Elements by index, then the child; in order.
    items: Vec<(u32, usize)>,
    /// All slots at and under this place.
    under: Vec<usize>,
}

impl Node {
    /// The place one step on, made when it is new.
    pub fn child(&mut self, step: &Step) -> &mut Node {
        let at = match self.children.iter().position(|(held, _)| held == step) {
            Some(at) => at,
            None => {
                self.children.push((step.clone(), Node::default()));
                self.children.len() - 1
            }
        };
        &mut self.children[at].1
    }

    /// Puts the look-ups in order, once all paths are in.
    pub fn finish(&mut self) {
        self.under.extend(self.capture);
        for (n, (step, child)) in self.children.iter_mut().enumerate() {
            child.finish();
            self.under.extend(&child.under);
            match step {
                Step::Key(key) => self.keys.push((key.clone(), n)),
                Step::Index(index) => self.items.push((*index, n)),
                Step::Either(key, index) => {
                    self.keys.push((key.clone(), n));
                    self.items.push((*index, n));
                }
            }
        }
        self.keys.sort();
        self.items.sort_unstable();
    }

    /// Notes where the values stand. False when the text can't be read: then nothing is known of it.
    pub fn fill<'a>(&self, raw: &'a str, found: &mut [Option<&'a str>]) -> bool {
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        if (Fill { node: self, found: &mut *found }).deserialize(&mut deserializer).is_ok() {
            return true;
        }
        // A number too large for a float, in a place where an object was looked for: look again without reading numbers.
        self.clear(found);
        self.fill_slowly(raw, found)
    }

    fn clear(&self, found: &mut [Option<&str>]) {
        for slot in &self.under {
            found[*slot] = None;
        }
    }

    fn fill_slowly<'a>(&self, raw: &'a str, found: &mut [Option<&'a str>]) -> bool {
        self.clear(found);
        if let Some(slot) = self.capture {
            found[slot] = Some(raw);
        }
        match raw.as_bytes().first() {
            Some(b'{') if !self.keys.is_empty() => {
                let Ok(Members(members)) = serde_json::from_str(raw) else {
                    return false;
                };
                members.iter().all(|(key, value)| self.of_key(key).all(|child| child.fill_slowly(value.get(), found)))
            }
            Some(b'[') if !self.items.is_empty() => {
                let Ok(Items(items)) = serde_json::from_str(raw) else {
                    return false;
                };
                let mut numbered = (0u32..).zip(items);
                numbered.all(|(n, value)| self.of_item(n).all(|child| child.fill_slowly(value.get(), found)))
            }
            _ => true,
        }
    }

    fn of_key(&self, key: &str) -> impl Iterator<Item = &Node> {
        let from = self.keys.partition_point(|(held, _)| held.as_str() < key);
        let same = self.keys[from..].iter().take_while(move |(held, _)| held == key);
        same.map(|(_, child)| &self.children[*child].1)
    }

    fn of_item(&self, index: u32) -> impl Iterator<Item = &Node> {
        let from = self.items.partition_point(|(held, _)| *held < index);
        let same = self.items[from..].iter().take_while(move |(held, _)| *held == index);
        same.map(|(_, child)| &self.children[*child].1)
    }
}

/// Reads one value for a node.
struct Fill<'n, 'f, 'a> {
    node: &'n Node,
    found: &'f mut [Option<&'a str>],
}

impl<'a> DeserializeSeed<'a> for Fill<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        // Of equal keys the last one counts: what an earlier one left is gone.
        self.node.clear(self.found);
        let Some(slot) = self.node.capture else {
            return deserializer.deserialize_any(self);
        };
        let raw = <&'a RawValue>::deserialize(deserializer)?.get();
        self.found[slot] = Some(raw);
        if self.node.children.is_empty() || self.node.fill_slowly(raw, self.found) {
            return Ok(());
        }
        Err(serde::de::Error::custom("unreadable"))
    }
}

/// Reads a value for several nodes: where one path counts digits as a name and another as an index.
fn fill_all<'a, 'n, E: serde::de::Error>(
    nodes: impl Iterator<Item = &'n Node>,
    raw: &'a RawValue,
    found: &mut [Option<&'a str>],
) -> Result<(), E> {
    for node in nodes {
        if !node.fill_slowly(raw.get(), found) {
            return Err(E::custom("unreadable"));
        }
    }
    Ok(())
}

impl<'a> Visitor<'a> for Fill<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let Fill { node, found } = self;
        while let Some(Text(key)) = map.next_key()? {
            let mut children = node.of_key(&key);
            match (children.next(), children.next()) {
                (None, _) => map.next_value::<IgnoredAny>().map(drop)?,
                (Some(child), None) => map.next_value_seed(Fill { node: child, found: &mut *found })?,
                _ => fill_all(node.of_key(&key), map.next_value()?, found)?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let Fill { node, found } = self;
        for index in 0u32.. {
            let mut children = node.of_item(index);
            let more = match (children.next(), children.next()) {
                (None, _) => seq.next_element::<IgnoredAny>()?.is_some(),
                (Some(child), None) => seq.next_element_seed(Fill { node: child, found: &mut *found })?.is_some(),
                _ => match seq.next_element()? {
                    Some(raw) => {
                        fill_all(node.of_item(index), raw, found)?;
                        true
                    }
                    None => false,
                },
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
