//! One leg of a soak: its load, its rounds, its end, and what it came to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::fail::Failure;
use crate::cli::out;
use crate::cli::progress::Progress;
use crate::client::keys;
use crate::domain::{Address, Id, Kind};
use crate::simulation::soak::load::REPEAT_FOR;
use crate::simulation::soak::{Leg, Load, Round, plan};
use crate::simulation::{Cast, Settings, Stage};

use super::ground::Ground;
use super::{READY_WITHIN, Report, SoakArgs, audit};

/// Operator of the soak's exchange.
pub const OPERATOR: &str = "soak";
/// Origin of the soak's exchange.
pub const ORIGIN: &str = "soak.localhost";
/// Share of messages that are mistakes.
const MISTAKES: f64 = 0.1;
/// Deadline of exchanges whose recipient answers: longer than it takes to be ready again and catch up.
const SETTLE_WITHIN: Duration = Duration::from_secs(20);
/// Deadline of those that nobody answers.
const EXPIRE_WITHIN: Duration = Duration::from_secs(6);
/// Most messages under way: what piles up while the exchange is away.
const IN_FLIGHT: usize = 256;
/// A message that is not answered by then is taken for lost by the prober; the load goes on repeating its own.
const PROBE_WITHIN: Duration = Duration::from_secs(30);

/// Runs a leg in a new folder.
///
/// # Errors
/// [`Failure`] when exchange or load cannot be started.
pub async fn run(
    as_json: bool,
    args: &SoakArgs,
    leg: Leg,
    folder: &Path,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<Report, Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::Usage(format!("{} cannot be made: {error}", folder.display())))?;
    let operator =
        keys::load_or_make(&folder.join("operator.key")).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut ground = Ground::start(leg, folder, &operator.public()).await?;
    let settings = Settings {
        seed: args.seed,
        hats: usize::from(args.hats),
        rate: args.rate,
        mistakes: MISTAKES,
        settle_within: SETTLE_WITHIN,
        expire_within: EXPIRE_WITHIN,
        in_flight: IN_FLIGHT,
    };
    let id = Id::new(OPERATOR).expect("the name of the operator is an id");
    let operator = (Address::new(Kind::Operator, id), operator);
    let stage = Stage::set(Cast::new(settings.seed, settings.hats), &ground.url(), operator).await?;
    let load = Load::new(stage, settings);
    let readers = load.listen().await?;
    let enough = CancellationToken::new();
    let running = {
        let (load, enough) = (Arc::clone(&load), enough.clone());
        tokio::spawn(async move { load.run(&enough).await })
    };

    let mut report = Report::default();
    for round in plan::rounds(args.seed, leg, leg.share(args.rounds)) {
        if stop.is_cancelled() {
            break;
        }
        report.rounds += 1;
        // A process that ended by itself ends the leg: there is nothing to kill any more.
        match one(&mut ground, &load, &round, u64::from(report.rounds)).await {
            Ok((ready, answered)) => {
                let ended = load.witness.ended();
                progress.suspend(|| show(as_json, args, leg, &report, &round, (ready, answered), ended))?;
                progress.step();
                let took = answered.max(ready);
                report.ready.push(took);
                if took >= READY_WITHIN {
                    report.fault(format!(
                        "{leg}, round {}: {} killed, ready after {ready:?} and answering after {answered:?}",
                        report.rounds, round.victim
                    ));
                }
            }
            Err(failure) => {
                report.fault(format!("{leg}, round {}: {} killed: {failure}", report.rounds, round.victim));
                break;
            }
        }
    }
    enough.cancel();
    // Whoever has no outcome after repeating for so long is told as unfinished.
    if tokio::time::timeout(REPEAT_FOR + SETTLE_WITHIN, running).await.is_err() {
        report.fault(format!("{leg}: the load does not end"));
    }
    load.settle(REPEAT_FOR + SETTLE_WITHIN).await;
    drop(readers);
    let state = ground.state();
    if let Err(what) = ground.stop().await {
        report.fault(format!("{leg}: {what}"));
    }
    match audit::audit(&state, &load.witness.testimony()) {
        Ok((verdict, faults)) => {
            report.verdict.add(verdict);
            faults.into_iter().for_each(|fault| report.fault(format!("{leg}: {fault}")));
        }
        Err(failure) => report.fault(format!("{leg}: {failure}")),
    }
    Ok(report)
}

/// Load, kill, start; times until the health page says ready and until a new message is answered.
async fn one(ground: &mut Ground, load: &Load, round: &Round, number: u64) -> Result<(Duration, Duration), Failure> {
    tokio::time::sleep(round.load).await;
    ground.alive()?;
    let began = ground.strike(round).await?;
    // Both at once: the health page may lag behind, a message does not.
    let (ready, answered) = tokio::join!(
        async {
            ground.ready().await?;
            Ok::<Duration, Failure>(began.elapsed())
        },
        async {
            load.probe(number, PROBE_WITHIN).await;
            began.elapsed()
        }
    );
    Ok((ready?, answered))
}

fn show(
    as_json: bool,
    args: &SoakArgs,
    leg: Leg,
    report: &Report,
    round: &Round,
    (ready, answered): (Duration, Duration),
    ended: usize,
) -> Result<(), Failure> {
    let before = if leg == Leg::Own { 0 } else { Leg::Own.share(args.rounds) };
    let number = before + report.rounds;
    if as_json {
        return out::json(&json!({
            "round": number, "server": leg.as_str(), "killed": round.victim.as_str(),
            "loadMs": ms(round.load), "readyMs": ms(ready), "answeredMs": ms(answered), "ended": ended,
        }));
    }
    out::line(format_args!(
        "round {number} of {}: {leg} server, {} killed after {} ms; ready after {} ms, answering after {} ms; {ended} exchanges have ended",
        args.rounds,
        round.victim,
        ms(round.load),
        ms(ready),
        ms(answered),
    ))
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
