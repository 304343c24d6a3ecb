//! Errors as RFC 9457 problem JSON, the same on queries, waiting replies and HTTP.

use serde::{Deserialize, Serialize};

use crate::domain::{MessageId, Reason};

use super::decode::Refused;

/// The media type of a problem.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// A problem (RFC 9457) with one extension member, `reason`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:dex:reason:<reason>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the reason means, the same for every occurrence.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What is wrong here and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Out of the closed set.
    pub reason: Reason,
    /// `urn:uuid:<Dex-Id>` of the message it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Problem {
    /// A problem of this reason.
    pub fn new(reason: Reason, detail: impl Into<Option<String>>, about: Option<MessageId>) -> Self {
        Problem {
            kind: format!("urn:dex:reason:{reason}"),
            title: reason.explanation().to_owned(),
            status: http_status(reason),
            detail: detail.into(),
            reason,
            instance: about.map(|id| format!("urn:uuid:{id}")),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are JSON")
    }
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        Problem::new(refused.reason, refused.detail.clone(), refused.id)
    }
}

/// The HTTP status code of a reason.
pub const fn http_status(reason: Reason) -> u16 {
    match reason {
        Reason::Malformed => 400,
        Reason::BadSignature | Reason::RevokedKey => 401,
        Reason::NotPermitted
        | Reason::NotApproved
        | Reason::NotConnected
        | Reason::Suspended
        | Reason::OutsideNamespace
        | Reason::PiiNotGranted => 403,
        Reason::UnknownParty | Reason::DebitNotFound | Reason::NotFound => 404,
        Reason::DebitNotActive
        | Reason::DebitEnded
        | Reason::Conflict
        | Reason::DigestMismatch
        | Reason::CountMismatch
        | Reason::RefusedByRecipient
        | Reason::RecalledBySender
        | Reason::WrongState
        | Reason::AlreadyExists
        | Reason::OfferFull
        | Reason::OfferBelowMinimum => 409,
        Reason::Retired => 410,
        Reason::TooLarge => 413,
        Reason::NothingSelected | Reason::Stale => 422,
        Reason::OverQuota | Reason::RecipientOverQuota => 429,
        Reason::Internal => 500,
        Reason::DeadlinePassed => 504,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_problem_that_reads_back() {
        for reason in Reason::ALL {
            let problem = Problem::new(reason, Some("because".to_owned()), None);
            assert!((400..600).contains(&problem.status), "{reason}");
            let back: Problem = serde_json::from_slice(&problem.to_json()).expect("reads");
            assert_eq!(back, problem);
        }
    }

    #[test]
    fn a_problem_is_written_as_the_protocol_says() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("id");
        let problem = Problem::new(Reason::TooLarge, Some("too long".to_owned()), Some(id));
        assert_eq!(
            String::from_utf8(problem.to_json()).expect("text"),
            r#"{"type":"urn:dex:reason:too-large","title":"Body or headers are over their limit.","status":413,"detail":"too long","reason":"too-large","instance":"urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057"}"#
        );
    }
}
