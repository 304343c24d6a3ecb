//! What a worker knows of its plug: namespace, connectors, how tokens are got. Out of the manifest that is in force.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::client::{Client, ClientError};
use crate::connectors::Connector;
use crate::domain::Id;
use crate::domain::plug::Manifest;
use crate::domain::records::is_endpoint;

use super::oauth::Grant;

/// One endpoint that can be fetched.
pub struct Endpoint {
    /// Its whole name, with the namespace.
    pub whole: String,
    /// What fetches it.
    pub connector: Connector,
}

/// What is known of a plug.
#[derive(Default)]
pub struct Known {
    /// The manifest that it was made of, to see whether it is another one.
    pub manifest: Value,
    /// What can be fetched, by its name below the namespace.
    pub endpoints: HashMap<SmolStr, Arc<Endpoint>>,
    /// `settings.auth`.
    pub auth: Option<Grant>,
    /// What is wrong with it, place and why: those endpoints are not fetched.
    pub faults: Vec<String>,
}

impl Known {
    /// Out of a manifest.
    pub fn read(namespace: &str, manifest: &Value) -> Known {
        let mut known = Known { manifest: manifest.clone(), ..Known::default() };
        let read = match Manifest::read(manifest) {
            Ok(read) => read,
            Err(fault) => {
                known.faults.push(fault.to_string());
                return known;
            }
        };
        let settings = read.settings.unwrap_or_default();
        if let Some(auth) = settings.get("auth") {
            match serde_json::from_value(auth.clone()) {
                Ok(grant) => known.auth = Some(grant),
                Err(error) => known.faults.push(format!("manifest.settings.auth: {error}")),
            }
        }
        let connectors = settings["connectors"].as_object();
        for (name, settings) in connectors.into_iter().flatten() {
            let at = format!("manifest.settings.connectors.{name}");
            if !read.endpoints.iter().any(|endpoint| endpoint.name == name.as_str()) {
                known.faults.push(format!("{at}: the manifest has no endpoint of this name"));
                continue;
            }
            let whole = format!("{namespace}/{name}");
            if !is_endpoint(&whole) {
                known.faults.push(format!("{at}: {whole:?} is no endpoint of records, which hold only 0-9 a-z - /"));
                continue;
            }
            match Connector::read(settings, &at) {
                Ok(connector) => {
                    known.endpoints.insert(name.into(), Arc::new(Endpoint { whole, connector }));
                }
                Err(fault) => known.faults.push(fault.to_string()),
            }
        }
        if known.endpoints.is_empty() && known.faults.is_empty() {
            known.faults.push("manifest.settings.connectors: names no connector, so there is nothing to fetch".into());
        }
        known
    }

    /// Asks the exchange for the manifest in force, unless `own` is given in its place. `before` is given back when it is the
    /// same.
    ///
    /// # Errors
    /// A sentence: the plug is not registered, not approved, or has no manifest; or nobody answered.
    pub async fn ask(client: &Client, own: Option<&Value>, before: &Arc<Known>) -> Result<Arc<Known>, String> {
        let plug: &Id = &client.party().id;
        let question = json!({ "plug": plug }).to_string();
        let told = client.query("plug.show", question).await.map_err(|error: ClientError| error.to_string())?;
        if told["approved"] != true {
            let standing = told["standing"].as_str().unwrap_or("unknown");
            return Err(format!(
                "plug:{plug} is {standing}, not approved: an operator must say `dex plug approve {plug}`"
            ));
        }
        let namespace = told["profile"]["namespace"].as_str().unwrap_or_else(|| plug.as_str());
        let manifest = match own {
            Some(own) => own,
            None => &told["profile"]["manifest"],
        };
        if manifest.is_null() {
            return Err(format!("plug:{plug} has no manifest: register one, or name a file"));
        }
        if *manifest == before.manifest {
            return Ok(Arc::clone(before));
        }
        Ok(Arc::new(Known::read(namespace, manifest)))
    }
}
