//! Messages whose sender follows them through systems of its own.

use crate::domain::MessageId;
use crate::wire::TraceContext;

/// A message that came with a W3C trace context was decided. In the log only (level debug, target `dex::trace`):
/// a trace is its sender's, and other parties never see it.
pub struct TracedMessage {
    /// Which partition decided.
    pub partition: u16,
    /// The sender's trace and span.
    pub trace: TraceContext,
    /// The message.
    pub id: Option<MessageId>,
    /// What became of it.
    pub answer: &'static str,
}

impl TracedMessage {
    /// Logs it.
    pub fn emit(&self) {
        tracing::debug!(
            target: "dex::trace",
            traceparent = %self.trace,
            id = self.id.map(|id| id.to_string()),
            partition = self.partition,
            answer = self.answer,
            "a traced message was decided"
        );
    }
}
