//! `dex top`: how the exchange does, on a terminal, redrawn every second.

mod keys;
mod model;
mod sample;
mod source;
mod view;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::args::Globals;
use super::fail::Failure;
use super::{link, parse};
use model::Model;
use source::Source;

/// Examples, shown by `dex top --help`.
pub const EXAMPLES: &str = "Examples:
  dex top
  dex top --metrics http://10.0.0.5:8080/metrics --every 2s

The page of metrics tells all: partitions, lag, rates, reasons, how long the steps take. Where it does not answer and
--metrics was not given, the exchange is asked over NATS for what it tells there: exchanges and reasons. Keys: h shows
them. `dex watch` prints lines instead.

Exit code 3: neither answers.";

/// Where the page is unless it is named.
const USUAL: &str = "http://127.0.0.1:8080/metrics";

/// How `dex top` looks.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The daemon's page of metrics; http://127.0.0.1:8080/metrics when not given
    #[arg(long, value_name = "URL", env = "DEX_METRICS")]
    metrics: Option<String>,
    /// How often to ask: 500ms to 1m
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = parse::span)]
    every: Duration,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when there is no terminal, or nobody answers.
pub fn run(globals: &Globals, args: &TopArgs) -> Result<ExitCode, Failure> {
    if args.every < Duration::from_millis(500) || args.every > Duration::from_secs(60) {
        return Err(Failure::Usage("--every is 500ms to 1m".into()));
    }
    if globals.json || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "dex top needs a terminal: `dex watch` prints lines, `dex watch --json` values, for programs".into(),
        ));
    }
    link::wait(Box::pin(top(globals, args)))
}

async fn top(globals: &Globals, args: &TopArgs) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    // Before the screen is taken: what is wrong then is told on a line.
    let (source, first) = Source::find(globals, args.metrics.as_deref(), USUAL).await?;
    let mut model = Model::new(source.name());
    model.push(first.read(0.0));
    // Its hook gives the terminal back when something panics.
    let mut terminal =
        ratatui::try_init().map_err(|error| Failure::Usage(format!("the terminal cannot be used: {error}")))?;
    let ended = watch(&mut terminal, &mut model, source, args.every, began).await;
    ratatui::restore();
    ended.map_err(|error| Failure::Finding(format!("the terminal: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

async fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    model: &mut Model,
    source: Source,
    every: Duration,
    began: Instant,
) -> std::io::Result<()> {
    let mut pressed = keyboard();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (asked, mut answers) = mpsc::channel(1);
    let asking = tokio::spawn(async move {
        let mut tick = tokio::time::interval_at(Instant::now() + every, every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if asked.send(source.ask().await).await.is_err() {
                return;
            }
        }
    });
    loop {
        let now = began.elapsed().as_secs_f64();
        terminal.draw(|frame| view::draw(frame, model, now))?;
        tokio::select! {
            event = pressed.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    if keys::press(model, key) {
                        break;
                    }
                }
                // A resize only wants to be drawn.
                Some(_) => {}
                None => break,
            },
            answer = answers.recv() => match answer {
                Some(Ok(page)) => model.push(page.read(began.elapsed().as_secs_f64())),
                Some(Err(why)) => model.failed(why, began.elapsed().as_secs_f64()),
                None => break,
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => break,
        }
    }
    asking.abort();
    Ok(())
}

/// Keys and resizes as they come. The thread ends with the process: nothing can take it out of its read.
fn keyboard() -> mpsc::Receiver<Event> {
    let (sender, pressed) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    pressed
}
