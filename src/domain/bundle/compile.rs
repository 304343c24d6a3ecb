//! From a checked bundle to the program that is run on records.

use smol_str::SmolStr;

use super::filter::{Filter, Operator, Transformation};
use super::json::Json;
use super::mapping::{Mapping, Target};
use super::path::{self, Step};
use super::program::{Members, Node, Out, PLACES_MAX, Plan, Program, Route, Shape, Test, Tested};
use super::rank::Direction;
use super::{Bundle, EndpointQuery, Ordering, PropertyQuery, words};

/// The paths that are looked for in one pass over a record's data.
#[derive(Default)]
struct Paths {
    root: Node,
    slots: usize,
}

impl Paths {
    /// The slot that the value at this path comes to stand in.
    fn slot(&mut self, steps: &[Step]) -> usize {
        let mut node = &mut self.root;
        for step in steps {
            node = node.child(step);
        }
        let next = self.slots;
        let slot = *node.capture.get_or_insert(next);
        if slot == next {
            self.slots += 1;
        }
        slot
    }

    fn finish(mut self) -> (Node, usize) {
        self.root.finish();
        (self.root, self.slots)
    }
}

/// Members of an object that is written, while they are gathered: in order of their names.
#[derive(Default)]
struct Tree(Vec<(SmolStr, Branch)>);

enum Branch {
    Leaf(Out),
    Object(Tree),
}

/// A destination that can't be: its text, and why.
type Clash = (String, String);

impl Tree {
    fn put(&mut self, keys: &[SmolStr], out: Out) -> Result<(), String> {
        let Some((first, rest)) = keys.split_first() else {
            return Err("empty".into());
        };
        let place = self.0.binary_search_by(|(held, _)| held.cmp(first));
        match (place, rest.is_empty()) {
            (Ok(_), true) => Err(format!("{first:?} is set by another destination too")),
            (Err(at), true) => {
                self.0.insert(at, (first.clone(), Branch::Leaf(out)));
                Ok(())
            }
            (Ok(at), false) => match &mut self.0[at].1 {
                Branch::Object(tree) => tree.put(rest, out),
                Branch::Leaf(_) => Err(format!("{first:?} is set by another destination too, as a value")),
            },
            (Err(at), false) => {
                let mut tree = Tree::default();
                tree.put(rest, out)?;
                self.0.insert(at, (first.clone(), Branch::Object(tree)));
                Ok(())
            }
        }
    }

    fn finish(self) -> Members {
        let member = |(key, branch): (SmolStr, Branch)| {
            // Only letters, digits and '_': nothing to escape.
            let key = [",\"", key.as_str(), "\":"].into_iter().collect();
            match branch {
                Branch::Leaf(out) => (key, out),
                Branch::Object(tree) => (key, Out::Object(tree.finish())),
            }
        };
        self.0.into_iter().map(member).collect()
    }
}

/// What a mapping writes, its sources looked for by `paths`.
fn members(mapping: &Mapping, paths: &mut Paths) -> Result<Members, Clash> {
    let mut tree = Tree::default();
    for (key, target) in &mapping.0 {
        let clash = |why: String| (key.to_string(), why);
        let destination = path::destination(key).map_err(clash)?;
        let out = match target {
            Target::Source(source) => Out::Slot(paths.slot(&path::source(source).map_err(clash)?)),
            Target::Nested { source, mappings } => {
                let slot = paths.slot(&path::source(source).map_err(clash)?);
                let mut inner = Paths::default();
                let members =
                    members(mappings, &mut inner).map_err(|(at, why)| (format!("{key}.mappings.{at}"), why))?;
                let (node, slots) = inner.finish();
                let shape = Box::new(Shape { node, slots, members });
                if destination.each { Out::Each(slot, shape) } else { Out::One(slot, shape) }
            }
        };
        tree.put(&destination.keys, out).map_err(clash)?;
    }
    Ok(tree.finish())
}

/// That no two destinations of a mapping exclude one another.
pub(super) fn shape(mapping: &Mapping) -> Result<(), Clash> {
    members(mapping, &mut Paths::default()).map(drop)
}

fn test(filter: &Filter, paths: &mut Paths) -> Tested {
    let test = match &filter.operator {
        Operator::In { value } => Test::In(Json::of(value)),
        Operator::Contains { value } => Test::Contains(Json::of(value)),
        Operator::Between { lower, upper } => Test::between(Json::of(lower), Json::of(upper)),
        Operator::Find { search } => Test::Find(words::of_search(search)),
    };
    let transformation = filter.transformation.clone().unwrap_or(Transformation::Identity);
    // What does not read was refused; a path that leads nowhere lets nothing pass.
    let slot = path::field(&filter.field).ok().map(|steps| paths.slot(&steps));
    Tested { field: filter.field.clone(), slot, transformation, test }
}

/// What is ordered by: a key of the mapping stands for its source, read as databases read paths.
fn order_slot(query: &EndpointQuery, order_by: &str, paths: &mut Paths) -> Option<usize> {
    let mapped = query.mapping.as_ref().and_then(|mapping| mapping.0.get(order_by));
    let text = match mapped {
        Some(Target::Source(source)) => source.as_str(),
        Some(Target::Nested { .. }) => return None,
        None => order_by,
    };
    path::field(text).ok().map(|steps| paths.slot(&steps))
}

fn route(query: &EndpointQuery, place: (usize, usize), order_by: Option<&str>) -> Route {
    let mut paths = Paths::default();
    let filters: Vec<Tested> = query.filters.iter().map(|filter| test(filter, &mut paths)).collect();
    let order = order_by.and_then(|key| order_slot(query, key, &mut paths));
    // Only of those that are read before filters: a record that is filtered out is looked through no further.
    let shape = query.mapping.as_ref().and_then(|mapping| members(mapping, &mut paths).ok());
    let (node, slots) = paths.finish();
    let links = query.links.iter().enumerate().map(|(n, link)| route(link, (place.0, n), None)).collect();
    Route {
        endpoint: query.endpoint.clone(),
        property: place.0,
        query: place.1,
        node,
        slots,
        filters,
        order,
        shape,
        links,
    }
}

impl Program {
    /// Compiles a bundle. Total: what could go wrong was refused when the bundle was read.
    pub fn compile(bundle: &Bundle) -> Self {
        let plans = bundle.bundle.iter().map(|(name, property)| Plan {
            name: name.clone(),
            direction: Direction {
                ordered: property.order_by.is_some(),
                descending: property.ordering == Some(Ordering::Descending),
            },
            limit: property.limit,
        });
        let of = |(n, property): (usize, &PropertyQuery)| -> Vec<Route> {
            let order_by = property.order_by.as_deref();
            property.endpoints.iter().enumerate().map(|(q, query)| route(query, (n, q), order_by)).collect()
        };
        let mut routes: Vec<Route> = bundle.bundle.values().enumerate().flat_map(of).collect();
        routes
            .sort_by(|a, b| a.endpoint.cmp(&b.endpoint).then(a.property.cmp(&b.property)).then(a.query.cmp(&b.query)));
        let mut places = 0;
        routes.iter_mut().for_each(|route| route.node.number(&mut places, PLACES_MAX));
        // The place 0 is nobody's.
        Program { plans: plans.collect(), routes, places: places + 1 }
    }
}
