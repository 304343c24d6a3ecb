//! `dex plug manifest try`: one fetch of each endpoint, and what a worker would send of it. Nothing is sent.

mod classes;
mod dry;

use std::path::PathBuf;

use clap::Args;
use reqwest::Url;
use serde_json::{Value, json};

use crate::cli::args::Globals;
use crate::cli::fail::Failure;
use crate::cli::{link, out};
use crate::connectors::{Account, Allow, Connector, FetchLimits, Fetcher, Page};
use crate::domain::{Id, Timestamp};
use crate::http::secret::Source;

use super::check::Checked;
use super::text;
use classes::FieldClass;
use dry::Dry;

pub const EXAMPLES: &str = "Examples:
  dex plug manifest try feed.toml --var feed=https://blog.example/atom.xml
  dex plug manifest try codehost.toml --endpoint profile --bearer env:TOKEN --records 3
  dex plug manifest try bank.toml --var hat=bob.hubat.net --root statements
  dex plug manifest try codehost.toml --base http://127.0.0.1:8000 --allow 127.0.0.1:8000 --bearer env:TOKEN

Secrets are referred to, as a worker's are: env:NAME, file:PATH or credential:NAME. A manifest of somebody else may refer
to your secrets and send them to its own host: read it first.";

/// Most pages that are fetched of one endpoint.
const PAGES_MAX: u16 = 100;

/// The manifest, the account, and where it may go.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// The manifest, TOML or JSON; - for stdin
    file: String,
    /// Only this endpoint; all that have a connector when not given
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// A variable of the account, NAME=VALUE; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    vars: Vec<(String, String)>,
    /// The account's token or key, as a reference
    #[arg(long, value_name = "REF", value_parser = source)]
    bearer: Option<Source>,
    /// The account's name and the reference to its password, NAME:REF
    #[arg(long, value_name = "NAME:REF", value_parser = named_source)]
    basic: Option<(String, Source)>,
    /// Ask this address in the place of the scheme, host and port that the manifest names
    #[arg(long, value_name = "URL")]
    base: Option<Url>,
    /// A place that is not of the public Internet and may be gone to: a network, an address or HOST:PORT; may be repeated
    #[arg(long = "allow", value_name = "PLACE")]
    allow: Vec<Allow>,
    /// A folder below which files may be read; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    roots: Vec<PathBuf>,
    /// Pages fetched of each endpoint
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(PAGES_MAX)))]
    pages: u16,
    /// Begin where an earlier try ended, as it told
    #[arg(long, value_name = "TEXT", requires = "endpoint")]
    continuation: Option<String>,
    /// Records shown of each endpoint
    #[arg(long, value_name = "N", default_value_t = 5)]
    records: usize,
    /// The plug's id, for what would be sent
    #[arg(long, value_name = "PLUG", default_value = "plug")]
    plug: Id,
    /// The namespace that it writes; its id when not given
    #[arg(long)]
    namespace: Option<String>,
    /// The HAT, for what would be sent
    #[arg(long, value_name = "HAT", default_value = "hat.example")]
    hat: Id,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn source(text: &str) -> Result<Source, &'static str> {
    Source::parse(text)
}

fn named_source(text: &str) -> Result<(String, Source), &'static str> {
    let (name, reference) = text.split_once(':').ok_or("is not NAME:REF, like bob:env:PASSWORD")?;
    Ok((name.to_owned(), Source::parse(reference)?))
}

/// Tries a manifest.
///
/// # Errors
/// [`Failure::Finding`] when the manifest is refused or an endpoint cannot be fetched.
pub fn run(globals: &Globals, args: &TryArgs) -> Result<(), Failure> {
    let mut value = text::file(&args.file)?;
    if let Some(base) = &args.base {
        rebase(&mut value, base)?;
    }
    let checked = Checked::read(&value)?;
    let wanted = |name: &String| args.endpoint.as_ref().is_none_or(|endpoint| endpoint == name);
    let chosen: Vec<(&String, &Connector)> = checked.connectors.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = checked.connectors.keys().map(String::as_str).collect();
        let why = if names.is_empty() { "the manifest has no connectors".into() } else { names.join(", ") };
        return Err(Failure::Usage(format!("no such endpoint to fetch; there are: {why}")));
    }
    let secret = |source: &Source| source.read().map_err(Failure::Usage);
    let basic = args.basic.as_ref().map(|(name, source)| Ok::<_, Failure>((name.clone(), secret(source)?)));
    let account = Account {
        vars: args.vars.iter().cloned().collect(),
        bearer: args.bearer.as_ref().map(secret).transpose()?,
        basic: basic.transpose()?,
    };
    let limits = FetchLimits {
        timeout: globals.timeout,
        allow_private: args.allow.clone(),
        file_roots: args.roots.clone(),
        ..FetchLimits::default()
    };
    let http = Fetcher::new(limits).map_err(|error| Failure::Unavailable(format!("no TLS: {error}")))?;
    let mut failed = 0;
    for (name, connector) in &chosen {
        match link::wait(async { Ok(fetch(args, connector, &http, &account).await) })? {
            Ok(page) => tell(globals, args, &checked, name, connector, &page)?,
            Err(why) => {
                failed += 1;
                if globals.json {
                    out::json(&json!({ "endpoint": name, "error": why }))?;
                } else {
                    out::line(format_args!("{name}: not fetched: {why}"))?;
                }
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Finding(format!("{failed} of {} endpoints could not be fetched", chosen.len()))),
    }
}

/// The pages that are wanted as one.
async fn fetch(args: &TryArgs, connector: &Connector, http: &Fetcher, account: &Account) -> Result<Page, String> {
    let mut whole = Page { continuation: args.continuation.clone(), more: true, ..Page::default() };
    for n in 1..=args.pages {
        let page = connector.page(http, account, whole.continuation.as_deref(), now()).await;
        let page = page.map_err(|error| format!("{}: {error} (page {n})", error.word()))?;
        whole.records.extend(page.records);
        whole.skipped += page.skipped;
        (whole.continuation, whole.more) = (page.continuation, page.more);
        if !whole.more {
            break;
        }
    }
    Ok(whole)
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

fn tell(
    globals: &Globals,
    args: &TryArgs,
    checked: &Checked,
    name: &str,
    connector: &Connector,
    page: &Page,
) -> Result<(), Failure> {
    let namespace = args.namespace.as_deref().unwrap_or(args.plug.as_str());
    let dry = Dry::of(&args.plug, &args.hat, namespace, name, &page.records, now());
    let said = checked.manifest.endpoints.iter().find(|endpoint| endpoint.name == name);
    let fields = classes::of(&args.plug, namespace, checked, &dry.endpoint, said, &page.records);
    if globals.json {
        let shown: Vec<&Value> = dry.records.iter().take(args.records).collect();
        return out::json(&json!({
            "endpoint": name,
            "kind": connector.kind(),
            "count": page.records.len(),
            "skipped": page.skipped,
            "more": page.more,
            "continuation": page.continuation,
            "records": shown,
            "fields": fields,
            "wouldSend": dry.messages,
        }));
    }
    let more = if page.more { ", and there are more pages" } else { "" };
    let skipped = if page.skipped > 0 { format!(", {} left out as unreadable", page.skipped) } else { String::new() };
    out::line(format_args!("{name}: {} records by {}{skipped}{more}", page.records.len(), connector.kind()))?;
    for record in dry.records.iter().take(args.records) {
        out::line(format_args!("  {record}"))?;
    }
    if page.records.len() > args.records {
        out::line(format_args!("  … {} more (--records N shows them)", page.records.len() - args.records))?;
    }
    if !fields.is_empty() {
        out::line("  fields and their classes:")?;
    }
    for FieldClass { path, class, said } in &fields {
        let nobody = if *said { "" } else { "  (the manifest does not name it)" };
        out::line(format_args!("    {class:<8}{path}{nobody}"))?;
    }
    for message in &dry.messages {
        out::line(format_args!(
            "  would send {} with {} records in {} bytes as {}",
            message.subject, message.count, message.bytes, message.id
        ))?;
    }
    if dry.too_large > 0 {
        out::line(format_args!("  {} records are larger than a message may be, and would be left out", dry.too_large))?;
    }
    if let Some(continuation) = &page.continuation {
        out::line(format_args!("  continuation: {continuation}"))?;
    }
    Ok(())
}

/// The connectors' addresses with another scheme, host and port.
fn rebase(manifest: &mut Value, base: &Url) -> Result<(), Failure> {
    if base.host_str().is_none() {
        return Err(Failure::Usage("--base is no address like http://127.0.0.1:8000".into()));
    }
    let base = base.as_str().trim_end_matches('/');
    let connectors = manifest.pointer_mut("/settings/connectors").and_then(Value::as_object_mut);
    for connector in connectors.into_iter().flat_map(|all| all.values_mut()) {
        let Some(Value::String(url)) = connector.get_mut("url") else { continue };
        if let Some((_, rest)) = url.split_once("://") {
            let path = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
            *url = format!("{base}{path}");
        }
    }
    Ok(())
}
