//! `dex bundle`: checks a bundle, and tries it on records, without an exchange.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::Records;
use crate::domain::bundle::{Bundle, Explained, Fate, Program};

mod classes;

use super::args::Globals;
use super::fail::Failure;
use super::{out, parse};

/// Most records of one file.
const RECORDS_MAX: usize = 1_000_000;
/// Most bytes of what is printed.
const BYTES_MAX: usize = 256 << 20;

/// What can be done with a bundle.
#[derive(Debug, Subcommand)]
pub enum BundleVerb {
    /// Say whether a bundle is one that the exchange takes, and what it asks for
    #[command(after_help = "Examples:
  dex bundle check @bundle.json
  dex bundle check '{\"name\":\"steps\",\"bundle\":{\"data\":{\"endpoints\":[{\"endpoint\":\"fitbit/activity\"}]}}}' --json")]
    Check {
        /// The bundle as JSON: @FILE, - for stdin, or the text itself
        bundle: String,
    },
    /// Show the values that a bundle makes of records, as a HAT answers a read of a debit's values
    #[command(after_help = "Examples:
  dex bundle run @bundle.json --records @records.json
  dex bundle run @bundle.json --records @records.json --stream")]
    Run {
        #[command(flatten)]
        input: Input,
        /// A conditions bundle: without a record for each of its properties there are no values
        #[arg(long, value_name = "BODY", conflicts_with = "stream")]
        conditions: Option<String>,
        /// Leave out the first records of each property
        #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "stream")]
        skip: usize,
        /// Most records of each property
        #[arg(long, value_name = "N", conflicts_with = "stream")]
        take: Option<usize>,
        /// Show instead what is delivered of records that a HAT releases unasked: filtered and mapped, in their order
        #[arg(long)]
        stream: bool,
    },
    /// Tell for each record which query takes it, or which filter drops it
    #[command(after_help = "Examples:
  dex bundle explain @bundle.json --records @records.json
  dex bundle explain @bundle.json --records @records.json --classes quasi --manifest @fitbit.json --namespace fitbit")]
    Explain {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        known: classes::Known,
    },
}

/// A bundle and the records that it is tried on.
#[derive(Debug, Args)]
pub struct Input {
    /// The bundle as JSON: @FILE, - for stdin, or the text itself
    bundle: String,
    /// The records, oldest first, as a JSON array: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY")]
    records: String,
}

impl Input {
    fn read(&self) -> Result<(Bundle, Records), Failure> {
        let bundle = read(&self.bundle)?;
        let body = parse::body(&self.records)?;
        let records =
            Records::parse(body, RECORDS_MAX).map_err(|error| Failure::Usage(format!("--records: {error}")))?;
        Ok((bundle, records))
    }
}

fn read(argument: &str) -> Result<Bundle, Failure> {
    let bytes = parse::body(argument)?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Failure::Usage(format!("the bundle is no JSON: {error}")))?;
    Bundle::read(&value).map_err(|fault| Failure::Finding(format!("the bundle is refused at {fault}")))
}

/// Runs the verb.
///
/// # Errors
/// [`Failure::Finding`] when the bundle is refused, [`Failure::Usage`] when the input can't be read.
pub fn run(globals: &Globals, verb: &BundleVerb) -> Result<ExitCode, Failure> {
    match verb {
        BundleVerb::Check { bundle } => check(globals, &read(bundle)?)?,
        BundleVerb::Run { input, stream: true, .. } => stream(input)?,
        BundleVerb::Run { input, conditions, skip, take, .. } => values(input, conditions.as_deref(), *skip, *take)?,
        BundleVerb::Explain { input, known } => {
            let (bundle, records) = input.read()?;
            let left_out = known.left_out(&bundle, &records)?;
            explain(globals, &Program::compile(&bundle).explain(&records), &records, &left_out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(globals: &Globals, bundle: &Bundle) -> Result<(), Failure> {
    if globals.json {
        return out::json(&json!({ "accepted": true, "name": bundle.name, "bundle": bundle }));
    }
    out::line(format_args!("{}: accepted", bundle.name))?;
    for (name, property) in &bundle.bundle {
        let limit = property.limit.map_or_else(String::new, |limit| format!(", at most {limit}"));
        let order = property.order_by.as_ref().map_or_else(String::new, |by| format!(", ordered by {by}"));
        out::line(format_args!("  {name}{order}{limit}"))?;
        for query in &property.endpoints {
            let shape = query
                .mapping
                .as_ref()
                .map_or_else(|| "data as it is".to_owned(), |mapping| format!("{} mapped fields", mapping.0.len()));
            let filters = query.filters.len();
            let links = query.links.len();
            out::line(format_args!("    {}: {shape}, {filters} filters, {links} linked endpoints", query.endpoint))?;
        }
    }
    Ok(())
}

fn too_large(_: crate::domain::bundle::TooLarge) -> Failure {
    Failure::Finding(format!("the values come to more than {BYTES_MAX} bytes: set a limit"))
}

fn values(input: &Input, conditions: Option<&str>, skip: usize, take: Option<usize>) -> Result<(), Failure> {
    let (bundle, records) = input.read()?;
    let truth = match conditions {
        Some(conditions) => {
            let conditions = Program::compile(&read(conditions)?);
            Some(conditions.conditions(&records, BYTES_MAX).map_err(too_large)?)
        }
        None => None,
    };
    let mut answer = json!({ "bundle": {} });
    if truth.iter().flatten().all(|(_, found)| *found) {
        let values = Program::compile(&bundle).values(&records, skip, take, BYTES_MAX).map_err(too_large)?;
        for (property, rows) in values {
            let rows: Result<Vec<Value>, _> = rows.iter().map(|row| serde_json::from_str(row)).collect();
            let rows = rows.map_err(|error| Failure::Finding(format!("a record can't be shown: {error}")))?;
            answer["bundle"][property.as_str()] = Value::Array(rows);
        }
    }
    if let Some(truth) = truth {
        answer["conditions"] = json!(truth);
    }
    out::json(&answer)
}

fn stream(input: &Input) -> Result<(), Failure> {
    let (bundle, records) = input.read()?;
    match Program::compile(&bundle).take(&records, BYTES_MAX).map_err(too_large)? {
        Some(taken) => out::line(String::from_utf8_lossy(&taken.body)),
        None => Err(Failure::Finding("nothing-selected: the bundle selects none of the records".into())),
    }
}

fn explain(
    globals: &Globals,
    verdicts: &[Explained],
    records: &Records,
    left_out: &[classes::LeftOut],
) -> Result<(), Failure> {
    if globals.json {
        let Value::Array(mut told) = json!(verdicts) else { return Ok(()) };
        for verdict in &mut told {
            let place = verdict["record"].as_u64();
            if let Some(of) = left_out.iter().find(|of| place == Some(of.record as u64)) {
                verdict["leftOut"] = json!({ "fields": of.fields, "counts": of.dropped });
            }
        }
        return out::json(&told);
    }
    for (place, record) in records.items.iter().enumerate() {
        out::line(format_args!("record {place}  {}", record.endpoint))?;
        let mut asked = false;
        for verdict in verdicts.iter().filter(|verdict| verdict.record == place) {
            asked = true;
            let fate = match &verdict.fate {
                Fate::Taken => "taken".to_owned(),
                Fate::Filtered { filter, field, present: true } => {
                    format!("dropped: filter {filter} on {field:?} does not hold")
                }
                Fate::Filtered { filter, field, present: false } => {
                    format!("dropped: filter {filter}, the field {field:?} is missing")
                }
                Fate::Unreadable => {
                    "dropped: its data holds text that can't be read (half a surrogate pair)".to_owned()
                }
            };
            out::line(format_args!("  {} query {}: {fate}", verdict.property, verdict.query))?;
        }
        if !asked {
            out::line("  dropped: no query asks for this endpoint")?;
        }
        if let Some(of) = left_out.iter().find(|of| of.record == place) {
            out::line(format_args!("  left out for their class: {}", of.fields.join(", ")))?;
        }
    }
    Ok(())
}
