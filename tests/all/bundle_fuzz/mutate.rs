//! Bundles and records to fuzz with: cases of `tests/bundles`, changed in their structure and in their bytes.

use std::fs;
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore};
use serde_json::{Map, Value, json};

/// Longest text of a case, bytes.
const BYTES_MAX: usize = 16 * 1024;
/// Words of the language, and others that lie close to them.
const WORDS: &[&str] = &[
    "bundle",
    "endpoints",
    "endpoint",
    "mapping",
    "mappings",
    "source",
    "filters",
    "field",
    "operator",
    "value",
    "lower",
    "upper",
    "search",
    "transformation",
    "part",
    "links",
    "orderBy",
    "ordering",
    "limit",
    "in",
    "contains",
    "between",
    "find",
    "identity",
    "searchable",
    "datetimeExtract",
    "timestampExtract",
    "ascending",
    "descending",
    "hour",
    "epoch",
    "dow",
    "week",
    "recordId",
    "data",
    "name",
    "a",
    "b",
    "n",
    "a.b",
    "a[0]",
    "a[]",
    "a[1].b",
    "b[]",
    "x.0",
    "0",
    "00",
    "1",
    "-1",
    "4294967296",
    "a..b",
    ".",
    "",
    "a-b",
    "é",
    "test/test",
    "a/b",
    "n/a",
    "the",
    "london",
    "2017-04-20T14:37:27+00:00",
    "2017-02-30",
    "0001-01-01",
    "-000001-01-01T00:00:00Z",
    "1e3",
    "\u{0}",
    "\"\\/\u{2028}",
    "aVeryLongWordThatIsLongerThanTwentyThreeBytes",
];
/// Bytes that mean something to JSON.
const MARKS: &[u8] = b"\"\\{}[],:.-+eE0123456789 \n\tutrfnals\x00\x7f\xc3\xff";
/// Pieces of JSON text that are seldom written.
const PIECES: &[&str] = &[
    "\\ud800",
    "\\u0061",
    "\\u0000",
    "1e999",
    "-0",
    "1.0",
    "10e-1",
    "123456789012345678901234567890",
    "0.000001",
    "\"a\":1,\"a\":2,",
    "{\"a\":{}},",
    "[[[[",
    "]]]]",
    "null",
    "  ",
    "\\\"",
    "\\\\",
];

/// What to begin with.
pub struct Corpus {
    /// Bundles, each with records.
    cases: Vec<(Value, Value)>,
    /// Every value inside of them, to be put elsewhere.
    parts: Vec<Value>,
}

fn collect(value: &Value, parts: &mut Vec<Value>) {
    parts.push(value.clone());
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, parts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, parts)),
        _ => {}
    }
}

impl Corpus {
    /// Everything under `tests/bundles`.
    pub fn read() -> Corpus {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bundles");
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder).expect("cases").map(|file| file.expect("a file").path()).collect();
        files.sort();
        let mut corpus = Corpus { cases: Vec::new(), parts: Vec::new() };
        for file in files {
            let file: Value = serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON");
            for case in file["cases"].as_array().into_iter().flatten() {
                corpus.add(case);
            }
        }
        assert!(corpus.cases.len() > 300, "there is little to begin with");
        corpus
    }

    fn add(&mut self, case: &Value) {
        collect(case, &mut self.parts);
        let named = |properties: &Value| json!({ "name": "case", "bundle": properties });
        let query = |key: &str| named(&json!({ "p": { "endpoints": [{ "endpoint": "a/b", key: case[key] }] } }));
        let has = |key: &&str| case.get(*key).is_some();
        let bundle = if has(&"refused") {
            case["bundle"].clone()
        } else if let Some(key) = ["bundle", "conditions"].iter().find(|key| has(key)) {
            named(&case[*key])
        } else {
            query(["mapping", "filters"].iter().find(|key| has(key)).expect("something to do"))
        };
        let data = json!([{ "endpoint": "a/b", "recordId": "1", "data": case["data"] }]);
        self.cases.push((bundle, case.get("records").cloned().unwrap_or(data)));
    }
}

/// Changes cases.
pub struct Mutator<'a> {
    pub corpus: &'a Corpus,
    pub rng: &'a mut StdRng,
}

impl Mutator<'_> {
    /// The texts of a bundle and of records.
    pub fn case(&mut self) -> (Vec<u8>, Vec<u8>) {
        let at = self.rng.gen_range(0..self.corpus.cases.len());
        let (mut bundle, mut records) = self.corpus.cases[at].clone();
        // Mostly what belongs together, so that something is found.
        if self.rng.gen_bool(0.3) {
            records = self.one(&self.corpus.cases).1;
        }
        for _ in 0..self.few() {
            self.change(&mut bundle);
        }
        for _ in 0..self.few() {
            self.change(&mut records);
        }
        if self.rng.gen_bool(0.5) {
            self.multiply(&mut records);
        }
        if self.rng.gen_bool(0.7) {
            meet(&mut records, &bundle, self.rng);
        }
        let (mut bundle, mut records) = (bundle.to_string().into_bytes(), records.to_string().into_bytes());
        if self.rng.gen_bool(0.2) {
            self.bytes(&mut bundle);
        }
        if self.rng.gen_bool(0.3) {
            self.bytes(&mut records);
        }
        (bundle, records)
    }

    /// More records of about the same look: of many the layout is expected.
    fn multiply(&mut self, records: &mut Value) {
        let Some(items) = records.as_array_mut().filter(|items| !items.is_empty()) else { return };
        for _ in 0..12 {
            let mut more = self.one(&items.clone());
            if self.rng.gen_bool(0.3)
                && let Some(data) = more.get_mut("data")
            {
                self.change(data);
            }
            items.push(more);
        }
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(self.rng).expect("not empty").clone()
    }

    /// Often none, seldom many.
    fn few(&mut self) -> u32 {
        let most = self.one(&[0, 0, 0, 1, 2, 4, 12]);
        self.rng.gen_range(0..=most)
    }

    fn word(&mut self) -> String {
        self.one(WORDS).to_owned()
    }

    fn leaf(&mut self) -> Value {
        match self.rng.gen_range(0..9) {
            0 => Value::Null,
            1 => json!(self.rng.gen_bool(0.5)),
            2 => json!(self.rng.gen_range(-3..4)),
            3 => json!(f64::from(self.rng.gen_range(-9..9)) / 4.0),
            4 => json!(self.rng.next_u64()),
            5 => json!([]),
            6 => json!({}),
            _ => json!(self.word()),
        }
    }

    /// Changes one place somewhere in the value.
    fn change(&mut self, value: &mut Value) {
        let deeper = self.rng.gen_bool(0.8);
        match value {
            Value::Array(items) if deeper && !items.is_empty() => {
                let at = self.rng.gen_range(0..items.len());
                self.change(&mut items[at]);
            }
            Value::Object(members) if deeper && !members.is_empty() => {
                let at = self.rng.gen_range(0..members.len());
                self.change(members.values_mut().nth(at).expect("one of them"));
            }
            Value::Array(items) if self.rng.gen_bool(0.7) => self.change_array(items),
            Value::Object(members) if self.rng.gen_bool(0.7) => self.change_object(members),
            Value::String(text) if self.rng.gen_bool(0.3) => {
                *text = match self.rng.gen_range(0..3) {
                    0 => format!("{text}.{}", self.word()),
                    1 => format!("{text}[{}]", self.rng.gen_range(0..3)),
                    _ => text.chars().skip(1).collect(),
                }
            }
            other => {
                *other = match self.rng.gen_range(0..5) {
                    0 => json!([other.take()]),
                    1 => json!({ self.word(): other.take() }),
                    2 => self.one(&self.corpus.parts),
                    _ => self.leaf(),
                }
            }
        }
    }

    fn change_array(&mut self, items: &mut Vec<Value>) {
        match self.rng.gen_range(0..4) {
            0 if !items.is_empty() => drop(items.remove(self.rng.gen_range(0..items.len()))),
            1 if !items.is_empty() && items.len() < 64 => items.push(self.one(&items.clone())),
            2 => items.shuffle(self.rng),
            _ => items.push(self.leaf()),
        }
    }

    fn change_object(&mut self, members: &mut Map<String, Value>) {
        let key = members.keys().nth(self.rng.gen_range(0..members.len().max(1))).cloned();
        match (self.rng.gen_range(0..4), key) {
            (0, Some(key)) => drop(members.remove(&key)),
            (1, Some(key)) => {
                let held = members.remove(&key).expect("its own key");
                members.insert(self.word(), held);
            }
            (2, Some(key)) => {
                let other = self.word();
                members.insert(other, members[&key].clone());
            }
            _ => {
                let leaf = self.leaf();
                members.insert(self.word(), leaf);
            }
        }
    }

    /// Changes the text itself: escapes, repeated keys, halves.
    fn bytes(&mut self, text: &mut Vec<u8>) {
        for _ in 0..=self.few() {
            let at = self.rng.gen_range(0..=text.len());
            match self.rng.gen_range(0..5) {
                0 if at < text.len() => text[at] = self.one(MARKS),
                1 if at < text.len() => drop(text.remove(at)),
                2 => text.insert(at, self.one(MARKS)),
                3 => drop(text.splice(at..at, self.one(PIECES).bytes())),
                _ => {
                    let end = (at + self.rng.gen_range(0..32)).min(text.len());
                    let piece = text[at..end].to_vec();
                    let to = self.rng.gen_range(0..=text.len());
                    drop(text.splice(to..to, piece));
                }
            }
        }
        text.truncate(BYTES_MAX);
    }
}

/// Gives records endpoints that the bundle asks for: otherwise few would be looked at.
fn meet(records: &mut Value, bundle: &Value, rng: &mut StdRng) {
    let mut asked = Vec::new();
    for property in bundle["bundle"].as_object().into_iter().flat_map(Map::values) {
        for query in property["endpoints"].as_array().into_iter().flatten() {
            asked.extend(query["endpoint"].as_str());
        }
    }
    for record in records.as_array_mut().into_iter().flatten() {
        if let (Some(record), Some(endpoint)) = (record.as_object_mut(), asked.choose(rng)) {
            record.insert("endpoint".into(), json!(endpoint));
        }
    }
}
