//! A bar on standard error for what takes longer than a second, where somebody looks on; nothing elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Globals;

/// Work that is over sooner shows no bar.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// A bar that shows itself after a second.
pub struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Progress {
    /// Over `total` units of something; `what` is done to them, like "checking entries".
    pub fn new(globals: &Globals, what: &'static str, total: u64) -> Self {
        Self::styled(globals, what, total, "{msg} {bar:30} {human_pos} of {human_len} ({per_sec}, {eta} left)")
    }

    /// Over bytes.
    pub fn of_bytes(globals: &Globals, what: &'static str, total: u64) -> Self {
        Self::styled(globals, what, total, "{msg} {bar:30} {bytes} of {total_bytes} ({bytes_per_sec}, {eta} left)")
    }

    fn styled(globals: &Globals, what: &'static str, total: u64, template: &str) -> Self {
        let looks_on = !globals.json && std::io::stderr().is_terminal();
        let bar = looks_on.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style).with_message(what)
        });
        Progress { bar, began: Instant::now() }
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        let Some(bar) = &self.bar else { return };
        if bar.is_hidden() && self.began.elapsed() >= QUIET_FOR {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_position(done);
    }

    /// One more is done.
    pub fn step(&self) {
        let done = self.bar.as_ref().map_or(0, ProgressBar::position);
        self.at(done + 1);
    }

    /// So many are done, of so many.
    pub fn of(&self, done: u64, all: u64) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| bar.length() != Some(all)) {
            bar.set_length(all);
        }
        self.at(done);
    }

    /// Takes the bar away while something else is written there.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
