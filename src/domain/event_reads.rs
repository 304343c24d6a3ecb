//! What an event means for what is kept beside the states: deadlines, open exchanges, the clock.

use uuid::Uuid;

use super::event::{Closed, Event, Opened};
use super::time::Timestamp;

impl Event {
    /// Whether the event can change when its entity is to look at the time again.
    pub const fn touches_time(&self) -> bool {
        matches!(
            self,
            Event::DebitEnabled { .. }
                | Event::DebitDisabled { .. }
                | Event::DebitRolled { .. }
                | Event::DebitEnded { .. }
                | Event::ClaimLapsed { .. }
                | Event::ClaimWithdrawn { .. }
                | Event::Approved { .. }
                | Event::PlugReported { .. }
                | Event::PlugStale { .. }
                | Event::PlugAsked { .. }
                | Event::PlugAskedAgain { .. }
                | Event::PlugUnanswered { .. }
                | Event::PlugConnected { .. }
                | Event::PlugDisconnected { .. }
                | Event::Job(_)
                | Event::JobsMoved(_)
                | Event::Suspended
                | Event::Resumed
                | Event::OfferReserved { .. }
                | Event::OfferConfirmed { .. }
                | Event::OfferSatisfied
                | Event::OfferReleased { .. }
                | Event::OfferLapsed { .. }
                | Event::OfferLeft { .. }
                | Event::OfferClosed
                | Event::OfferExpired
        )
    }

    /// The exchange that began with this event: its content is on disk from here on.
    pub fn began(&self) -> Option<&Opened> {
        match self {
            Event::Opened(opened) | Event::Held { opened, .. } | Event::Fetched(opened) => Some(opened),
            _ => None,
        }
    }

    /// What is open from here on, and until when at the latest: an exchange, or a notice. Of an exchange whose content is
    /// fetched, both entries say so.
    pub fn opens(&self) -> Option<(Uuid, Timestamp)> {
        match self {
            Event::Fetching(fetching) => Some((fetching.delivery, fetching.deadline)),
            Event::NoticePosted(posted) => Some((posted.notice, posted.expires)),
            _ => self.began().map(|opened| (opened.delivery, opened.deadline)),
        }
    }

    /// What is open no more.
    pub fn ends(&self) -> Option<Uuid> {
        match self {
            Event::NoticeEnded { notice } => Some(*notice),
            Event::Fanned { fetched: Some(fetched), .. } => Some(fetched.delivery),
            _ => self.closed().map(|closed| closed.delivery),
        }
    }

    /// The exchange that leaves for its recipient with this event.
    pub fn left(&self) -> Option<&Opened> {
        match self {
            Event::Opened(opened) | Event::Released(opened) | Event::Fetched(opened) => Some(opened),
            _ => None,
        }
    }

    /// What ended an exchange, when this event did.
    pub fn closed(&self) -> Option<&Closed> {
        match self {
            Event::Settled(closed) | Event::Expired(closed) | Event::Recalled(closed) => Some(closed),
            Event::Disputed { closed, .. } | Event::Dropped { closed, .. } => Some(closed),
            _ => None,
        }
    }
}
