//! Classes of personal data, sets of them, and how many fields were left out by class.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How personal a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Says nothing about a person.
    None,
    /// Says who it is together with others: a birthday, a place.
    Quasi,
    /// Says who it is: a name, an address, an account.
    Direct,
    /// What the law protects more: health, belief, opinion.
    Special,
}

impl Class {
    /// The whole closed set, from the least personal on.
    pub const ALL: [Class; 4] = [Class::None, Class::Quasi, Class::Direct, Class::Special];

    /// The word in manifests, terms and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::None => "none",
            Class::Quasi => "quasi",
            Class::Direct => "direct",
            Class::Special => "special",
        }
    }

    pub(super) const fn bit(self) -> u8 {
        match self {
            Class::None => 1,
            Class::Quasi => 2,
            Class::Direct => 4,
            Class::Special => 8,
        }
    }
}

/// A set of classes. [`Class::None`] is in every one: what says nothing about a person needs no grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClassSet(u8);

impl ClassSet {
    /// Every class.
    pub const ALL: ClassSet = ClassSet(15);
    /// Nothing personal.
    pub const NONE: ClassSet = ClassSet(1);

    /// What does not say who it is by itself: `none` and `quasi`.
    pub(crate) const fn without_identity() -> ClassSet {
        ClassSet(Class::None.bit() | Class::Quasi.bit())
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these classes, and of `none`.
    pub fn of(classes: impl IntoIterator<Item = Class>) -> Self {
        ClassSet(classes.into_iter().fold(1, |bits, class| bits | class.bit()))
    }

    /// Whether `class` is in it.
    pub const fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: ClassSet) -> ClassSet {
        ClassSet(self.0 & other.0)
    }

    /// Whether all of it is in `other`.
    pub const fn within(self, other: ClassSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// Its classes, from the least personal on.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }
}

impl fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Class::as_str)).finish()
    }
}

impl Serialize for ClassSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ClassSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = ClassSet;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of classes: none, quasi, direct, special")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ClassSet, A::Error> {
                let mut set = ClassSet::NONE;
                while let Some(class) = seq.next_element::<Class>()? {
                    set.0 |= class.bit();
                }
                Ok(set)
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

/// How many fields were left out, by class. A field that is left out whole, an object too, counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dropped {
    /// Of the class `quasi`.
    #[serde(default, skip_serializing_if = "zero")]
    pub quasi: u32,
    /// Of the class `direct`, what nobody has classified too.
    #[serde(default, skip_serializing_if = "zero")]
    pub direct: u32,
    /// Of the class `special`.
    #[serde(default, skip_serializing_if = "zero")]
    pub special: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn zero(n: &u32) -> bool {
    *n == 0
}

impl Dropped {
    /// One more of this class.
    pub fn count(&mut self, class: Class) {
        let count = match class {
            // Never left out.
            Class::None => return,
            Class::Quasi => &mut self.quasi,
            Class::Direct => &mut self.direct,
            Class::Special => &mut self.special,
        };
        *count = count.saturating_add(1);
    }

    /// Those too.
    pub fn add(&mut self, more: &Dropped) {
        self.quasi = self.quasi.saturating_add(more.quasi);
        self.direct = self.direct.saturating_add(more.direct);
        self.special = self.special.saturating_add(more.special);
    }

    /// So many were left out of this class.
    pub const fn of(&self, class: Class) -> u32 {
        match class {
            Class::None => 0,
            Class::Quasi => self.quasi,
            Class::Direct => self.direct,
            Class::Special => self.special,
        }
    }

    /// Whether nothing was left out.
    pub const fn is_empty(&self) -> bool {
        self.quasi == 0 && self.direct == 0 && self.special == 0
    }
}
