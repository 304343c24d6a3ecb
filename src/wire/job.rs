//! A job on its way to a plug's workers.

use bytes::Bytes;

use super::header::{self, HeaderSource};
use super::outgoing::{self, Outgoing};
use super::received::{self, ReceivedError, Trust};
use super::sign::Signer;
use super::subject;
use crate::domain::job::JobBody;

/// A job for the workers of its plug. The same arguments make the same bytes.
pub fn job<'a>(signer: impl Into<Option<&'a Signer>>, origin: &str, body: &JobBody) -> Outgoing {
    let signer = signer.into();
    let payload = serde_json::to_vec(body).expect("ids, texts and times are JSON");
    let mut headers = outgoing::speaker(signer, origin, body.job);
    headers.push((header::DEADLINE, body.ends_at.to_string()));
    outgoing::from_exchange(signer, origin, subject::job(&body.plug), headers, payload.into())
}

/// Reads and verifies a message on `dex.v1.job.<plug>`.
///
/// # Errors
/// [`ReceivedError`]; nothing of the message may be used then.
pub fn read<'t, H: HeaderSource>(
    subject: &str,
    headers: &H,
    body: &Bytes,
    origin: &str,
    trust: impl Into<Trust<'t>>,
) -> Result<JobBody, ReceivedError> {
    let id = received::plain(subject, headers, body, origin, trust.into())?;
    let job: JobBody = received::json(body)?;
    if job.job != id || super::subject::job(&job.plug) != subject {
        return Err(ReceivedError::Body("it is another job than its headers and subject say".to_owned()));
    }
    Ok(job)
}
