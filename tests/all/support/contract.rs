//! Cases of REST calls as data, run one after the other on one real exchange: what is sent, and the status and shape that
//! is expected of the answer. In passing each is held to what holds for all: a `POST` that is repeated under its key is
//! answered the same, and what has an ETag is answered 304 to who brings it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cast::Cast;
use super::gateway::{Gateway, HAT_PUBLIC, PASSWORD, hat_token};
use super::http_hat::HttpHats;
use super::shape::fits;

/// How long something that comes about by itself may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Calls by `POST` that no key makes the same: each login gives another token, a logout ends the one that it is made with, and an
/// estimate changes nothing.
pub const NO_KEY: [&str; 3] = ["/api/users/access_token", "/api/v1/logout", "/api/stats/estimate"];
/// The variants of a case for which there are HATs.
const VARIANTS: [&str; 6] = ["v1", "v1-post", "v2", "v2-post", "v3", "v3-post"];

/// One request and what is expected of it. `{v}` is the version in a path, `{n}` the variant; `${name}` what was kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Which of the 29; none of our own calls, which bring about what the others are to show.
    pub call: Option<u8>,
    #[serde(default)]
    pub own: bool,
    pub name: String,
    /// `v2`, or `v2-post` for the same by `POST`.
    #[serde(rename = "for")]
    pub variants: Vec<String>,
    pub method: String,
    pub path: String,
    /// The path of the `POST` when it is another.
    post: Option<String>,
    /// `hat` is the variant's own one, `hat:<address>` that one, else an account.
    caller: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    /// Ask again until it is so.
    #[serde(default)]
    until: bool,
    pub status: u16,
    /// A JSON pointer to what the shape is of.
    at: Option<String>,
    shape: Option<Value>,
    /// Name and pointer of what later cases need.
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rest")
}

fn json_file(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All cases of a folder of `tests/rest`, in the order of the names of its files, each with that name.
pub fn cases(of: &str) -> Vec<(String, Case)> {
    let listed = std::fs::read_dir(folder().join(of)).expect("the folder of cases");
    let mut files: Vec<PathBuf> = listed.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let cases: Vec<Case> =
            serde_json::from_value(json_file(&file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        all.extend(cases.into_iter().map(|case| (name.clone(), case)));
    }
    all
}

/// A running exchange with its cast, and what the cases have kept so far.
pub struct Stage {
    pub gateway: Gateway,
    _cast: Cast,
    _hats: HttpHats,
    tokens: BTreeMap<String, String>,
    /// Paths of answers that had an ETag.
    pub tagged: BTreeSet<String>,
    kept: Map<String, Value>,
    shapes: Map<String, Value>,
}

impl Stage {
    pub async fn new() -> Stage {
        let hats = HttpHats::start();
        let gateway = Gateway::tuned(&format!(
            "requests_per_second = 100000\nrequests_burst = 100000\naddress_per_second = 100000\naddress_burst = 100000\n\
             [bridge]\nplain_http = true\nprivate_addresses = true\nresolve = [{:?}]\ntimeout = \"1s\"\n",
            hats.resolve("only-http.net")
        ));
        let cast = Cast::new(gateway.exchange.client().await, 0).await;
        for variant in VARIANTS {
            gateway.hat(&format!("{variant}.example.net")).await;
        }
        let (mut tokens, mut kept) = (BTreeMap::new(), Map::new());
        for (name, roles) in [
            ("root", &["Master"][..]),
            ("ann", &["MarketPlace"]),
            ("ben", &[]),
            ("dev", &["Developer"]),
            ("dan", &["Developer"]),
            ("pat", &["CreateDataPlugs"]),
            ("mia", &["ManageDataPlugs"]),
        ] {
            let token = gateway.account(name, roles).await;
            kept.insert(name.into(), gateway.get("/api/v1/me", Some(&token)).await.1["userId"].clone());
            tokens.insert(name.to_owned(), token);
        }
        tokens.insert("nonsense".into(), "x.y.z".into());
        kept.insert("password".into(), json!(PASSWORD));
        kept.insert("hatPublic".into(), json!(HAT_PUBLIC));
        let now = dex::client::ids::now();
        const DAY: i64 = 86_400_000_000_000;
        kept.insert("yesterdayMs".into(), json!(now.plus(-DAY).unix_ms()));
        kept.insert("yesterday".into(), json!(now.plus(-DAY)));
        kept.insert("tomorrow".into(), json!(now.plus(DAY)));
        let Value::Object(shapes) = json_file(&folder().join("shapes.json")) else {
            panic!("shapes.json is no object")
        };
        Stage { gateway, _cast: cast, _hats: hats, tokens, tagged: BTreeSet::new(), kept, shapes }
    }

    fn text(&self, variant: &str, text: &str) -> String {
        let version = variant.split('-').next().unwrap_or(variant);
        let mut text = text.replace("{v}", version).replace("{n}", variant);
        for (name, value) in &self.kept {
            let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text = text.replace(&format!("${{{name}}}"), &plain);
        }
        assert!(!text.contains("${"), "nothing of this name was kept: {text}");
        text
    }

    /// Puts in what stands for something else: what was kept, a file with changes.
    fn filled(&self, variant: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
                Some(name) if self.kept.contains_key(name) => self.kept[name].clone(),
                _ => json!(self.text(variant, text)),
            },
            Value::Array(items) => items.iter().map(|item| self.filled(variant, item)).collect(),
            Value::Object(fields) if fields.contains_key("@") => {
                let mut whole = json_file(&folder().join(fields["@"].as_str().expect("the name of a file")));
                for (pointer, value) in fields.iter().filter(|(name, _)| *name != "@") {
                    let (outer, name) = pointer.rsplit_once('/').expect("a pointer");
                    let outer = whole.pointer_mut(outer).unwrap_or_else(|| panic!("there is no {outer}"));
                    outer[name] = self.filled(variant, value);
                }
                whole
            }
            Value::Object(fields) => {
                let filled = fields.iter().map(|(name, value)| (name.clone(), self.filled(variant, value)));
                Value::Object(filled.collect())
            }
            plain => plain.clone(),
        }
    }

    /// The token of an account of the cast, or of a HAT.
    pub fn token(&self, variant: &str, caller: &str) -> String {
        match caller.split_once(':') {
            Some(("hat", hat)) => hat_token(hat),
            _ if caller == "hat" => hat_token(&format!("{variant}.example.net")),
            _ => self.tokens.get(caller).unwrap_or_else(|| panic!("there is no account {caller}")).clone(),
        }
    }

    /// Runs them all and fails with every one that does not hold.
    pub async fn run(&mut self, cases: &[(String, Case)]) {
        let mut wrong = Vec::new();
        for (file, case) in cases {
            for variant in &case.variants {
                if let Err(why) = self.case(case, variant).await {
                    let call = case.call.map_or_else(|| "own".to_owned(), |call| call.to_string());
                    wrong.push(format!("{file}, call {call}, {:?}, {variant}: {why}", case.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{} cases do not hold:\n{}", wrong.len(), wrong.join("\n"));
        let log = self.gateway.exchange.log().join("\n");
        assert!(!log.contains("panicked") && !log.contains(PASSWORD), "{log}");
    }

    /// What is wrong with this case in this variant.
    async fn case(&mut self, case: &Case, variant: &str) -> Result<(), String> {
        let (method, path) = case.asked(variant);
        let path = self.text(variant, path);
        let body = case.body.as_ref().map(|body| self.filled(variant, body).to_string());
        let key = format!("{}-{}", case.call.unwrap_or(0), dex::client::ids::now().0);
        let began = Instant::now();
        loop {
            let answer = self.send(case, variant, &method, &path, body.as_deref(), ("Idempotency-Key", &key)).await;
            let tag = answer.headers().get("etag").map(|tag| tag.to_str().expect("text").to_owned());
            let answer = told(answer).await;
            match self.holds(case, variant, &answer) {
                Err(_) if case.until && began.elapsed() < WITHIN => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(wrong) => return Err(format!("{method} {path} → {}: {wrong}", answer.0)),
                Ok(()) => {
                    for (name, pointer) in &case.keep {
                        self.kept.insert(name.clone(), answer.1.pointer(pointer).expect("to be kept").clone());
                    }
                    if let Some(tag) = tag {
                        let same = self.send(case, variant, &method, &path, None, ("If-None-Match", &tag)).await;
                        // What changes every moment may have changed.
                        if same.status() != 304 && same.headers().get("etag").is_none_or(|now| *now == *tag) {
                            return Err(format!("{method} {path}, which has the caller's ETag: {}", same.status()));
                        }
                        self.tagged.insert(path.clone());
                    }
                    if method == Method::POST && answer.0 < 300 && !NO_KEY.iter().any(|of| is_of(of, &path)) {
                        let header = ("Idempotency-Key", key.as_str());
                        let again = told(self.send(case, variant, &method, &path, body.as_deref(), header).await).await;
                        if !again.2 || (again.0, &again.1) != (answer.0, &answer.1) {
                            return Err(format!("POST {path} again under its key: {again:?}, not {answer:?}"));
                        }
                        if let Some(body) = &body {
                            let other = format!("{body}\n");
                            let other = self.send(case, variant, &method, &path, Some(&other), header).await.status();
                            // The original knows no 422.
                            let expected = if path.starts_with("/api/v1/") { 422 } else { 400 };
                            if other.as_u16() != expected {
                                return Err(format!("POST {path}, another one under its key: {other}"));
                            }
                        }
                    }
                    return Ok(());
                }
            }
        }
    }

    async fn send(
        &self,
        case: &Case,
        variant: &str,
        method: &Method,
        path: &str,
        body: Option<&str>,
        (name, value): (&str, &str),
    ) -> Response {
        let mut request = self.gateway.request(method.clone(), path).header("Accept", "application/json");
        request = request.header(name, value);
        if let Some(caller) = &case.caller {
            request = request.header("X-Auth-Token", self.token(variant, caller));
        }
        for (name, value) in &case.headers {
            request = request.header(name, self.text(variant, value));
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        request.send().await.expect("an answer")
    }

    fn holds(&self, case: &Case, variant: &str, (status, told, _): &(u16, Value, bool)) -> Result<(), String> {
        if *status != case.status {
            return Err(format!("not {}: {told}", case.status));
        }
        if let Some(pointer) = &case.at {
            let inner = told.pointer(pointer).ok_or_else(|| format!("there is no {pointer} in {told}"))?;
            return fits(&self.shapes, &self.filled(variant, case.shape.as_ref().expect("a shape")), inner);
        }
        match &case.shape {
            Some(shape) => fits(&self.shapes, &self.filled(variant, shape), told),
            None if case.own && case.status < 400 => Ok(()),
            None if case.own => {
                fits(&self.shapes, &json!("#problem"), told)?;
                fits(&self.shapes, &json!({ "=": case.status }), &told["status"])
            }
            None if case.status >= 400 => {
                fits(&self.shapes, &json!("#error"), told)?;
                let message = match case.status {
                    400 => "Bad Request",
                    401 => "Unauthorized",
                    403 => "Forbidden",
                    _ => "Not Found",
                };
                fits(&self.shapes, &json!({ "=": message }), &told["message"])
            }
            None => Err("a call of the original that answers has a shape".into()),
        }
    }
}

impl Case {
    /// Method and path of a variant, before anything is put in.
    pub fn asked(&self, variant: &str) -> (Method, &str) {
        if variant.ends_with("-post") && !self.own {
            return (Method::POST, self.post.as_deref().unwrap_or(&self.path));
        }
        (Method::from_bytes(self.method.as_bytes()).expect("a method"), &self.path)
    }
}

/// Whether a path (without its query) is of this form.
pub fn is_of(form: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    let (form, path): (Vec<&str>, Vec<&str>) = (form.split('/').collect(), path.split('/').collect());
    form.len() == path.len() && form.iter().zip(path).all(|(form, part)| *form == "*" || *form == part)
}

/// Status, JSON, and whether it is an answer that was given before.
async fn told(answer: Response) -> (u16, Value, bool) {
    let replayed = answer.headers().contains_key("idempotent-replayed");
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let text = answer.text().await.expect("a body");
    // What is not told as JSON is none.
    let json = matches!(kind.as_str(), "application/json" | "application/problem+json");
    let told = if json { serde_json::from_str(&text).expect("JSON") } else { json!({ "type of body": kind }) };
    (status, told, replayed)
}
