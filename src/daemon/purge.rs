//! Takes decided messages out of the input.
//!
//! A cut through all partitions drops whole files of the broker; a purge of one partition makes it look at every message, and
//! it takes and gives none meanwhile. So the cut is made often, and a single partition is purged only when the one that is
//! furthest behind stands still, which is when little comes, or now and then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::actors::shared::{Place, Shared};
use crate::nats::streams::{DEX_IN, StreamIdentity};
use crate::nats::{Link, LookupError, lookup};

/// How often single partitions are purged while the one that is furthest behind stands still.
const SINGLES_EVERY: Duration = Duration::from_secs(5);
/// How often they are while it goes on: what a partition that is ahead has decided stays no longer.
const SINGLES_AT_LAST: Duration = Duration::from_secs(60);

/// What was purged already.
#[derive(Debug, Default)]
pub struct Purge {
    gone: Gone,
    /// When single partitions were last thought of.
    singles: Option<Instant>,
    /// The positions at the end of a turn that left nothing.
    clean: Option<Vec<(u16, Place)>>,
}

/// Up to where messages are gone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gone {
    /// When the stream was made, nanoseconds since the Unix epoch.
    created: i64,
    /// Of all partitions.
    all: u64,
    /// Of single partitions, where that is more.
    single: BTreeMap<u16, u64>,
}

impl Gone {
    /// Notes which stream this is and where its partitions stand.
    fn meet(&mut self, created: i64, places: &BTreeMap<u16, u64>) {
        let back = |(partition, place): (&u16, &u64)| *place < self.of(*partition);
        if created != self.created || places.iter().any(back) {
            // Another stream, or one that was rolled back and is read again.
            *self = Gone { created, ..Gone::default() };
        }
    }

    fn of(&self, partition: u16) -> u64 {
        self.single.get(&partition).copied().unwrap_or(0).max(self.all)
    }

    /// Where a cut through all may be made: at the lowest place, when every one of `partitions` has one and that has moved.
    fn cut(&self, places: &BTreeMap<u16, u64>, partitions: usize) -> Option<u64> {
        let lowest = places.values().min().copied().filter(|_| places.len() == partitions)?;
        // Nothing is before the first message.
        (lowest > self.all.max(1)).then_some(lowest)
    }

    /// The partitions that have something behind their places.
    fn rest(&self, places: &BTreeMap<u16, u64>) -> Vec<(u16, u64)> {
        let behind = |(partition, place): &(u16, u64)| *place > self.of(*partition).max(1);
        places.iter().map(|(partition, place)| (*partition, *place)).filter(behind).collect()
    }
}

impl Purge {
    /// Purges what lies behind the positions. The message at a position stays: the next start compares it. Nothing is
    /// purged while the stream is not the one that a position is of. Gives up at the first question that the broker does
    /// not answer, until the next turn.
    pub async fn turn(&mut self, shared: &Shared, link: &Link) {
        let positions: Vec<_> = shared.progress.positions().collect();
        if self.clean.as_ref() == Some(&positions) {
            return;
        }
        match self.purge(&positions, link).await {
            Ok(clean) => self.clean = clean.then_some(positions),
            Err(error) => {
                self.clean = None;
                tracing::warn!(%error, "the input was not purged");
            }
        }
    }

    /// True when nothing is left to purge.
    async fn purge(&mut self, positions: &[(u16, Place)], link: &Link) -> Result<bool, LookupError> {
        let js = &link.jetstream;
        let stream = lookup::identity(js, DEX_IN).await?;
        let mut sound = BTreeMap::new();
        for (partition, place) in positions {
            if is_there(link, &stream, place).await? {
                sound.insert(*partition, *place);
            }
        }
        let places = sound.iter().map(|(partition, place)| (*partition, place.sequence)).collect();
        self.gone.meet(stream.created_ns, &places);
        let cut = self.gone.cut(&places, positions.len());
        if let Some(lowest) = cut {
            lookup::purge_before(js, DEX_IN, None, lowest).await?;
            self.gone.all = lowest;
        }
        let pause = if cut.is_some() { SINGLES_AT_LAST } else { SINGLES_EVERY };
        if self.singles.is_none_or(|at| at.elapsed() >= pause) {
            self.singles = Some(Instant::now());
            for (partition, place) in self.gone.rest(&places) {
                // Again: the purges before may have taken long.
                if is_there(link, &lookup::identity(js, DEX_IN).await?, &sound[&partition]).await? {
                    lookup::purge_before(js, DEX_IN, Some(&format!("dex.v1.p.{partition}.>")), place).await?;
                    self.gone.single.insert(partition, place);
                }
            }
        }
        Ok(self.gone.rest(&places).is_empty())
    }
}

/// Whether the stream holds the message at this place as we know it: in one that was rolled back and filled again, messages
/// before it were never read.
async fn is_there(link: &Link, stream: &StreamIdentity, place: &Place) -> Result<bool, LookupError> {
    if place.created != stream.created_ns || place.sequence > stream.last_sequence {
        return Ok(false);
    }
    let there = lookup::message_at(&link.jetstream, DEX_IN, place.sequence).await?;
    Ok(there.is_some_and(|there| there.stored_at_ns == place.stored_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(at: &[(u16, u64)]) -> BTreeMap<u16, u64> {
        at.iter().copied().collect()
    }

    #[test]
    fn a_cut_needs_every_partition_and_goes_no_further_than_the_lowest() {
        let gone = Gone { created: 7, all: 10, ..Gone::default() };
        assert_eq!(gone.cut(&places(&[(0, 20), (1, 30)]), 2), Some(20));
        assert_eq!(gone.cut(&places(&[(0, 20), (1, 30)]), 3), None, "one has no place");
        assert_eq!(gone.cut(&places(&[(0, 10), (1, 30)]), 2), None, "the lowest stands still");
        assert_eq!(gone.cut(&places(&[]), 0), None);
        // A cut before the first message took all in servers before 2.15.
        assert_eq!(Gone::default().cut(&places(&[(0, 1)]), 1), None);
    }

    #[test]
    fn what_is_left_is_what_lies_behind_a_place_and_is_not_gone() {
        let gone = Gone { created: 7, all: 10, single: [(1, 25)].into() };
        assert_eq!(gone.rest(&places(&[(0, 10), (1, 25), (2, 11)])), [(2, 11)]);
        assert_eq!(gone.rest(&places(&[(0, 12), (1, 26)])), [(0, 12), (1, 26)]);
        assert_eq!(Gone::default().rest(&places(&[(0, 1)])), []);
    }

    #[test]
    fn another_stream_and_a_place_that_goes_back_begin_anew() {
        let known = || Gone { created: 7, all: 10, single: [(1, 25)].into() };
        for (created, at, kept) in [
            (7, [(0, 10), (1, 25)], true),
            (8, [(0, 10), (1, 25)], false),
            (7, [(0, 9), (1, 25)], false),
            (7, [(0, 10), (1, 24)], false),
        ] {
            let mut gone = known();
            gone.meet(created, &places(&at));
            assert_eq!(gone == known(), kept, "{created} {at:?}");
            assert!(kept || gone == Gone { created, ..Gone::default() });
        }
    }
}
