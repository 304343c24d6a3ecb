//! A dashboard of Grafana as its file has it: its panels, its queries, and what is wrong with it.

use std::collections::BTreeSet;
use std::path::Path;

use dex::telemetry::names::{self, Metric, Shape};
use serde_json::Value;

/// Ids of units in use, out of Grafana's `getCategories()`: another one would be shown as a bare suffix.
const UNITS: [&str; 12] =
    ["short", "s", "d", "bytes", "Bps", "ops", "reqps", "mps", "eps", "recps", "rowsps", "percentunit"];
/// Width of Grafana's grid.
const WIDTH: u64 = 24;
/// The data source that people choose.
const DATA_SOURCE: &str = "${datasource}";
/// Labels that Prometheus or a histogram gives.
const LABELS: [&str; 3] = ["le", "job", "instance"];

/// A dashboard.
pub struct Dashboard(pub Value);

/// A query of a panel.
pub struct Query {
    /// Title of the panel.
    pub panel: String,
    /// The query with its variables.
    pub expr: String,
}

/// Names of the repository's dashboards.
pub const BOARDS: [&str; 3] = ["ecosystem", "exchange", "internals"];

/// One of the repository's dashboards.
pub fn dashboard(name: &str) -> Dashboard {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("grafana/dashboards/{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Dashboard(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

/// All of them.
pub fn dashboards() -> Vec<Dashboard> {
    BOARDS.map(dashboard).into()
}

impl Query {
    /// The query with `interval` for rates, of all exchanges.
    pub fn filled(&self, interval: &str) -> String {
        let filled = self.expr.replace("$__rate_interval", interval).replace("$job", ".*").replace("$instance", ".*");
        assert!(!filled.contains('$'), "{}: a variable that the test does not know: {filled}", self.panel);
        filled
    }

    /// Names of ours, with their places in the text.
    fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.expr.match_indices("dex_").map(move |(at, _)| {
            let rest = &self.expr[at..];
            (at, &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())])
        })
    }

    /// The metrics that it reads, by the names of their table where they are in it.
    pub fn metrics(&self) -> Vec<String> {
        self.words().map(|(_, word)| known(word).map_or(word, |metric| metric.name).to_owned()).collect()
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, word) in self.words() {
            let Some(metric) = known(word) else {
                faults.push(format!("{}: {word} is no metric of ours", self.panel));
                continue;
            };
            // What only grows is shown as a rate; what goes up and down has none.
            let before = &self.expr[..at];
            let rated = before.ends_with("rate(") || before.ends_with("increase(");
            if rated != (metric.shape != Shape::Gauge) && !before.ends_with("changes(") {
                faults.push(format!(
                    "{}: {word} is a {:?}: rate and increase are for what grows",
                    self.panel, metric.shape
                ));
            }
            for label in self.grouped_by() {
                if !LABELS.contains(&label) && metric.label != Some(label) {
                    faults.push(format!("{}: {word} has no label {label}", self.panel));
                }
            }
        }
        faults
    }

    fn grouped_by(&self) -> Vec<&str> {
        let groups = self.expr.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
        groups.flat_map(|group| group.split(',')).map(str::trim).collect()
    }
}

/// The metric of a name in a query: histograms are read by their parts.
fn known(word: &str) -> Option<&'static Metric> {
    names::ALL.iter().find(|metric| match metric.shape {
        Shape::Histogram => {
            let part = word.strip_prefix(metric.name);
            part.is_some_and(|part| ["_bucket", "_sum", "_count"].contains(&part))
        }
        Shape::Counter | Shape::Gauge => metric.name == word,
    })
}

impl Dashboard {
    fn panels(&self) -> &[Value] {
        self.0["panels"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Its id in addresses.
    pub fn uid(&self) -> &str {
        self.0["uid"].as_str().unwrap_or_default()
    }

    /// All queries of all panels.
    pub fn queries(&self) -> Vec<Query> {
        let of = |panel: &Value| -> Vec<Query> {
            let targets = panel["targets"].as_array().into_iter().flatten();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            targets.map(|target| Query { panel: text(&panel["title"]), expr: text(&target["expr"]) }).collect()
        };
        self.panels().iter().flat_map(of).collect()
    }

    /// Variables that are filled by a metric's label: name, metric, label.
    pub fn variables(&self) -> Vec<(String, String, String)> {
        let all = self.0["templating"]["list"].as_array().into_iter().flatten();
        all.filter(|variable| variable["type"] == "query")
            .map(|variable| {
                let name = variable["name"].as_str().unwrap_or_default().to_owned();
                let query = variable["query"]["query"].as_str().unwrap_or_default();
                let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
                let (metric, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or_default();
                (name, metric.replace("$job", ".*"), label.trim().to_owned())
            })
            .collect()
    }

    /// Everything that is wrong with it, but for the answers to its queries.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.head_faults();
        let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
        for panel in self.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            if title.is_empty() || !titles.insert(title) {
                faults.push(format!("{title:?}: a title of its own is missing"));
            }
            if !panel["id"].as_u64().is_some_and(|id| id > 0 && ids.insert(id)) {
                faults.push(format!("{title}: an id of its own is missing"));
            }
            if panel["type"] != "row" {
                faults.extend(panel_faults(title, panel));
            }
        }
        faults.extend(self.grid_faults());
        faults.extend(self.queries().iter().flat_map(Query::faults));
        faults
    }

    fn head_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let linked: BTreeSet<&str> =
            self.0["links"].as_array().into_iter().flatten().filter_map(|link| link["url"].as_str()).collect();
        if linked.len() != BOARDS.len() - 1 || linked.contains(format!("/d/{}", self.uid()).as_str()) {
            faults.push("it does not link to the other dashboards".to_owned());
        }
        for key in ["uid", "title", "description"] {
            if self.0[key].as_str().is_none_or(str::is_empty) {
                faults.push(format!("the dashboard has no {key}"));
            }
        }
        if !self.0["id"].is_null() {
            faults.push("the dashboard has the id of one installation".to_owned());
        }
        if self.0["schemaVersion"].as_u64().is_none_or(|version| version < 36) {
            faults.push("schemaVersion is missing or old".to_owned());
        }
        let variables = self.0["templating"]["list"].as_array().into_iter().flatten();
        let chosen = variables.filter(|it| it["type"] == "datasource" && it["query"] == "prometheus");
        if chosen.filter(|it| it["name"] == "datasource").count() != 1 {
            faults.push("the data source cannot be chosen: a variable $datasource is missing".to_owned());
        }
        for (name, metric, label) in self.variables() {
            let word = metric.split('{').next().unwrap_or_default();
            if known(word).is_none() || label.is_empty() {
                faults.push(format!("${name}: {metric:?} is no metric of ours, or it names no label"));
            }
        }
        faults
    }

    /// Panels must lie inside the grid, and on nobody else.
    fn grid_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut taken: Vec<(&str, [u64; 4])> = Vec::new();
        for panel in self.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            let side = |name: &str| panel["gridPos"][name].as_u64().unwrap_or_default();
            let [x, y, w, h] = ["x", "y", "w", "h"].map(side);
            if w == 0 || h == 0 || x + w > WIDTH {
                faults.push(format!("{title}: it does not fit the grid, which is {WIDTH} wide"));
            }
            for (other, [ox, oy, ow, oh]) in &taken {
                if x < ox + ow && *ox < x + w && y < oy + oh && *oy < y + h {
                    faults.push(format!("{title}: it overlaps {other}"));
                }
            }
            taken.push((title, [x, y, w, h]));
        }
        faults
    }
}

fn panel_faults(title: &str, panel: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let description = panel["description"].as_str().unwrap_or_default();
    if description.len() < 20 || !description.ends_with('.') {
        faults.push(format!("{title}: a description is missing: a sentence at least"));
    }
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
    if !UNITS.contains(&unit) {
        faults.push(format!("{title}: {unit:?} is no unit in use"));
    }
    let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let values: Vec<f64> = steps.iter().skip(1).filter_map(|step| step["value"].as_f64()).collect();
    let ordered = values.windows(2).all(|pair| pair[0] < pair[1]);
    if steps.first().is_none_or(|first| !first["value"].is_null()) || values.len() + 1 != steps.len() || !ordered {
        faults.push(format!("{title}: its thresholds are missing or in no order"));
    }
    let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
    if targets.is_empty() {
        faults.push(format!("{title}: it asks nothing"));
    }
    let mut letters = BTreeSet::new();
    for target in targets {
        if !letters.insert(target["refId"].as_str()) || target["refId"].is_null() {
            faults.push(format!("{title}: a refId of its own is missing"));
        }
        if target["expr"].as_str().is_none_or(str::is_empty)
            || target["legendFormat"].as_str().is_none_or(str::is_empty)
        {
            faults.push(format!("{title}: a query or its legend is missing"));
        }
    }
    for source in std::iter::once(panel).chain(targets).map(|it| &it["datasource"]) {
        if source["type"] != "prometheus" || source["uid"] != DATA_SOURCE {
            faults.push(format!("{title}: its data source is not the one that is chosen"));
        }
    }
    faults
}
