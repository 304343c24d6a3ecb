//! One signature under many messages: it is over the root of a small Merkle tree (RFC 6962 hashing) whose leaves are
//! the messages' signed texts, and each message brings its way to the root.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use crate::domain::tree::{Hash, leaf_hash, paths, root_of};

/// First line of the text that such a signature is over.
const VERSION_TREE: &str = "dex-v1-tree";
/// Most messages under one signature. What is saved beyond is little, and each doubling makes every path longer.
pub const TOGETHER_MAX: usize = 16;
/// Hashes of the longest path.
const PATH_MAX: usize = TOGETHER_MAX.ilog2() as usize;

/// A message's place in the tree and its way to the root: the header `Dex-Path`, `<index>.<size>.<hashes>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    index: u8,
    size: u8,
    hashes: Vec<Hash>,
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not `<index>.<size>.<unpadded base64url of 1 to {PATH_MAX} hashes>` with index < size, size 2 to {TOGETHER_MAX}"
)]
pub struct PathError;

impl Path {
    /// The text that the signature is over, when this is the path of the message with this signed text; `None` when
    /// the path has another length than its place in the tree.
    #[must_use]
    pub fn root_text(&self, origin: &str, text: &[u8]) -> Option<Vec<u8>> {
        let root = root_of(&leaf_hash(text), self.index.into(), self.size.into(), &self.hashes)?;
        Some(root_text(origin, &root))
    }
}

/// The text to sign for these signed texts (2 to [`TOGETHER_MAX`]), and the path of each.
#[must_use]
pub fn together(origin: &str, texts: &[&[u8]]) -> (Vec<u8>, Vec<Path>) {
    debug_assert!((2..=TOGETHER_MAX).contains(&texts.len()), "a tree of {} messages", texts.len());
    let leaves: Vec<Hash> = texts.iter().map(|text| leaf_hash(text)).collect();
    let (root, paths) = paths(&leaves);
    let size = u8::try_from(leaves.len()).unwrap_or(u8::MAX);
    let paths = (0..size).zip(paths).map(|(index, hashes)| Path { index, size, hashes }).collect();
    (root_text(origin, &root), paths)
}

fn root_text(origin: &str, root: &Hash) -> Vec<u8> {
    format!("{VERSION_TREE}\n{origin}\n{}", HEXLOWER.encode(root)).into_bytes()
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.index, self.size, BASE64URL_NOPAD.encode(self.hashes.as_flattened()))
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next()?;
            // One spelling each: no sign, no leading zero.
            let plain = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            plain.then(|| part.parse::<u8>().ok()).flatten()
        };
        let (index, size) = (number().ok_or(PathError)?, number().ok_or(PathError)?);
        let hashes = parts.next().ok_or(PathError)?;
        let bytes = BASE64URL_NOPAD.decode(hashes.as_bytes()).map_err(|_| PathError)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let in_bounds = index < size && (2..=TOGETHER_MAX).contains(&usize::from(size));
        if parts.next().is_some() || !rest.is_empty() || hashes.is_empty() || hashes.len() > PATH_MAX || !in_bounds {
            return Err(PathError);
        }
        Ok(Path { index, size, hashes: hashes.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_tree_has_the_root_that_is_signed_and_another_has_not() {
        let texts: Vec<Vec<u8>> = (0..TOGETHER_MAX).map(|n| vec![b'a'; n + 1]).collect();
        for size in 2..=texts.len() {
            let part: Vec<&[u8]> = texts[..size].iter().map(Vec::as_slice).collect();
            let (signed, paths) = together("dex.example", &part);
            assert_eq!(paths.len(), size);
            for (text, path) in part.iter().zip(&paths) {
                assert_eq!(path.to_string().parse::<Path>().as_ref(), Ok(path));
                assert_eq!(path.root_text("dex.example", text).as_ref(), Some(&signed));
                assert_ne!(path.root_text("dex.example", b"other").as_ref(), Some(&signed));
                assert_ne!(path.root_text("other.example", text).as_ref(), Some(&signed));
            }
        }
    }

    #[test]
    fn a_path_has_one_spelling_and_bounds() {
        let hashes = |n: usize| BASE64URL_NOPAD.encode(&vec![7; 32 * n]);
        assert!(format!("0.2.{}", hashes(1)).parse::<Path>().is_ok());
        let (one, five, short) = (hashes(1), hashes(5), BASE64URL_NOPAD.encode(&[7; 31]));
        let bad = [
            String::new(),
            "0.2.".into(),
            "0.2".into(),
            format!("2.2.{one}"),
            format!("0.1.{one}"),
            format!("0.17.{one}"),
            format!("00.2.{one}"),
            format!("+0.2.{one}"),
            format!("0.2.{one}="),
            format!("0.2.{one}.{one}"),
            format!("0.16.{five}"),
            format!("0.2.{short}"),
            format!("0.300.{one}"),
        ];
        for text in bad {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
        // Of its form, but of another length than its place.
        let long: Path = format!("0.2.{}", hashes(2)).parse().expect("of its form");
        assert_eq!(long.root_text("dex.example", b"text"), None);
    }
}
