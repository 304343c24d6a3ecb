//! The catalogue as the original tells it: namespaces, their endpoints, the fields as a tree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One endpoint of the exchange's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// `namespace/path`.
    pub endpoint: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// One field of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Field {
    /// Names joined by dots.
    pub path: String,
    /// Values reported.
    pub count: u64,
}

/// A namespace with its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceStructure {
    /// Its name.
    pub namespace: String,
    /// Its endpoints in order.
    pub endpoints: Vec<EndpointStructure>,
    /// What people say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An endpoint with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStructure {
    /// Its name without the namespace.
    pub endpoint: String,
    /// Its fields in order.
    pub fields: Vec<FieldStructure>,
    /// What people say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A field: with a count a value, with fields an inner object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldStructure {
    /// Its name; that of an array ends in `[]`.
    pub name: String,
    /// Values reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What lies in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FieldStructure>>,
    /// What people say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Puts endpoints, which come in order, under their namespaces.
pub fn namespaces(endpoints: &[Endpoint]) -> Vec<NamespaceStructure> {
    let mut by_name: BTreeMap<&str, Vec<EndpointStructure>> = BTreeMap::new();
    for of in endpoints {
        let (namespace, endpoint) = of.endpoint.split_once('/').unwrap_or((&of.endpoint, ""));
        let mut root = Node::default();
        for field in &of.fields {
            root.put(&field.path, field.count);
        }
        let told = EndpointStructure { endpoint: endpoint.to_owned(), fields: root.told(), description: None };
        by_name.entry(namespace).or_default().push(told);
    }
    let told = |(namespace, endpoints): (&str, _)| NamespaceStructure {
        namespace: namespace.to_owned(),
        endpoints,
        description: None,
    };
    by_name.into_iter().map(told).collect()
}

#[derive(Default)]
struct Node<'a> {
    count: Option<u64>,
    inner: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Node<'a> {
    // A path has at most 128 bytes, so the tree is at most 64 deep.
    fn put(&mut self, path: &'a str, count: u64) {
        match path.split_once('.') {
            Some((first, rest)) => self.inner.entry(first).or_default().put(rest, count),
            None => {
                let held = &mut self.inner.entry(path).or_default().count;
                *held = Some(held.unwrap_or(0).saturating_add(count));
            }
        }
    }

    /// What was a value in one HAT and an object in another stands side by side.
    fn told(&self) -> Vec<FieldStructure> {
        let mut told = Vec::with_capacity(self.inner.len());
        for (name, node) in &self.inner {
            let name = (*name).to_owned();
            if node.count.is_some() {
                told.push(FieldStructure { name: name.clone(), count: node.count, fields: None, description: None });
            }
            if !node.inner.is_empty() {
                told.push(FieldStructure { name, count: None, fields: Some(node.told()), description: None });
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_trees_as_the_original_tells_them() {
        let fields = [("a", 1), ("b.c[]", 2), ("d[].e", 2), ("d[].f", 1), ("a.x", 7)];
        let field = |(path, count): (&str, u64)| Field { path: path.into(), count };
        let of = |endpoint: &str| Endpoint { endpoint: endpoint.into(), fields: fields.map(field).to_vec() };
        let told = namespaces(&[of("rumpel/notes/old"), of("zoo/x")]);
        let expected: Vec<NamespaceStructure> =
            serde_json::from_str(include_str!("../../../tests/rest/available-data.json")).expect("JSON");
        assert_eq!(told, expected);
    }
}
