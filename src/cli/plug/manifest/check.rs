//! What a manifest comes to: its endpoints, how each is fetched, and how personal its fields are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cli::args::Globals;
use crate::cli::fail::Failure;
use crate::cli::out;
use crate::connectors::{Connector, SettingsFault, connectors_of};
use crate::domain::pii::Class;
use crate::domain::plug::{EndpointOf, MANIFEST_BYTES_MAX, Manifest};
use crate::domain::records::is_endpoint;

/// A manifest that is in order.
pub struct Checked {
    pub manifest: Manifest,
    /// By the name of their endpoint.
    pub connectors: BTreeMap<String, Connector>,
}

impl Checked {
    /// Checks a manifest as the exchange does, and its connectors as a worker does.
    pub fn read(value: &Value) -> Result<Checked, Failure> {
        let refused = |at: &str, why: &str| Failure::Finding(format!("refused at {at}: {why}"));
        let manifest = Manifest::read(value).map_err(|fault| refused(&fault.at, &fault.why))?;
        let fault = |fault: SettingsFault| refused(&fault.at, &fault.why);
        let none = Value::Null;
        let settings = manifest.settings.as_ref().unwrap_or(&none);
        let connectors = connectors_of(settings, "manifest.settings").map_err(fault)?;
        for name in connectors.keys() {
            let at = format!("manifest.settings.connectors.{name}");
            if !manifest.endpoints.iter().any(|endpoint| endpoint.name == name.as_str()) {
                return Err(refused(&at, "no endpoint of the manifest has this name"));
            }
            if !is_endpoint(&format!("n/{name}")) {
                return Err(refused(&at, "records have endpoints of 0-9, a-z, `-` and `/` only"));
            }
        }
        Ok(Checked { manifest, connectors })
    }

    /// What a person should know of an endpoint, though it is no fault.
    fn notes(&self, endpoint: &EndpointOf) -> Vec<&'static str> {
        let fetched = self.connectors.contains_key(endpoint.name.as_str());
        let mut notes = Vec::new();
        if !fetched && !self.connectors.is_empty() {
            notes.push("no connector: the plug itself has to send it");
        }
        if fetched && endpoint.refresh_seconds.is_none() {
            notes.push("no refreshSeconds: it is fetched only when somebody asks for it");
        }
        if endpoint.fields.is_empty() {
            notes.push("no fields: all of it counts as direct");
        }
        notes
    }
}

/// Checks and tells.
pub fn run(globals: &Globals, value: &Value) -> Result<(), Failure> {
    let checked = Checked::read(value)?;
    let bytes = value.to_string().len();
    if globals.json {
        let endpoint = |endpoint: &EndpointOf| {
            let connector = checked.connectors.get(endpoint.name.as_str());
            json!({
                "name": endpoint.name,
                "kind": connector.map(Connector::kind),
                "host": connector.and_then(Connector::host),
                "vars": connector.map(Connector::vars),
                "refreshSeconds": endpoint.refresh_seconds,
                "classes": classes(endpoint),
                "notes": checked.notes(endpoint),
            })
        };
        let endpoints: Vec<Value> = checked.manifest.endpoints.iter().map(endpoint).collect();
        return out::json(&json!({ "accepted": true, "bytes": bytes, "endpoints": endpoints }));
    }
    out::line(format_args!("accepted: {bytes} bytes of {MANIFEST_BYTES_MAX}"))?;
    for endpoint in &checked.manifest.endpoints {
        let every = endpoint.refresh_seconds.map_or_else(String::new, |seconds| format!(", every {seconds} s"));
        let fields: Vec<String> =
            classes(endpoint).into_iter().map(|(class, count)| format!("{count} {class}")).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(", fields: {}", fields.join(", ")) };
        out::line(format_args!("  {}{every}{fields}", endpoint.name))?;
        if let Some(connector) = checked.connectors.get(endpoint.name.as_str()) {
            let host = connector.host().map_or_else(String::new, |host| format!(" from {host}"));
            let vars: BTreeSet<&str> = connector.vars();
            let vars = if vars.is_empty() {
                String::new()
            } else {
                format!(", needs {}", vars.into_iter().collect::<Vec<_>>().join(", "))
            };
            out::line(format_args!("    {}{host}{vars}", connector.kind()))?;
        }
        for note in checked.notes(endpoint) {
            out::line(format_args!("    note: {note}"))?;
        }
    }
    Ok(())
}

fn classes(endpoint: &EndpointOf) -> BTreeMap<&'static str, usize> {
    let count = |class: Class| endpoint.fields.values().filter(|of| **of == class).count();
    Class::ALL.into_iter().map(|class| (class.as_str(), count(class))).filter(|(_, count)| *count > 0).collect()
}
