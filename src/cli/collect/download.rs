//! Large content on its way to disk.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use uuid::Uuid;

use super::standing::{is_open, standing};
use crate::client::{Client, ClientError, Delivery};
use crate::domain::Digest;
use crate::nats::objects::ObjectError;

/// How often a content that is not as it should be is tried.
const TRIES: u32 = 3;
/// The pause between tries.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of a download.
#[derive(Debug)]
pub enum Came {
    /// It is on disk, whole and as it should be: its digest and records.
    Whole(Digest, u32),
    /// It came, and is not what was delivered.
    Wrong(String),
    /// It is not there, nobody answers, or it cannot be written: the delivery may come again.
    Later(String),
    /// It has gone for good: its exchange has ended, in this status.
    Over(String),
}

/// Downloads a large content into a file; it is on disk under this name when all of it is there and right.
pub async fn fetch(client: &Client, delivery: &Delivery, path: &Path) -> Came {
    tried(client, delivery.id, async || once(delivery, path).await).await
}

/// Downloads a large content into a file that is open and need have no name; it is all of the file when it is there.
pub async fn fetch_into(client: &Client, delivery: &Delivery, file: &File) -> Came {
    tried(client, delivery.id, async || once_into(delivery, file).await).await
}

async fn tried(
    client: &Client,
    delivery: Uuid,
    mut once: impl AsyncFnMut() -> Result<(Digest, u32), ClientError>,
) -> Came {
    let mut came = once().await;
    for _ in 1..TRIES {
        if !matches!(came, Err(ClientError::Content(_))) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        came = once().await;
    }
    match came {
        Ok((digest, count)) => Came::Whole(digest, count),
        // The bucket may be behind, or be put back. It is emptied when the exchange is final.
        Err(error) if is_missing(&error) => {
            ended(client, delivery).await.map_or_else(|| Came::Later(error.to_string()), Came::Over)
        }
        Err(ClientError::Content(why)) => Came::Wrong(why),
        // A full disk is no fault of the sender's; nor is the broker.
        Err(error) => Came::Later(error.to_string()),
    }
}

/// Whether chunks were not there. The client tells it by its words alone.
fn is_missing(error: &ClientError) -> bool {
    match (error, ClientError::from(ObjectError::Missing)) {
        (ClientError::Content(why), ClientError::Content(missing)) => *why == missing,
        _ => false,
    }
}

/// How the exchange of a delivery has ended, where the ledger says that it has; what it does not say is no yes.
async fn ended(client: &Client, delivery: Uuid) -> Option<String> {
    standing(client, delivery).await.ok()?.filter(|status| !is_open(status))
}

async fn once(delivery: &Delivery, path: &Path) -> Result<(Digest, u32), ClientError> {
    let wrong = |error: std::io::Error| ClientError::Local(format!("{}: {error}", path.display()));
    let part = path.with_extension("part");
    let mut file = tokio::fs::File::create(&part).await.map_err(wrong)?;
    let object = match delivery.download(&mut file).await {
        Ok(object) => object,
        Err(error) => {
            drop(std::fs::remove_file(&part));
            return Err(error);
        }
    };
    file.sync_all().await.map_err(wrong)?;
    std::fs::rename(&part, path).map_err(wrong)?;
    super::journal::sync_folder(path).map_err(wrong)?;
    Ok((object.digest, object.count))
}

async fn once_into(delivery: &Delivery, file: &File) -> Result<(Digest, u32), ClientError> {
    let wrong = |error: std::io::Error| ClientError::Local(format!("a file for large content: {error}"));
    // What a try before has left.
    file.set_len(0).map_err(wrong)?;
    let mut to = tokio::fs::File::from_std(file.try_clone().map_err(wrong)?);
    to.rewind().await.map_err(wrong)?;
    let came = delivery.download(&mut to).await;
    // A write that is under way would end in what the next try writes.
    to.flush().await.map_err(wrong)?;
    let object = came?;
    Ok((object.digest, object.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_and_is_wrong_is_held_against_its_sender() {
        assert!(is_missing(&ClientError::from(ObjectError::Missing)));
        for other in [
            ClientError::from(ObjectError::Read("x".into())),
            ClientError::from(ObjectError::Unreachable("x".into())),
            ClientError::Content("it is not what the delivery says: size, digest or count differ".into()),
            ClientError::Local("no room".into()),
        ] {
            assert!(!is_missing(&other), "{other}");
        }
    }
}
