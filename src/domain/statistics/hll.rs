//! How many different ones there were, within about 2.3 %: HyperLogLog whose registers and estimate do not depend on
//! the order of what it was given.
//!
//! Sketches whose estimate follows the order of insertion (HIP) would differ between a live fold and one made of merged
//! parts; here both are the same to the bit. The estimate is that of Ertl (2017, "New cardinality estimation algorithms
//! for HyperLogLog sketches"), which needs no tables and no correction for small numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::id::Address;

/// Bits of a hash that choose the register.
const BITS: u32 = 11;
/// Registers. The standard error is `1.04 / sqrt(REGISTERS)`.
const REGISTERS: usize = 1 << BITS;
/// Bits that are left for the rank.
const RANKS: u32 = 64 - BITS;
/// From so many registers in use on, all of them are kept as bytes.
const SPARSE_MAX: usize = 256;
/// `1 / (2 ln 2)`.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// A stable 64-bit hash of a text: FNV-1a, then the finaliser of MurmurHash3, so that all bits are used. On disk by way of
/// the registers, so it never changes. No secret: who may choose many ids can spoil the figures, not more.
pub fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The same for a party: another one for each kind of the same id.
pub fn hash_of(party: &Address) -> u64 {
    let mut hash = hash(party.id.as_str()) ^ (party.kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 32)
}

/// Unique hashes, in at most [`REGISTERS`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hll(Registers);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Registers {
    /// Registers in use, in order: number times 256 plus rank.
    Sparse(Vec<u32>),
    /// All of them.
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for Hll {
    fn default() -> Self {
        Hll(Registers::Sparse(Vec::new()))
    }
}

fn place(hash: u64) -> (u32, u8) {
    let register = u32::try_from(hash >> RANKS).unwrap_or(0);
    // The bit behind the last is taken as set, so a rank is 1 to RANKS + 1.
    let rank = (hash << BITS | 1 << (BITS - 1)).leading_zeros() + 1;
    (register, u8::try_from(rank).unwrap_or(u8::MAX))
}

impl Hll {
    /// Whether it was given nothing.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Registers::Sparse(used) if used.is_empty())
    }

    /// Takes in a [`hash`].
    pub fn add(&mut self, hash: u64) {
        let (register, rank) = place(hash);
        self.set(register, rank);
    }

    fn set(&mut self, register: u32, rank: u8) {
        let mut full = false;
        match &mut self.0 {
            Registers::Dense(all) => {
                let held = &mut all[register as usize];
                *held = (*held).max(rank);
            }
            Registers::Sparse(used) => {
                let at = used.partition_point(|one| one >> 8 < register);
                let new = register << 8 | u32::from(rank);
                if used.get(at).is_some_and(|held| held >> 8 == register) {
                    used[at] = used[at].max(new);
                } else if used.len() < SPARSE_MAX {
                    used.insert(at, new);
                } else {
                    full = true;
                }
            }
        }
        if full {
            self.spread();
            self.set(register, rank);
        }
    }

    fn spread(&mut self) {
        if let Registers::Sparse(used) = &self.0 {
            let mut all = Box::new([0u8; REGISTERS]);
            for one in used {
                all[(one >> 8) as usize] = (one & 0xff) as u8;
            }
            self.0 = Registers::Dense(all);
        }
    }

    /// Takes in all that `other` was given.
    pub fn merge(&mut self, other: &Hll) {
        match &other.0 {
            Registers::Sparse(used) => used.iter().for_each(|one| self.set(one >> 8, (one & 0xff) as u8)),
            Registers::Dense(theirs) => {
                self.spread();
                if let Registers::Dense(all) = &mut self.0 {
                    for (held, rank) in all.iter_mut().zip(theirs.iter()) {
                        *held = (*held).max(*rank);
                    }
                }
            }
        }
    }

    /// About how many different ones it was given.
    pub fn estimate(&self) -> u64 {
        let mut ranks = [0u32; RANKS as usize + 2];
        match &self.0 {
            Registers::Sparse(used) => {
                used.iter().for_each(|one| ranks[(one & 0xff) as usize] += 1);
                ranks[0] = u32::try_from(REGISTERS - used.len()).unwrap_or(0);
            }
            Registers::Dense(all) => all.iter().for_each(|rank| ranks[usize::from(*rank)] += 1),
        }
        let m = REGISTERS as f64;
        let mut z = m * tau(1.0 - f64::from(ranks[RANKS as usize + 1]) / m);
        for count in ranks[1..=RANKS as usize].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(ranks[0]) / m);
        // Not below zero, and far below 2^53.
        (ALPHA * m * m / z).round() as u64
    }
}

fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

impl Serialize for Hll {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Registers::Sparse(used) => {
                let bytes: Vec<u8> = used.iter().flat_map(|one| one.to_be_bytes()[1..].to_vec()).collect();
                serde_bytes::serialize(&bytes, serializer)
            }
            Registers::Dense(all) => serde_bytes::serialize(&all[..], serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Hll {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        let mut read = Hll::default();
        if bytes.len() == REGISTERS {
            for (register, rank) in (0..).zip(bytes.iter()).filter(|(_, rank)| **rank > 0) {
                read.set(register, checked(*rank)?);
            }
            read.spread();
            return Ok(read);
        }
        let (registers, rest) = bytes.as_chunks::<3>();
        if !rest.is_empty() || registers.len() > SPARSE_MAX {
            return Err(de::Error::custom("no registers of a HyperLogLog"));
        }
        for [high, low, rank] in registers {
            let register = u32::from(*high) << 8 | u32::from(*low);
            if register as usize >= REGISTERS {
                return Err(de::Error::custom("a HyperLogLog has fewer registers"));
            }
            read.set(register, checked(*rank)?);
        }
        Ok(read)
    }
}

fn checked<E: de::Error>(rank: u8) -> Result<u8, E> {
    let fine = (1..=RANKS + 1).contains(&u32::from(rank));
    if fine { Ok(rank) } else { Err(E::custom("a rank of a HyperLogLog is out of range")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(range: std::ops::Range<u32>) -> Hll {
        let mut hll = Hll::default();
        range.for_each(|i| hll.add(hash(&format!("hat:person-{i}.hubat.net"))));
        hll
    }

    #[test]
    fn it_counts_within_its_error() {
        assert_eq!(Hll::default().estimate(), 0);
        assert_eq!(of(0..1).estimate(), 1);
        assert_eq!(of(0..7).estimate(), 7);
        for n in [50u32, 200, 300, 1000, 10_000, 100_000] {
            let found = of(0..n).estimate() as f64;
            // Three standard errors.
            assert!((found - f64::from(n)).abs() <= (0.07 * f64::from(n)).max(3.0), "{n}: {found}");
        }
    }

    #[test]
    fn a_hash_never_changes() {
        // On disk: computed once with FNV-1a's published offset and prime, and fmix64.
        assert_eq!(hash("hat:bob.hubat.net"), 0x4ec8_a55f_268c_1cc4);
        assert_eq!(hash(""), 0xefd0_1f60_ba99_2926);
    }

    proptest! {
        #[test]
        fn parts_in_any_order_are_the_whole(cut in 0u32..900, len in 0u32..900, again in 0u32..300) {
            let whole = of(0..cut + len);
            let (left, right) = (of(0..cut), of(cut.saturating_sub(again)..cut + len));
            let (mut one, mut two) = (left.clone(), right.clone());
            one.merge(&right);
            two.merge(&left);
            prop_assert_eq!(&one, &two);
            prop_assert_eq!(one.estimate(), whole.estimate());
            let bytes = rmp_serde::to_vec_named(&one).expect("packs");
            prop_assert_eq!(rmp_serde::from_slice::<Hll>(&bytes).expect("reads"), one);
        }
    }
}
