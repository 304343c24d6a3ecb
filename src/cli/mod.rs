//! The command line, noun first: one file per verb or noun. stdout carries data, stderr messages.
//!
//! Exit codes: 0 done; 1 a finding, or a refused outcome; 2 wrong usage; 3 nobody answered; `serve` also 75 and 78.

mod account;
mod act;
mod actors;
mod app;
pub mod args;
mod bench;
mod bridge;
mod bundle;
mod catalogue;
mod collect;
mod config;
mod dead;
mod debit;
mod demo;
mod exchange;
pub mod fail;
mod folder;
mod hat;
mod keys;
mod ledger;
mod link;
mod member;
mod message;
mod notice;
mod offer;
mod onboard;
mod org;
pub mod out;
mod parse;
mod paths;
mod platform;
mod plug;
mod progress;
mod pull;
mod schema;
mod send;
mod serve;
mod sign;
mod snapshot;
mod soak;
mod stats;
mod top;
mod trust;
pub mod verify;
mod watch;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use args::Globals;
use fail::Failure;

const EXAMPLES: &str = "Examples:
  dex serve                       run an exchange, with its own nats-server
  dex keys new bob.key            make a signing key
  dex watch                       follow what it does
  dex exchange trace ID           what became of one exchange

Exit codes: 0 done; 1 a finding or a refused outcome; 2 wrong usage; 3 nobody answered. `dex serve` also: 75 a write or
sync failed, start it again; 78 the configuration is wrong.";

/// The open data exchange of the HAT ecosystem: moves, checks, records and settles exchanges of personal data
#[derive(Debug, Parser)]
#[command(name = "dex", version, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::ServeArgs),
    /// Run an exchange with a simulated ecosystem around it; its books must balance
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Measure an exchange on this machine beside what its broker alone can do
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::BenchArgs),
    /// Kill an exchange again and again under load; nothing that it told may be lost
    #[command(after_help = soak::EXAMPLES)]
    Soak(soak::SoakArgs),
    /// See how the exchange does: rates, lag, reasons, how long the steps take, redrawn every second
    #[command(after_help = top::EXAMPLES)]
    Top(top::TopArgs),
    /// Take a plug's jobs, fetch what they name, and credit it to HATs
    #[command(after_help = worker::EXAMPLES)]
    Worker(worker::WorkerArgs),
    /// Follow what the exchange does: a line a second, or its exchanges one by one
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::WatchArgs),
    /// The exchange's actors: how many live, were restarted, are quarantined
    #[command(after_help = actors::EXAMPLES)]
    Actors,
    /// What happened in the last minute, 5 minutes, hour, day and 30 days
    #[command(after_help = stats::EXAMPLES)]
    Stats(stats::StatsArgs),
    /// Send any message and wait for its outcome
    #[command(after_help = send::EXAMPLES)]
    Send(message::MessageArgs),
    /// Print a message's headers, signature and signed text without sending it
    #[command(after_help = sign::EXAMPLES)]
    Sign(message::MessageArgs),
    /// Check and show the daemon's configuration
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Make and look at signing keys
    #[command(subcommand)]
    Keys(keys::KeysVerb),
    /// HAT providers, which vouch for HATs
    #[command(subcommand)]
    Platform(platform::PlatformVerb),
    /// Persons' data accounts
    #[command(subcommand)]
    Hat(hat::HatVerb),
    /// Acquisition services, which write into HATs
    #[command(subcommand)]
    Plug(plug::PlugVerb),
    /// Applications with a manifest
    #[command(subcommand)]
    App(app::AppVerb),
    /// Who speaks for HATs that speak only HTTP
    #[command(subcommand)]
    Bridge(bridge::BridgeVerb),
    /// Data acquirers
    #[command(subcommand)]
    Org(org::OrgVerb),
    /// Receive what debits let out, into files or a table, each record once, with receipts
    #[command(after_help = collect::EXAMPLES)]
    Collect(Box<collect::CollectArgs>),
    /// Ask a HAT for values under a debit, and take them
    #[command(after_help = pull::EXAMPLES)]
    Pull(pull::PullArgs),
    /// Data debits, the right under which records leave a HAT
    #[command(subcommand)]
    Debit(debit::DebitVerb),
    /// Bundles: check one, try it on records
    #[command(subcommand)]
    Bundle(bundle::BundleVerb),
    /// Of what class of personal data the fields of endpoints are
    #[command(subcommand)]
    Catalogue(catalogue::CatalogueVerb),
    /// Accounts of the REST gateway and their roles
    #[command(subcommand)]
    Account(account::AccountVerb),
    /// Data offers
    #[command(subcommand)]
    Offer(offer::OfferVerb),
    /// What parties tell HATs
    #[command(subcommand)]
    Notice(notice::NoticeVerb),
    /// Whether a party is approved, now or at a past time, and the proof of it
    #[command(subcommand)]
    Trust(trust::TrustVerb),
    /// Check, without asking anybody, what a saved answer, bundle, checkpoint or message proves
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// What became of one exchange
    #[command(subcommand)]
    Exchange(exchange::ExchangeVerb),
    /// The ledger's files, from outside
    #[command(subcommand)]
    Ledger(ledger::LedgerVerb),
    /// The state database, from outside
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotVerb),
    /// Messages that the exchange could not work on
    #[command(subcommand)]
    Dead(dead::DeadVerb),
    /// What the body of each action is: JSON Schema and an example
    #[command(after_help = schema::EXAMPLES)]
    Schema(schema::SchemaArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help to a closed pipe is no error either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(fail::USAGE));
        }
    };
    run(cli).unwrap_or_else(|failure| failure.report())
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let globals = &cli.globals;
    match cli.verb {
        Verb::Serve(args) => serve::run(&args),
        Verb::Demo(args) => demo::run(globals, &args),
        Verb::Bench(args) => bench::run(globals, &args),
        Verb::Soak(args) => soak::run(globals, &args),
        Verb::Worker(args) => worker::run(globals, &args),
        Verb::Top(args) => top::run(globals, &args),
        Verb::Watch(args) => watch::run(globals, &args),
        Verb::Actors => actors::run(globals),
        Verb::Stats(args) => stats::run(globals, &args),
        Verb::Send(message) => send::run(globals, &message),
        Verb::Sign(message) => sign::run(globals, &message),
        Verb::Config(verb) => config::run(globals, &verb),
        Verb::Keys(verb) => keys::run(globals, &verb),
        Verb::Platform(verb) => platform::run(globals, verb),
        Verb::Hat(verb) => hat::run(globals, verb),
        Verb::Plug(verb) => plug::run(globals, verb),
        Verb::App(verb) => app::run(globals, verb),
        Verb::Bridge(verb) => bridge::run(globals, verb),
        Verb::Org(verb) => org::run(globals, verb),
        Verb::Collect(args) => collect::run(globals, &args),
        Verb::Pull(args) => pull::run(globals, &args),
        Verb::Debit(verb) => debit::run(globals, verb),
        Verb::Bundle(verb) => bundle::run(globals, &verb),
        Verb::Catalogue(verb) => catalogue::run(globals, verb),
        Verb::Account(verb) => account::run(globals, &verb),
        Verb::Offer(verb) => offer::run(globals, verb),
        Verb::Notice(verb) => notice::run(globals, verb),
        Verb::Trust(verb) => trust::run(globals, &verb),
        Verb::Verify(args) => verify::run(globals, &args),
        Verb::Exchange(verb) => exchange::run(globals, &verb),
        Verb::Ledger(verb) => ledger::run(globals, &verb),
        Verb::Snapshot(verb) => snapshot::run(globals, &verb),
        Verb::Dead(verb) => dead::run(globals, &verb),
        Verb::Schema(args) => schema::run(globals, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Every leaf command, with its path.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            } else {
                found.push((path, sub.clone()));
            }
        }
    }

    #[test]
    fn the_command_line_makes_sense_and_every_verb_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        let mut found = Vec::new();
        leaves(&command, "dex", &mut found);
        assert!(found.len() > 30);
        let globals: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        assert!(globals.contains(&"key"));
        for (path, command) in found {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let verb = path.rsplit(' ').next().expect("a path has a last word");
            for argument in command.get_arguments() {
                // An argument of a verb under a global one's name would silently replace it.
                assert!(!globals.contains(&argument.get_id().as_str()), "{path}: {}", argument.get_id());
            }
            assert!(help.contains("dex ") && help.contains(verb), "{path} has no example of its own");
        }
    }
}
