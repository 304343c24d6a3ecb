//! A compiled bundle: for each endpoint query one pass over a record's data finds all that its filters, its order
//! and its mapping need.

mod keep;
mod links;
mod take;
mod walk;
mod write;

use smol_str::SmolStr;

pub(super) use keep::{Kept, Test, Tested};
pub use take::Taken;
pub(super) use walk::Node;
pub use write::TooLarge;
pub(super) use write::{Bounded, Out, Shape};

/// A compiled bundle.
#[derive(Debug)]
pub struct Program {
    /// By property.
    pub(super) plans: Vec<Plan>,
    /// By endpoint, then property, then place among the property's queries.
    pub(super) routes: Vec<Route>,
}

/// How a property's records are ordered and cut.
#[derive(Debug)]
pub(super) struct Plan {
    pub name: SmolStr,
    pub ordered: bool,
    pub descending: bool,
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
    pub shape: Option<Vec<(Box<str>, Out)>>,
    /// Linked records that may come along.
    pub links: Vec<Route>,
}

/// A record as it is delivered: its JSON text.
pub type Row = String;

/// What was found in a record's data: by slot, the JSON text at that path.
pub(super) type Found<'a> = Vec<Option<&'a str>>;

impl Program {
    /// The queries of one endpoint, in order.
    pub(super) fn of_endpoint(&self, endpoint: &str) -> &[Route] {
        let from = self.routes.partition_point(|route| route.endpoint.as_str() < endpoint);
        let count = self.routes[from..].iter().take_while(|route| route.endpoint == endpoint).count();
        &self.routes[from..from + count]
    }
}

impl Route {
    /// Looks through a record's data, and says whether it passes the filters.
    pub(super) fn look<'a>(&self, data: &'a str, found: &mut Found<'a>) -> Kept {
        found.clear();
        found.resize(self.slots, None);
        if self.slots > 0 && !self.node.fill(data, found) {
            return Kept::Unreadable;
        }
        match self.filters.iter().position(|filter| !filter.passes(found)) {
            None => Kept::Yes,
            Some(filter) => Kept::No(filter),
        }
    }
}
