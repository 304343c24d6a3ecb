//! A compiled bundle: for each endpoint query one pass over a record's data finds all that its filters, its order
//! and its mapping need.

mod keep;
mod layout;
mod links;
mod take;
mod walk;
mod write;

use smol_str::SmolStr;

use super::rank::Direction;

pub(super) use keep::{Kept, Test, Tested};
pub(super) use layout::{Layouts, PLACES_MAX};
pub use take::Taken;
pub(super) use walk::Node;
pub use write::TooLarge;
pub(super) use write::{Bounded, Members, Out, Shape};

/// A compiled bundle.
#[derive(Debug)]
pub struct Program {
    /// By property.
    pub(super) plans: Vec<Plan>,
    /// By endpoint, then property, then place among the property's queries.
    pub(super) routes: Vec<Route>,
    /// How many places of its routes have a layout.
    pub(super) places: usize,
}

/// How a property's records are ordered and cut.
#[derive(Debug)]
pub(super) struct Plan {
    pub name: SmolStr,
    pub direction: Direction,
    pub limit: Option<u32>,
}

/// One endpoint query.
#[derive(Debug)]
pub(super) struct Route {
    pub endpoint: SmolStr,
    /// Place of its property.
    pub property: usize,
    /// Its place among the property's queries.
    pub query: usize,
    /// What is looked for in the data.
    pub node: Node,
    /// How many values that are.
    pub slots: usize,
    pub filters: Vec<Tested>,
    /// The slot that is ordered by.
    pub order: Option<usize>,
    /// What is written; the data as it is when absent.
    pub shape: Option<Members>,
    /// Linked records that may come along.
    pub links: Vec<Route>,
}

/// A record as it is delivered: its JSON text.
pub type Row = String;

/// What was found in a record's data: by slot, the JSON text at that path.
pub(super) type Found<'a> = Vec<Option<&'a str>>;

impl Program {
    /// The queries of one endpoint, in order.
    pub(super) fn of_endpoint<'p>(&'p self, endpoint: &'p str) -> impl Iterator<Item = &'p Route> {
        self.routes_from(self.first_of(endpoint), endpoint)
    }

    /// Where the queries of an endpoint begin, if there are any.
    fn first_of(&self, endpoint: &str) -> usize {
        self.routes.partition_point(|route| route.endpoint.as_str() < endpoint)
    }

    fn routes_from<'p>(&'p self, first: usize, endpoint: &'p str) -> impl Iterator<Item = &'p Route> {
        self.routes[first..].iter().take_while(move |route| route.endpoint == endpoint)
    }
}

impl Route {
    /// Looks through a record's data, and says whether it passes the filters.
    pub(super) fn look<'a>(&self, data: &'a str, found: &mut Found<'a>) -> Kept {
        self.look_by(data, found, &mut Layouts::none())
    }

    /// [`look`](Self::look), by what the records before looked like.
    #[inline]
    pub(super) fn look_by<'a>(&self, data: &'a str, found: &mut Found<'a>, layouts: &mut Layouts) -> Kept {
        found.clear();
        found.resize(self.slots, None);
        if self.slots > 0 && !self.node.fill(data, found, layouts) {
            return Kept::Unreadable;
        }
        match self.filters.iter().position(|filter| !filter.passes(found)) {
            None => Kept::Yes,
            Some(filter) => Kept::No(filter),
        }
    }
}
