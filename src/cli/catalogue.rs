//! `dex catalogue`: of what class of personal data the fields of endpoints are.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::pii::Class;
use crate::domain::{Address, Kind};

use super::act::Act;
use super::args::Globals;
use super::fail::Failure;
use super::{link, out, parse};

/// What can be done with the catalogue.
#[derive(Debug, Subcommand)]
pub enum CatalogueVerb {
    /// Say of what class the fields of an endpoint are; it replaces what operators said of it before (for the operator)
    #[command(
        after_help = "Examples:\n  dex catalogue classify fitbit/sleep --class special --as operator:main --key operator.key\n  dex catalogue classify facebook/feed --field from=direct --field created_time=quasi --describe message='what was posted' --as operator:main --key operator.key\n  dex catalogue classify facebook/feed --as operator:main --key operator.key     takes all of it back\n\nA class holds for the field and all below it. An operator's word goes over that of plugs."
    )]
    Classify(Classify),
    /// Tell how many HATs hold data for every property of a bundle, as a range
    #[command(after_help = "Examples:
  dex catalogue estimate @bundle.json
  dex catalogue estimate '{\"name\":\"steps\",\"bundle\":{\"data\":{\"endpoints\":[{\"endpoint\":\"fitbit/activity\"}]}}}' --json

It is made of public figures alone: filters are not looked at, and can only make it fewer.")]
    Estimate {
        /// The bundle as JSON: @FILE, - for stdin, or the text itself
        bundle: String,
    },
    /// Show the class of each field of an endpoint, and the entries that say so
    #[command(after_help = "Example:\n  dex catalogue show facebook/feed --json")]
    Show {
        /// namespace/path
        endpoint: String,
    },
}

/// What is said of an endpoint.
#[derive(Debug, Args)]
pub struct Classify {
    /// namespace/path
    endpoint: String,
    /// All of it as JSON: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY", conflicts_with_all = ["class", "fields", "describe", "description"])]
    word: Option<String>,
    /// The class of all of which nothing else is said: none, quasi, direct or special
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Option<Class>,
    /// The class of one field, PATH=CLASS; may be given several times
    #[arg(long = "field", value_name = "PATH=CLASS")]
    fields: Vec<String>,
    /// What a field is, PATH=TEXT; may be given several times
    #[arg(long, value_name = "PATH=TEXT")]
    describe: Vec<String>,
    /// What the endpoint is
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

fn class(text: &str) -> Result<Class, String> {
    let found = Class::ALL.into_iter().find(|class| class.as_str() == text);
    found.ok_or_else(|| format!("{text:?} is none of none, quasi, direct, special"))
}

impl Classify {
    fn body(&self) -> Result<Value, Failure> {
        let usage = |what: String| Failure::Usage(what);
        let mut body = match &self.word {
            Some(word) => serde_json::from_slice(&parse::body(word)?)
                .map_err(|error| usage(format!("--word is no JSON: {error}")))?,
            None => json!({}),
        };
        if !body.is_object() {
            return Err(usage("--word is no object".to_owned()));
        }
        body["endpoint"] = json!(self.endpoint);
        if let Some(class) = self.class {
            body["class"] = json!(class);
        }
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        for (flag, given, member) in [("--field", &self.fields, "class"), ("--describe", &self.describe, "description")]
        {
            for pair in given {
                let (path, value) =
                    pair.split_once('=').ok_or_else(|| usage(format!("{flag} {pair:?} has no = in it")))?;
                if member == "class" {
                    class(value).map_err(|why| usage(format!("{flag} {pair:?}: {why}")))?;
                }
                body["fields"][path][member] = json!(value);
            }
        }
        Ok(body)
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it cannot be sent or asked, or is refused.
pub fn run(globals: &Globals, verb: CatalogueVerb) -> Result<ExitCode, Failure> {
    match verb {
        CatalogueVerb::Classify(said) => {
            let body = said.body()?;
            // What is said is said to the exchange itself: who it is, it tells.
            let health = link::wait(link::ask(globals, "health", &json!({})))?;
            let origin = health["origin"].as_str().and_then(|text| text.parse().ok());
            let origin = origin.ok_or_else(|| Failure::Finding("the exchange does not say its name".to_owned()))?;
            let to = Address::new(Kind::Dex, origin);
            Act { to, action: &["classify"], body, usual: None, who: "the operator" }.run(globals)
        }
        CatalogueVerb::Estimate { bundle } => estimate(globals, &bundle),
        CatalogueVerb::Show { endpoint } => show(globals, &endpoint),
    }
}

fn estimate(globals: &Globals, bundle: &str) -> Result<ExitCode, Failure> {
    let bundle: Value = serde_json::from_slice(&parse::body(bundle)?)
        .map_err(|error| Failure::Usage(format!("the bundle is no JSON: {error}")))?;
    let answer = link::wait(link::ask(globals, "catalogue.estimate", &json!({ "bundle": bundle })))?;
    if globals.json {
        out::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let range = |of: &Value| format!("{} to {}", out::plain(&of["atLeast"]), out::plain(&of["atMost"]));
    out::line(format_args!("{} HATs hold something for every property", range(&answer)))?;
    for property in answer["properties"].as_array().into_iter().flatten() {
        out::line(format_args!("  {}  {}", out::plain(&property["name"]), range(property)))?;
    }
    out::line(format_args!("of {} HATs of which any data is known", range(&answer["known"])))?;
    Ok(ExitCode::SUCCESS)
}

fn show(globals: &Globals, endpoint: &str) -> Result<ExitCode, Failure> {
    let answer = link::wait(link::ask(globals, "catalogue.show", &json!({ "endpoint": endpoint })))?;
    if globals.json {
        out::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format_args!("{endpoint}  {}", out::plain(&answer["class"])))?;
    for field in answer["fields"].as_array().into_iter().flatten() {
        let description = field.get("description").map_or_else(String::new, out::plain);
        out::line(format_args!("  {}  {}  {description}", out::plain(&field["path"]), out::plain(&field["class"])))?;
    }
    for basis in answer["basis"].as_array().into_iter().flatten() {
        out::line(format_args!("by {} entry {}", out::plain(&basis["entity"]), out::plain(&basis["n"])))?;
    }
    Ok(ExitCode::SUCCESS)
}
