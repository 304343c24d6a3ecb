//! The embedded broker under supervision: restarted on the same port and store when it ends by itself.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::nats::{EmbeddedError, EmbeddedOptions, EmbeddedServer};

/// A supervised `nats-server` child.
pub struct Broker {
    url: String,
    websocket_url: Option<String>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Broker {
    /// Starts the server and its supervision.
    ///
    /// # Errors
    /// [`EmbeddedError`] when it cannot start the first time.
    pub async fn start(options: EmbeddedOptions) -> Result<Broker, EmbeddedError> {
        let server = EmbeddedServer::start(options).await?;
        let (url, websocket_url) = (server.url(), server.websocket_url());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(supervise(server, stopped));
        Ok(Broker { url, websocket_url, stop, task })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens for clients over WebSocket, if it does.
    pub fn websocket_url(&self) -> Option<&str> {
        self.websocket_url.as_deref()
    }

    /// Stops it, and waits until it has.
    pub async fn stop(self) {
        // The task has ended already when the server could not be restarted any more.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the supervision of the embedded broker ended badly");
        }
    }
}

async fn supervise(mut server: EmbeddedServer, mut stopped: oneshot::Receiver<()>) {
    loop {
        let exit = tokio::select! {
            _ = &mut stopped => break,
            exit = server.wait_exit() => exit,
        };
        tracing::error!(?exit, "the embedded broker ended by itself; it is started again");
        // `restart` waits its growing pause itself; without end, because without a broker there is no exchange.
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                restarted = server.restart() => match restarted {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::error!(%error, "the embedded broker cannot be started again");
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                },
            }
        }
    }
    let exit = server.stop().await;
    tracing::debug!(?exit, "the embedded broker was stopped");
}
