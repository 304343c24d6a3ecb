//! The class of every field of an endpoint: what was said of paths, inherited down them.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::class::Class;

/// The segments of a field's path. An element of an array stands for the array: `a[].b`, `a[2].b` and `a.b` are one.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').map(|segment| segment.split_once('[').map_or(segment, |(name, _)| name))
}

/// What one party says of paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    own: Option<Class>,
    below: BTreeMap<SmolStr, Said>,
}

impl Said {
    /// What is said of the data as a whole.
    pub fn whole(class: Option<Class>) -> Self {
        Said { own: class, below: BTreeMap::new() }
    }

    /// This class at this path. Said twice, by two ways to write it, the more personal one holds.
    pub fn say(&mut self, path: &str, class: Class) {
        let mut at = self;
        for segment in segments(path) {
            at = at.below.entry(segment.into()).or_default();
        }
        at.own = at.own.max(Some(class));
    }
}

/// A field and what is below it, each with its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Its class; of what is below and not named, too.
    pub class: Class,
    /// Fields below of which something is said.
    pub below: BTreeMap<SmolStr, Fields>,
}

impl Fields {
    /// What holds of an endpoint. An operator's word goes over what plugs say of the same path and of all below it;
    /// of what several plugs say the most personal holds; what nobody says counts as `direct`.
    pub(super) fn resolve(operator: Option<&Said>, plugs: &[&Said]) -> Self {
        let plugs: Vec<(Option<&Said>, Option<Class>)> = plugs.iter().map(|said| (Some(*said), None)).collect();
        resolve(operator, None, &plugs)
    }

    /// The field at this path: as it is said, else with the class of the nearest one above.
    pub fn at<'a>(&'a self, path: &str) -> Field<'a> {
        let mut at = Field { class: self.class, below: Some(self) };
        for segment in segments(path) {
            at = at.step(segment);
        }
        at
    }
}

/// A place in [`Fields`], also one of which nothing is said itself.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its class.
    pub class: Class,
    below: Option<&'a Fields>,
}

impl<'a> Field<'a> {
    fn step(self, segment: &str) -> Field<'a> {
        match self.below.and_then(|fields| fields.below.get(segment)) {
            Some(fields) => Field { class: fields.class, below: Some(fields) },
            None => Field { class: self.class, below: None },
        }
    }

    /// The fields from here on.
    pub fn fields(&self) -> Fields {
        let below = self.below.map(|fields| fields.below.clone()).unwrap_or_default();
        Fields { class: self.class, below }
    }
}

/// A plug's word here, and the class that it gave the nearest place above.
type OfPlug<'a> = (Option<&'a Said>, Option<Class>);

fn resolve(operator: Option<&Said>, over: Option<Class>, plugs: &[OfPlug<'_>]) -> Fields {
    let over = operator.and_then(|said| said.own).or(over);
    let plugs: Vec<OfPlug<'_>> =
        plugs.iter().map(|(said, above)| (*said, said.and_then(|said| said.own).or(*above))).collect();
    let said = plugs.iter().filter_map(|(_, class)| *class).max();
    let class = over.or(said).unwrap_or(Class::Direct);
    let mut below = BTreeMap::new();
    let own = operator.into_iter().chain(plugs.iter().filter_map(|(said, _)| *said));
    for name in own.flat_map(|said| said.below.keys()) {
        if below.contains_key(name) {
            continue;
        }
        let operator = operator.and_then(|said| said.below.get(name));
        let plugs: Vec<OfPlug<'_>> =
            plugs.iter().map(|(said, class)| (said.and_then(|said| said.below.get(name)), *class)).collect();
        below.insert(name.clone(), resolve(operator, over, &plugs));
    }
    Fields { class, below }
}
