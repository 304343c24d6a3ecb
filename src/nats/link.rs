//! The state of one connection: events as a small enum, and counts that no reader can miss.

use async_nats::{Client, Event, jetstream};
use tokio::sync::watch;

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The connection is up, for the first time or again.
    Connected,
    /// The connection is lost; the client tries again by itself.
    Disconnected,
    /// A subscription of ours was too slow and lost messages. Intake sees the gap and reads again.
    SlowConsumer,
    /// The server is about to stop and asks its clients to go elsewhere.
    LameDuck,
    /// The connection is closed for good.
    Closed,
    /// The server or the client library reports an error that did not close the connection.
    Fault(String),
}

/// The latest state of a connection, with running counts (a `watch` coalesces; counts do not lose).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Is the connection up?
    pub connected: bool,
    /// How often it came up (1 after the first connect).
    pub connects: u64,
    /// How often it was lost.
    pub disconnects: u64,
    /// How often a subscription lost messages because we were slow.
    pub slow_consumers: u64,
    /// The last event.
    pub last: Option<LinkEvent>,
}

impl LinkState {
    pub(super) fn note(&mut self, event: LinkEvent) {
        match &event {
            LinkEvent::Connected => {
                self.connected = true;
                self.connects += 1;
            }
            LinkEvent::Disconnected => {
                self.connected = false;
                self.disconnects += 1;
            }
            LinkEvent::SlowConsumer => self.slow_consumers += 1,
            LinkEvent::Closed => self.connected = false,
            LinkEvent::LameDuck | LinkEvent::Fault(_) => {}
        }
        self.last = Some(event);
    }
}

/// A checked connection: client, JetStream context and the watched state.
#[derive(Clone, Debug)]
pub struct Link {
    /// The client. Cheap to clone.
    pub client: Client,
    /// JetStream over the same connection.
    pub jetstream: jetstream::Context,
    /// The state of the connection.
    pub state: watch::Receiver<LinkState>,
    /// What the server is and may do, as found at connect.
    pub server: super::ServerFacts,
}

impl From<Event> for LinkEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Connected => Self::Connected,
            Event::Disconnected => Self::Disconnected,
            Event::LameDuckMode => Self::LameDuck,
            Event::SlowConsumer(_) => Self::SlowConsumer,
            Event::Draining | Event::Closed => Self::Closed,
            Event::ServerError(error) => Self::Fault(error.to_string()),
            Event::ClientError(error) => Self::Fault(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_coalescing() {
        let mut state = LinkState::default();
        for event in [LinkEvent::Connected, LinkEvent::Disconnected, LinkEvent::SlowConsumer, LinkEvent::Connected] {
            state.note(event);
        }
        assert!(state.connected);
        assert_eq!((state.connects, state.disconnects, state.slow_consumers), (2, 1, 1));
        assert_eq!(state.last, Some(LinkEvent::Connected));
    }
}
