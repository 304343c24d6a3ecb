//! Pull requests: how many messages are on order, and when to order more.

use async_nats::{Client, Subject, client::PublishError};
use bytes::Bytes;

use super::IntakeOptions;

/// What a message may weigh beyond `max_payload` on the server's scales: its subjects.
const SUBJECT_ALLOWANCE: usize = 64 * 1024;

/// The orders of one consumer. The server serves waiting requests in turn, so at most two are open at a time.
pub(super) struct Pull {
    client: Client,
    subject: Subject,
    inbox: Subject,
    body: Bytes,
    request: u64,
    on_order: u64,
}

impl Pull {
    pub(super) fn new(client: &Client, stream: &str, consumer: &str, inbox: String, options: &IntakeOptions) -> Self {
        let request = options.request_messages.clamp(2, 16_384) as u64;
        let bytes = options.request_bytes.max(client.max_payload() + SUBJECT_ALLOWANCE);
        let heartbeat = options.heartbeat.as_nanos();
        let expires = heartbeat * 15;
        let body =
            format!(r#"{{"batch":{request},"max_bytes":{bytes},"expires":{expires},"idle_heartbeat":{heartbeat}}}"#);
        Self {
            client: client.clone(),
            subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}").into(),
            inbox: inbox.into(),
            body: body.into(),
            request,
            on_order: 0,
        }
    }

    /// Orders more once half of an order or less is outstanding.
    pub(super) async fn ask_if_low(&mut self) -> Result<(), PublishError> {
        if self.on_order > self.request / 2 {
            return Ok(());
        }
        self.client.publish_with_reply(self.subject.clone(), self.inbox.clone(), self.body.clone()).await?;
        self.on_order += self.request;
        Ok(())
    }

    /// A message came.
    pub(super) fn delivered(&mut self) {
        self.on_order = self.on_order.saturating_sub(1);
    }

    /// A request ended (expired, or its bytes are used up) with `left` messages not delivered.
    pub(super) fn ended(&mut self, left: u64) {
        self.on_order = self.on_order.saturating_sub(left);
    }

    /// Did a request with `left` messages not delivered carry none at all?
    pub(super) fn was_barren(&self, left: u64) -> bool {
        left >= self.request
    }
}
