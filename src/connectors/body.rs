//! A body as it comes, decompressed within bounds that a bomb meets early.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::error::FetchError;
use super::limits::FetchLimits;

/// Bytes that a body may become whatever its ratio.
const RATIO_FREE: usize = 64 * 1024;
/// Bytes decompressed at a time.
const STEP: usize = 16 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// What we ask for.
    pub const ACCEPTED: &'static str = "gzip, deflate";

    /// Reads `Content-Encoding`: one coding, not several.
    pub fn read(header: Option<&[u8]>) -> Result<Coding, FetchError> {
        let text = header.unwrap_or_default().trim_ascii().to_ascii_lowercase();
        match text.as_slice() {
            b"" | b"identity" => Ok(Coding::Identity),
            b"gzip" | b"x-gzip" => Ok(Coding::Gzip),
            b"deflate" => Ok(Coding::Deflate),
            _ => FetchError::malformed("the answer is compressed in a way that was not asked for"),
        }
    }
}

/// The body decompressed.
///
/// # Errors
/// Too large by bytes or ratio; damaged.
pub(super) fn decode(coding: Coding, wire: Vec<u8>, limits: &FetchLimits) -> Result<Vec<u8>, FetchError> {
    let most = limits.max_bytes.min(RATIO_FREE.saturating_add(wire.len().saturating_mul(limits.max_ratio)));
    match coding {
        Coding::Identity if wire.len() > limits.max_bytes => too_large(limits.max_bytes),
        Coding::Identity => Ok(wire),
        // An empty body may say what it likes.
        _ if wire.is_empty() => Ok(wire),
        Coding::Gzip => bounded(MultiGzDecoder::new(&wire[..]), most),
        // Half of the world sends it with zlib's header, half without.
        Coding::Deflate if is_zlib(&wire) => bounded(ZlibDecoder::new(&wire[..]), most),
        Coding::Deflate => bounded(DeflateDecoder::new(&wire[..]), most),
    }
}

fn is_zlib(wire: &[u8]) -> bool {
    matches!(wire, [method, flags, ..] if method & 15 == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

fn bounded(mut from: impl Read, most: usize) -> Result<Vec<u8>, FetchError> {
    let mut out = Vec::new();
    let mut step = [0; STEP];
    loop {
        match from.read(&mut step) {
            Ok(0) => return Ok(out),
            Ok(n) if out.len() + n > most => return too_large(most),
            Ok(n) => out.extend_from_slice(&step[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return FetchError::malformed("the compressed answer is damaged"),
        }
    }
}

pub(super) fn too_large<T>(most: usize) -> Result<T, FetchError> {
    Err(FetchError::TooLarge(format!("the answer is larger than {most} bytes")))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut to = GzEncoder::new(Vec::new(), Compression::best());
        to.write_all(bytes).expect("written");
        to.finish().expect("ended")
    }

    #[test]
    fn a_bomb_is_met_by_ratio_and_by_bytes() {
        let limits = FetchLimits { max_bytes: 4 << 20, ..FetchLimits::default() };
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(decode(Coding::Gzip, bomb, &limits), Err(FetchError::TooLarge(_))));
        // 1,000 to 1, though small in bytes.
        let steep = gzip(&vec![b' '; 3 << 20]);
        assert!(matches!(decode(Coding::Gzip, steep, &limits), Err(FetchError::TooLarge(_))));
        let small = gzip(&vec![b' '; 60_000]);
        assert_eq!(decode(Coding::Gzip, small, &limits).expect("within the free part").len(), 60_000);
    }

    #[test]
    fn several_codings_and_unknown_ones_are_refused() {
        for bad in ["br", "gzip, gzip", "gzip,deflate", "zstd"] {
            Coding::read(Some(bad.as_bytes())).expect_err(bad);
        }
        assert_eq!(Coding::read(Some(b" X-GZIP ")), Ok(Coding::Gzip));
        assert_eq!(Coding::read(None), Ok(Coding::Identity));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let limits = FetchLimits::default();
            let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
            raw.write_all(&bytes).expect("written");
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(&bytes).expect("written");
            let zlib = zlib.finish().expect("ended");
            prop_assert_eq!(decode(Coding::Gzip, gzip(&bytes), &limits).expect("gzip"), bytes.clone());
            prop_assert_eq!(decode(Coding::Deflate, zlib, &limits).expect("zlib"), bytes.clone());
            prop_assert_eq!(decode(Coding::Deflate, raw.finish().expect("ended"), &limits).expect("raw"), bytes);
        }

        #[test]
        fn rubbish_ends_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let limits = FetchLimits::default();
            for coding in [Coding::Gzip, Coding::Deflate] {
                let _ = decode(coding, bytes.clone(), &limits);
            }
        }
    }
}
