//! What a running daemon may take over.

use super::load::Problem;
use super::sections::Config;

impl Config {
    /// Whether `new` may take over while running: the keys that would need a restart, each as a problem.
    ///
    /// # Errors
    /// The keys that differ and need a restart.
    pub fn reloadable(&self, new: &Config) -> Result<(), Vec<Problem>> {
        let mut frozen = new.clone();
        frozen.limits = self.limits.clone();
        frozen.operator.clone_from(&self.operator);
        frozen.ledger.free_min_bytes = self.ledger.free_min_bytes;
        frozen.log.level.clone_from(&self.log.level);
        let (old, new) = (flat(self), flat(&frozen));
        let problems: Vec<Problem> = new
            .into_iter()
            .filter(|(key, value)| old.get(key) != Some(value))
            .map(|(key, _)| Problem {
                place: "reload".into(),
                key,
                what: "has changed and cannot be taken over while running".into(),
                remedy: "restart the daemon, or put the old value back".into(),
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// Every key with its value as text.
fn flat(config: &Config) -> std::collections::BTreeMap<String, String> {
    fn walk(prefix: &str, value: &serde_json::Value, out: &mut std::collections::BTreeMap<String, String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&path, value, out);
                }
            }
            other => {
                out.insert(prefix.to_owned(), other.to_string());
            }
        }
    }
    let mut out = std::collections::BTreeMap::new();
    if let Ok(value) = serde_json::to_value(config) {
        walk("", &value, &mut out);
    }
    out
}
