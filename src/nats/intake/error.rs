//! Why an intake ended. Each of them means: open another from your own position.

use std::time::Duration;

/// Why an intake ended.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The consumer could not be made.
    #[error("consumer {consumer} cannot be made on stream {stream}: {reason}")]
    Open {
        /// Stream.
        stream: String,
        /// Consumer.
        consumer: String,
        /// What the server said.
        reason: String,
    },
    /// Deliveries are missing (a slow reader whose messages the library dropped).
    #[error("consumer {consumer} delivered {got} where {expected} was due")]
    Gap {
        /// Consumer.
        consumer: String,
        /// The next delivery number that was due.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// The server has not spoken for more than twice the heartbeat.
    #[error("consumer {consumer} was silent for {waited:?}")]
    MissedHeartbeat {
        /// Consumer.
        consumer: String,
        /// How long we waited.
        waited: Duration,
    },
    /// The consumer is deleted (another took over, or the server was restarted).
    #[error("consumer {consumer} is gone")]
    ConsumerGone {
        /// Consumer.
        consumer: String,
    },
    /// The connection was lost and came back: deliveries in between are lost.
    #[error("the connection of consumer {consumer} was lost and is back")]
    Reconnected {
        /// Consumer.
        consumer: String,
    },
    /// The client is closed: nothing more will come.
    #[error("the connection of consumer {consumer} is closed")]
    Closed {
        /// Consumer.
        consumer: String,
    },
    /// The server said something else.
    #[error("consumer {consumer}: {reason}")]
    Server {
        /// Consumer.
        consumer: String,
        /// What it said.
        reason: String,
    },
    /// What came is not what the protocol says.
    #[error("consumer {consumer}: {what}")]
    Protocol {
        /// Consumer.
        consumer: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl IntakeError {
    pub(super) fn open(stream: &str, consumer: &str, error: impl ToString) -> Self {
        Self::Open { stream: stream.to_string(), consumer: consumer.to_string(), reason: error.to_string() }
    }
}
