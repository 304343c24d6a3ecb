//! Which members the objects at a place had, in which order: records of one source mostly look alike, so that the next key
//! is compared instead of read and looked up. What is expected only saves time: another key is read as ever.

use super::super::json::Scan;

/// Most members of one place that are remembered.
const MEMBERS_MAX: usize = 64;
/// Most places of a program that are remembered.
pub(in super::super) const PLACES_MAX: usize = 1024;
/// Fewest records for which it is worth to remember anything.
const RECORDS_MIN: usize = 8;
/// Longest key that is remembered, with its quotes and the colon.
const KEY_BYTES_MAX: usize = size_of::<u128>();

/// The children that a key leads to: the first, and one past the last.
pub(in super::super) type Children = (u32, u32);

/// A key that is expected.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Expected {
    word: u128,
    mask: u128,
    bytes: usize,
    children: Children,
}

/// What no text begins with.
const NEVER: Expected = Expected { word: 0, mask: u128::MAX, bytes: 0, children: (0, 0) };

impl Expected {
    /// The key as it stands, up to its colon; what is never there when it is too long.
    fn of(key: &str, children: Children) -> Self {
        let mut bytes = [0; KEY_BYTES_MAX];
        let Some(begin) = bytes.get_mut(..key.len()) else { return NEVER };
        begin.copy_from_slice(key.as_bytes());
        let mask = u128::MAX >> (8 * (KEY_BYTES_MAX - key.len()));
        Expected { word: u128::from_le_bytes(bytes), mask, bytes: key.len(), children }
    }

    /// Steps over the key here when it is this one.
    #[inline]
    fn over(&self, scan: &mut Scan<'_>) -> Option<Children> {
        scan.over_key(self.word, self.mask, self.bytes).then_some(self.children)
    }
}

/// What the objects of one place are expected to look like.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Layout {
    members: Vec<Expected>,
    /// How many members may be remembered.
    most: usize,
}

impl Layout {
    /// Steps over the key here when it is the one that is expected at `at`.
    #[inline]
    pub fn expected(&self, at: usize, scan: &mut Scan<'_>) -> Option<Children> {
        self.members.get(at)?.over(scan)
    }

    /// Remembers what stood at `at`.
    pub fn keep(&mut self, at: usize, key: &str, children: Children) {
        match self.members.get_mut(at) {
            Some(held) => *held = Expected::of(key, children),
            None if at < self.most => self.members.push(Expected::of(key, children)),
            None => {}
        }
    }
}

/// The layouts of one run over records.
#[derive(Debug, Default)]
pub(in super::super) struct Layouts(Vec<Layout>);

impl Layouts {
    /// Nothing is remembered.
    pub const fn none() -> Self {
        Layouts(Vec::new())
    }

    /// For a run over so many records, of a program with so many places.
    pub fn for_run(records: usize, places: usize) -> Self {
        let layout = || Layout { members: Vec::new(), most: MEMBERS_MAX };
        let places = if records < RECORDS_MIN { 0 } else { places };
        Layouts(std::iter::repeat_with(layout).take(places).collect())
    }

    /// Takes a place's layout out, to give it back.
    #[inline]
    pub fn take(&mut self, place: usize) -> Layout {
        self.0.get_mut(place).map(std::mem::take).unwrap_or_default()
    }

    /// Gives it back.
    #[inline]
    pub fn give_back(&mut self, place: usize, layout: Layout) {
        if let Some(held) = self.0.get_mut(place) {
            *held = layout;
        }
    }
}
