//! The one way to say that the process must end: nothing more can be recorded or told apart.

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
}
