//! Requests that act once: the same idempotency key and content get the same answer, whatever happened in between.
//!
//! The id of the message that a request becomes is kept on disk before it is sent. So a repeat after a restart sends the
//! same message again, and the exchange answers it with its first outcome instead of acting twice.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Gateway;
use super::accounts::store::Kept;
use super::fault::Fault;
use crate::client::ids;
use crate::domain::{MessageId, Reason, Timestamp};
use crate::wire::Problem;
use crate::wire::problem::PROBLEM_TYPE;

/// The header.
pub const HEADER: &str = "idempotency-key";
/// Said of an answer that was given before.
pub(super) const REPLAYED: &str = "idempotent-replayed";
/// Longest key, bytes.
const KEY_BYTES_MAX: usize = 128;
/// How long a key is remembered.
const LIFE_NS: i64 = 24 * 3600 * 1_000_000_000;
/// Most keys of all callers …
const MOST: usize = 100_000;
/// … and of one.
const MOST_PER_CALLER: u32 = 5_000;

/// What is known of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Which caller's, hashed.
    pub caller: [u8; 16],
    /// Method, path and body, hashed.
    pub content: [u8; 32],
    /// The id of the message that it becomes.
    pub id: MessageId,
    /// When it is forgotten.
    pub expires: Timestamp,
    /// The answer, once it is final.
    pub answer: Option<(u16, Value)>,
}

struct Entry {
    record: Record,
    running: bool,
}

#[derive(Default)]
struct Table {
    entries: HashMap<[u8; 32], Entry>,
    callers: HashMap<[u8; 16], u32>,
}

/// All keys that are remembered.
#[derive(Default)]
pub struct Once {
    table: Mutex<Table>,
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A request as far as it must be the same.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who: [`super::caller::Caller::key`].
    pub caller: &'a str,
    /// Method and path.
    pub call: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Ends the run of a key however it ends.
struct Running<'a> {
    once: &'a Once,
    key: [u8; 32],
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.once.lock().entries.get_mut(&self.key) {
            entry.running = false;
        }
    }
}

enum Turn {
    First(Record),
    Again(Record),
    Told(u16, Value),
}

impl Once {
    /// With what was kept on disk.
    pub fn new(kept: Vec<([u8; 32], Record)>) -> Self {
        let mut table = Table::default();
        for (key, record) in kept {
            *table.callers.entry(record.caller).or_default() += 1;
            table.entries.insert(key, Entry { record, running: false });
        }
        Once { table: Mutex::new(table) }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, key: [u8; 32], fresh: Record) -> Result<Turn, Fault> {
        let mut table = self.lock();
        if let Some(entry) = table.entries.get_mut(&key) {
            if entry.record.content != fresh.content {
                let detail = "this idempotency key was used for another request: take a fresh one";
                return Err(Fault::new(Reason::Conflict, detail).status(422));
            }
            if let Some((status, body)) = &entry.record.answer {
                return Ok(Turn::Told(*status, body.clone()));
            }
            if entry.running {
                let detail = "the request with this idempotency key is being worked on";
                return Err(Fault::new(Reason::Conflict, detail).retry_after(1));
            }
            entry.running = true;
            return Ok(Turn::Again(entry.record.clone()));
        }
        let own = table.callers.get(&fresh.caller).copied().unwrap_or(0);
        if table.entries.len() >= MOST || own >= MOST_PER_CALLER {
            return Err(Fault::too_many("too many idempotency keys of the last 24 hours", 3600));
        }
        *table.callers.entry(fresh.caller).or_default() += 1;
        table.entries.insert(key, Entry { record: fresh.clone(), running: true });
        Ok(Turn::First(fresh))
    }

    fn told(&self, key: &[u8; 32], status: u16, body: &Value) -> Option<Record> {
        let mut table = self.lock();
        let entry = table.entries.get_mut(key)?;
        entry.record.answer = Some((status, body.clone()));
        Some(entry.record.clone())
    }

    /// Forgets what has expired; the keys that went.
    pub fn sweep(&self, now: Timestamp) -> Vec<[u8; 32]> {
        let mut table = self.lock();
        let dead: Vec<([u8; 32], [u8; 16])> = table
            .entries
            .iter()
            .filter(|(_, entry)| entry.record.expires <= now && !entry.running)
            .map(|(key, entry)| (*key, entry.record.caller))
            .collect();
        for (key, caller) in &dead {
            table.entries.remove(key);
            if let Some(count) = table.callers.get_mut(caller) {
                *count -= 1;
                if *count == 0 {
                    table.callers.remove(caller);
                }
            }
        }
        dead.into_iter().map(|(key, _)| key).collect()
    }
}

/// The key that a request brings.
///
/// # Errors
/// 400 when it is empty, too long, or holds other than visible ASCII.
pub fn brought(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > KEY_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = format!("Idempotency-Key: it has 1 to {KEY_BYTES_MAX} visible ASCII characters");
        return Err(Fault::malformed(detail));
    }
    Ok(Some(text.to_owned()))
}

fn written(status: u16, body: &Value, again: bool) -> HttpResponse {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(code);
    if again {
        answer.insert_header((REPLAYED, "true"));
    }
    // A refusal in the original's shape is no problem document.
    let media = if code.is_success() || body.get("reason").is_none() { "application/json" } else { PROBLEM_TYPE };
    answer.content_type(media).body(body.to_string())
}

/// What may do better later is not kept as the answer.
pub(super) fn is_final(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 408 | 429)
}

impl Gateway {
    /// Runs `work` once for the key that the request brings; without one it just runs it. `work` gets the id that its
    /// message must have.
    ///
    /// # Errors
    /// What `work` says; 409 while the same request is worked on, 422 when the key was used for another one.
    pub async fn once<F>(
        self: &Arc<Self>,
        headers: &HeaderMap,
        request: Request<'_>,
        work: impl FnOnce(MessageId) -> F,
    ) -> Result<HttpResponse, Fault>
    where
        F: Future<Output = Result<(u16, Value), Fault>>,
    {
        let Some(key) = brought(headers)? else {
            let (status, body) = work(self.link.message_id()).await?;
            return Ok(written(status, &body, false));
        };
        let mut caller = [0u8; 16];
        caller.copy_from_slice(&hash(&[request.caller.as_bytes()])[..16]);
        let fresh = Record {
            caller,
            content: hash(&[request.call.as_bytes(), request.body]),
            id: self.link.message_id(),
            expires: ids::now().plus(LIFE_NS),
            answer: None,
        };
        let key = hash(&[request.caller.as_bytes(), key.as_bytes()]);
        let (record, again) = match self.once.turn(key, fresh)? {
            Turn::Told(status, body) => return Ok(written(status, &body, true)),
            Turn::First(record) => (record, false),
            Turn::Again(record) => (record, true),
        };
        let _running = Running { once: &self.once, key };
        let id = record.id;
        if !again {
            // Before anything is done: a restart must know the id.
            self.keep(Kept::Put(key, record)).await?;
        }
        let (status, body) = match work(id).await {
            Ok(done) => done,
            Err(fault) if is_final(fault.status_code().as_u16()) => (fault.problem.status, as_json(&fault.problem)?),
            Err(fault) => return Err(fault),
        };
        if let Some(record) = self.once.told(&key, status, &body) {
            self.keep(Kept::Put(key, record)).await?;
        }
        Ok(written(status, &body, again))
    }

    /// Writes to the file of keys, off the threads that serve.
    ///
    /// # Errors
    /// 500 when it cannot be written.
    pub async fn keep(self: &Arc<Self>, what: Kept) -> Result<(), Fault> {
        let gateway = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || gateway.accounts.keep(&what)).await;
        Ok(done.map_err(|error| Fault::internal("the idempotency keys", &error))??)
    }
}

fn as_json(problem: &Problem) -> Result<Value, Fault> {
    serde_json::to_value(problem).map_err(|error| Fault::internal("a problem", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content: u8, caller: u8) -> Record {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("an id");
        Record { caller: [caller; 16], content: [content; 32], id, expires: Timestamp(10), answer: None }
    }

    #[test]
    fn a_key_stands_for_one_request() {
        let once = Once::default();
        assert!(matches!(once.turn([1; 32], record(1, 1)), Ok(Turn::First(_))));
        assert_eq!(once.turn([1; 32], record(1, 1)).err().expect("running").problem.status, 409);
        assert_eq!(once.turn([1; 32], record(2, 1)).err().expect("another").problem.status, 422);
        drop(Running { once: &once, key: [1; 32] });
        assert!(matches!(once.turn([1; 32], record(1, 1)), Ok(Turn::Again(_))), "the same message goes again");
        once.told(&[1; 32], 201, &Value::Null).expect("there");
        assert!(matches!(once.turn([1; 32], record(1, 1)), Ok(Turn::Told(201, _))));
        assert!(once.sweep(Timestamp(10)).is_empty(), "it still runs");
        drop(Running { once: &once, key: [1; 32] });
        assert_eq!(once.sweep(Timestamp(9)).len() + once.sweep(Timestamp(10)).len(), 1);
        assert!(once.lock().callers.is_empty());
    }

    #[test]
    fn one_caller_cannot_fill_the_table() {
        let once = Once::default();
        for n in 0..MOST_PER_CALLER {
            let key = hash(&[&n.to_be_bytes()]);
            assert!(once.turn(key, record(1, 1)).is_ok());
        }
        assert_eq!(once.turn([1; 32], record(1, 1)).err().expect("full").problem.status, 429);
        assert!(once.turn([1; 32], record(1, 2)).is_ok(), "others still may");
    }
}
