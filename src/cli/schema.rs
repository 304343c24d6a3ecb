//! `dex schema`: what each action's body is, and what each query is asked and answers.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::wire::schema::{self, ActionSchema, QuerySchema};

use super::args::Globals;
use super::fail::Failure;
use super::out;

/// Examples, shown by `dex schema --help`.
pub const EXAMPLES: &str = "Examples:
  dex schema                      every action and who may send it, every query and what it tells
  dex schema plug.register        its body: JSON Schema and an example
  dex schema hat.show             a query: JSON Schemas of question and answer, and an example
  dex schema hat.credit --json | jq .example";

/// Which action or query.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// An action, like hat.credit, or a query, like hat.show; all of them when not given
    name: Option<String>,
}

/// Prints actions and queries. Asks nobody.
///
/// # Errors
/// [`Failure::Usage`] when there is none of that name.
pub fn run(globals: &Globals, args: &SchemaArgs) -> Result<ExitCode, Failure> {
    match &args.name {
        None => all(globals)?,
        Some(name) => match (schema::query(name), schema::of(name)) {
            (Some(query), _) => one_query(globals, &query)?,
            (None, Some(action)) => one_action(globals, &action)?,
            (None, None) => {
                let what = format!("there is no action and no query {name:?}: `dex schema` lists all");
                return Err(Failure::Usage(what));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn all(globals: &Globals) -> Result<(), Failure> {
    if globals.json {
        schema::all().iter().try_for_each(|action| out::json(&whole(action)))?;
        return schema::queries().try_for_each(|query| out::json(&whole_query(&query)));
    }
    for action in schema::all() {
        out::line(format_args!("{:<34} {}", action.action, action.who))?;
    }
    out::line("\nqueries, at dex.v1.api.<name>:")?;
    schema::QUERIES.iter().try_for_each(|(name, about)| out::line(format_args!("{name:<34} {about}")))
}

fn one_action(globals: &Globals, action: &ActionSchema) -> Result<(), Failure> {
    if globals.json {
        return out::json(&whole(action));
    }
    out::line(format_args!("{}\nfrom: {}", action.action, action.who))?;
    match (&action.body, &action.example) {
        (Some(body), Some(example)) => {
            out::line(format_args!("\nbody, JSON Schema:\n{body:#}\n\nexample:\n{example:#}"))
        }
        _ => out::line("body: none"),
    }
}

fn one_query(globals: &Globals, query: &QuerySchema) -> Result<(), Failure> {
    if globals.json {
        return out::json(&whole_query(query));
    }
    let QuerySchema { query, about, request, answer, example } = query;
    out::line(format_args!("dex.v1.api.{query}\ntells: {about}"))?;
    out::line(format_args!("\nquestion, JSON Schema:\n{request:#}\n\nexample:\n{example:#}"))?;
    out::line(format_args!("\nanswer, JSON Schema:\n{answer:#}"))
}

fn whole(action: &ActionSchema) -> Value {
    json!({ "action": action.action, "who": action.who, "body": action.body, "example": action.example })
}

fn whole_query(query: &QuerySchema) -> Value {
    json!({
        "query": query.query, "about": query.about, "request": query.request, "answer": query.answer,
        "example": query.example,
    })
}
