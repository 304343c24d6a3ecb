//! The one way to say that the process must end: nothing more can be recorded or told apart.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::mpsc;

/// Tells the daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fatal(mpsc::UnboundedSender<String>);

impl Fatal {
    /// A teller and what it tells. Bounded by the few parts that tell once each.
    pub fn new() -> (Fatal, mpsc::UnboundedReceiver<String>) {
        let (tell, told) = mpsc::unbounded_channel();
        (Fatal(tell), told)
    }

    /// The process must end because of this.
    pub fn tell(&self, why: &str) {
        // When nobody listens any more the process is ending already.
        let _ = self.0.send(why.to_owned());
    }

    /// Runs a task without which the process cannot go on: a panic in it ends the process.
    pub async fn guard(self, what: &'static str, task: impl Future<Output = ()>) {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            self.tell(&format!("{what} has panicked"));
        }
    }
}
