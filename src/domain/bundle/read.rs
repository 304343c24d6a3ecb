//! Reads a bundle from JSON: every refusal names its place.

use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::fault::{At, BundleFault};
use super::filter::{Filter, Operator, Transformation};
use super::mapping::{Mapping, Target};
use super::time_part::Part;
use super::{
    Bundle, DEPTH_MAX, EndpointQuery, FILTERS_MAX, LIMIT_MAX, Ordering, PARTS_MAX, PATH_BYTES_MAX, PropertyQuery,
    QUERIES_MAX, SEARCHES_MAX, TARGETS_MAX, VALUE_BYTES_MAX, compile, path, words,
};
use crate::domain::records::is_endpoint;

type Read<T> = Result<T, BundleFault>;

/// Most bytes of a bundle's name and of a property's.
const NAME_BYTES_MAX: usize = 64;
const PROPERTY_BYTES_MAX: usize = 128;

fn object<'v>(at: &At<'_>, value: &'v Value, known: &[&str]) -> Read<&'v Map<String, Value>> {
    let Value::Object(map) = value else {
        return at.refuse("not an object");
    };
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => at.key(unknown).refuse(format!("unknown; known here: {}", known.join(", "))),
        None => Ok(map),
    }
}

fn present<'v>(at: &At<'_>, map: &'v Map<String, Value>, key: &str) -> Read<&'v Value> {
    map.get(key).map_or_else(|| at.key(key).refuse("missing"), Ok)
}

/// A member that may be left out; `null` is not the same as leaving it out, for readers differ in what it does.
fn optional<'v>(at: &At<'_>, map: &'v Map<String, Value>, key: &str) -> Read<Option<&'v Value>> {
    match map.get(key) {
        Some(Value::Null) => at.key(key).refuse("null: leave it out"),
        value => Ok(value),
    }
}

fn text<'v>(at: &At<'_>, value: &'v Value) -> Read<&'v str> {
    value.as_str().map_or_else(|| at.refuse("not a string"), Ok)
}

fn list<'v>(at: &At<'_>, value: &'v Value, least: usize, most: usize) -> Read<&'v [Value]> {
    let Value::Array(items) = value else {
        return at.refuse("not an array");
    };
    if !(least..=most).contains(&items.len()) {
        return at.refuse(format!("has {} elements, not {least} to {most}", items.len()));
    }
    Ok(items)
}

/// Reads a whole bundle.
pub(super) fn bundle(root: At<'_>, value: &Value) -> Read<Bundle> {
    let map = object(&root, value, &["name", "bundle"])?;
    let name_at = root.key("name");
    let name = text(&name_at, present(&root, map, "name")?)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return name_at.refuse(format!("not 1 to {NAME_BYTES_MAX} of 0-9, a-z, A-Z and '-'"));
    }
    let at = root.key("bundle");
    let Value::Object(properties) = present(&root, map, "bundle")? else {
        return at.refuse("not an object of properties");
    };
    if !(1..=PARTS_MAX).contains(&properties.len()) {
        return at.refuse(format!("has {} properties, not 1 to {PARTS_MAX}", properties.len()));
    }
    let mut read = Bundle { name: name.into(), bundle: Default::default() };
    let mut queries = 0;
    for (key, value) in properties {
        let at = at.key(key);
        if key.is_empty() || key.len() > PROPERTY_BYTES_MAX || key.chars().any(char::is_control) {
            return at
                .refuse(format!("a property's name is 1 to {PROPERTY_BYTES_MAX} bytes without control characters"));
        }
        read.bundle.insert(key.into(), property(&at, value, &mut queries)?);
    }
    let queries = read.bundle.values().flat_map(|property| &property.endpoints);
    let queries = queries.flat_map(|query| std::iter::once(query).chain(&query.links));
    let searches = queries.flat_map(|query| &query.filters);
    let searches = searches.filter(|filter| matches!(filter.operator, Operator::Find { .. })).count();
    if searches > SEARCHES_MAX {
        return at.refuse(format!("has {searches} filters that search (find), more than {SEARCHES_MAX}"));
    }
    Ok(read)
}

fn property(at: &At<'_>, value: &Value, queries: &mut usize) -> Read<PropertyQuery> {
    let map = object(at, value, &["endpoints", "orderBy", "ordering", "limit"])?;
    let endpoints_at = at.key("endpoints");
    let endpoints = list(&endpoints_at, present(at, map, "endpoints")?, 1, PARTS_MAX)?;
    let endpoints = endpoints.iter().enumerate();
    let endpoints = endpoints.map(|(n, value)| query(&endpoints_at.item(n), value, queries, false));
    let endpoints: Vec<EndpointQuery> = endpoints.collect::<Read<_>>()?;
    let order_by = match optional(at, map, "orderBy")? {
        Some(value) => Some(order_by(&at.key("orderBy"), value, &endpoints)?),
        None => None,
    };
    let ordering_at = at.key("ordering");
    let ordering = match optional(at, map, "ordering")? {
        None => None,
        Some(value) => match text(&ordering_at, value)? {
            "ascending" => Some(Ordering::Ascending),
            "descending" => Some(Ordering::Descending),
            other => return ordering_at.refuse(format!("{other:?} is neither \"ascending\" nor \"descending\"")),
        },
    };
    let limit_at = at.key("limit");
    let limit = match optional(at, map, "limit")? {
        None => None,
        Some(value) => match value.as_u64().map(u32::try_from) {
            Some(Ok(limit)) if limit <= LIMIT_MAX => Some(limit),
            _ => return limit_at.refuse(format!("not a whole number from 0 to {LIMIT_MAX}")),
        },
    };
    Ok(PropertyQuery { endpoints, order_by, ordering, limit })
}

/// A key of a mapping stands for its source; any other text is a path into the data.
fn order_by(at: &At<'_>, value: &Value, endpoints: &[EndpointQuery]) -> Read<SmolStr> {
    let key = text(at, value)?;
    for query in endpoints {
        match query.mapping.as_ref().and_then(|mapping| mapping.0.get(key)) {
            Some(Target::Nested { .. }) => {
                return at
                    .refuse(format!("{key:?} is mapped from an object or array: order by a path of single values"));
            }
            Some(Target::Source(source)) => {
                path::field(source).or_else(|why| at.refuse(format!("is mapped from {source:?}: {why}")))?;
            }
            None => {
                path::field(key).or_else(|why| at.refuse(why))?;
            }
        }
    }
    Ok(key.into())
}

fn query(at: &At<'_>, value: &Value, queries: &mut usize, linked: bool) -> Read<EndpointQuery> {
    *queries += 1;
    if *queries > QUERIES_MAX {
        return at.refuse(format!("a bundle has at most {QUERIES_MAX} endpoint queries"));
    }
    let known: &[&str] =
        if linked { &["endpoint", "mapping", "filters"] } else { &["endpoint", "mapping", "filters", "links"] };
    if linked && value.get("links").is_some() {
        return at.key("links").refuse("links of linked records are not followed: there is one level");
    }
    let map = object(at, value, known)?;
    let endpoint_at = at.key("endpoint");
    let endpoint = text(&endpoint_at, present(at, map, "endpoint")?)?;
    if !is_endpoint(endpoint) {
        return endpoint_at.refuse(format!("{endpoint:?} is not namespace/path of 0-9, a-z, '-' and '/'"));
    }
    let mapping_at = at.key("mapping");
    let mapping = match optional(at, map, "mapping")? {
        Some(value) => {
            let mut targets = 0;
            let mapping = self::mapping(&mapping_at, value, 0, &mut targets)?;
            compile::shape(&mapping).or_else(|(key, why)| mapping_at.key(&key).refuse(why))?;
            Some(mapping)
        }
        None => None,
    };
    let filters_at = at.key("filters");
    let filters = match optional(at, map, "filters")? {
        Some(value) => {
            let items = list(&filters_at, value, 0, FILTERS_MAX)?.iter().enumerate();
            items.map(|(n, value)| filter(&filters_at.item(n), value)).collect::<Read<_>>()?
        }
        None => Vec::new(),
    };
    let links_at = at.key("links");
    let links = match optional(at, map, "links")? {
        Some(value) => {
            let items = list(&links_at, value, 0, PARTS_MAX)?.iter().enumerate();
            items.map(|(n, value)| query(&links_at.item(n), value, queries, true)).collect::<Read<_>>()?
        }
        None => Vec::new(),
    };
    Ok(EndpointQuery { endpoint: endpoint.into(), mapping, filters, links })
}

fn mapping(at: &At<'_>, value: &Value, depth: usize, targets: &mut usize) -> Read<Mapping> {
    let Value::Object(map) = value else {
        return at.refuse("a mapping is an object of destination paths; without it the data stays as it is");
    };
    if depth >= DEPTH_MAX {
        return at.refuse(format!("mappings are nested at most {DEPTH_MAX} deep"));
    }
    *targets += map.len();
    if *targets > TARGETS_MAX {
        return at.refuse(format!("a mapping has at most {TARGETS_MAX} destinations"));
    }
    let mut read = Mapping::default();
    for (key, value) in map {
        let at = at.key(key);
        let destination = path::destination(key).or_else(|why| at.refuse(why))?;
        let target = match value {
            Value::String(source) => {
                if destination.each {
                    return at.refuse("a destination with [] needs {source, mappings}: what each element becomes");
                }
                path::source(source).or_else(|why| at.refuse(why))?;
                Target::Source(source.into())
            }
            Value::Object(_) => {
                let map = object(&at, value, &["source", "mappings"])?;
                let source_at = at.key("source");
                let source = text(&source_at, present(&at, map, "source")?)?;
                path::source(source).or_else(|why| source_at.refuse(why))?;
                let mappings = mapping(&at.key("mappings"), present(&at, map, "mappings")?, depth + 1, targets)?;
                Target::Nested { source: source.into(), mappings }
            }
            _ => return at.refuse("neither a source path nor {source, mappings}"),
        };
        read.0.insert(key.into(), target);
    }
    Ok(read)
}

fn filter(at: &At<'_>, value: &Value) -> Read<Filter> {
    let map = object(at, value, &["field", "transformation", "operator"])?;
    let field_at = at.key("field");
    let field = text(&field_at, present(at, map, "field")?)?;
    path::field(field).or_else(|why| field_at.refuse(why))?;
    let transformation = match optional(at, map, "transformation")? {
        Some(value) => Some(transformation(&at.key("transformation"), value)?),
        None => None,
    };
    let operator_at = at.key("operator");
    let operator = operator(&operator_at, present(at, map, "operator")?)?;
    let searchable = matches!(transformation, Some(Transformation::Searchable));
    match (&operator, searchable) {
        (Operator::Find { .. }, false) => operator_at.refuse("find needs the transformation searchable"),
        (Operator::In { .. } | Operator::Contains { .. } | Operator::Between { .. }, true) => {
            operator_at.refuse("a searchable field is only looked through with find")
        }
        _ => Ok(Filter { field: field.into(), transformation, operator }),
    }
}

fn transformation(at: &At<'_>, value: &Value) -> Read<Transformation> {
    let map = object(at, value, &["transformation", "part"])?;
    let name_at = at.key("transformation");
    let name = text(&name_at, present(at, map, "transformation")?)?;
    let part_at = at.key("part");
    let part = match map.get("part") {
        None => None,
        Some(value) => match Part::named(text(&part_at, value)?) {
            Some(part) => Some(part),
            None => return part_at.refuse(format!("no part of a time; known: {}", Part::names())),
        },
    };
    match (name, part) {
        ("identity", None) => Ok(Transformation::Identity),
        ("searchable", None) => Ok(Transformation::Searchable),
        ("datetimeExtract", Some(part)) => Ok(Transformation::DatetimeExtract { part }),
        ("timestampExtract", Some(part)) => Ok(Transformation::TimestampExtract { part }),
        ("identity" | "searchable", Some(_)) => part_at.refuse(format!("{name} takes no part")),
        ("datetimeExtract" | "timestampExtract", None) => part_at.refuse(format!("missing; one of {}", Part::names())),
        _ => name_at
            .refuse(format!("{name:?} is unknown; known: identity, datetimeExtract, timestampExtract, searchable")),
    }
}

fn operator(at: &At<'_>, value: &Value) -> Read<Operator> {
    let Value::Object(map) = value else {
        return at.refuse("not an object");
    };
    let name_at = at.key("operator");
    let name = text(&name_at, present(at, map, "operator")?)?;
    let given = |key: &str| -> Read<Value> { literal(&at.key(key), present(at, map, key)?) };
    match name {
        "in" => {
            object(at, value, &["operator", "value"])?;
            Ok(Operator::In { value: given("value")? })
        }
        "contains" => {
            object(at, value, &["operator", "value"])?;
            Ok(Operator::Contains { value: given("value")? })
        }
        "between" => {
            object(at, value, &["operator", "lower", "upper"])?;
            Ok(Operator::Between { lower: given("lower")?, upper: given("upper")? })
        }
        "find" => {
            object(at, value, &["operator", "search"])?;
            let search_at = at.key("search");
            let search = text(&search_at, present(at, map, "search")?)?;
            if search.len() > PATH_BYTES_MAX {
                return search_at.refuse(format!("more than {PATH_BYTES_MAX} bytes"));
            }
            if words::of_search(search).is_empty() {
                return search_at.refuse("holds no word that is looked for (only marks, or words like \"the\")");
            }
            Ok(Operator::Find { search: search.into() })
        }
        _ => name_at.refuse(format!("{name:?} is unknown; known: in, contains, between, find")),
    }
}

/// A value that is compared with: bounded.
fn literal(at: &At<'_>, value: &Value) -> Read<Value> {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    if value.to_string().len() > VALUE_BYTES_MAX {
        return at.refuse(format!("more than {VALUE_BYTES_MAX} bytes"));
    }
    if depth(value) > DEPTH_MAX {
        return at.refuse(format!("nested more than {DEPTH_MAX} deep"));
    }
    Ok(value.clone())
}
