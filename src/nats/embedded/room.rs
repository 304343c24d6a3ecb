//! How much of the disk the streams may take.

use std::path::Path;

/// Bytes that the streams may take in all: three quarters of what is free and of what they hold already. Left to itself
/// the server counts only the first: the fuller its own store, the less it would grant after a restart, until a stream
/// that was lost could not be made again. `None` when the system does not tell.
pub(super) fn granted(store_dir: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(store_dir).ok()?;
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    Some(share(free, held(&store_dir.join("jetstream"))))
}

fn share(free: u64, held: u64) -> u64 {
    free.saturating_add(held) / 4 * 3
}

/// Bytes of all files below `folder`. What cannot be looked at is not counted: less is granted then.
fn held(folder: &Path) -> u64 {
    let mut bytes = 0u64;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(it) if it.is_dir() => folders.push(entry.path()),
                Ok(it) if it.is_file() => bytes = bytes.saturating_add(it.len()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_streams_hold_takes_nothing_from_what_they_may_take() {
        let disk = 40 << 30;
        for held in [0, 1 << 30, 30 << 30, disk] {
            assert_eq!(share(disk - held, held), 30 << 30);
        }
        assert_eq!(share(u64::MAX, u64::MAX), u64::MAX / 4 * 3);
    }

    #[test]
    fn files_of_all_depths_are_counted_and_what_a_link_leads_to_is_not() {
        let store = tempfile::tempdir().expect("a folder");
        assert_eq!(held(&store.path().join("jetstream")), 0, "nothing there yet");
        let deep = store.path().join("jetstream/$G/streams/DEX_IN/msgs");
        std::fs::create_dir_all(&deep).expect("made");
        std::fs::write(deep.join("1.blk"), vec![1; 300_000]).expect("written");
        std::fs::write(store.path().join("jetstream/meta"), vec![1; 100_000]).expect("written");
        std::os::unix::fs::symlink("/", store.path().join("jetstream/link")).expect("linked");
        let counted = held(&store.path().join("jetstream"));
        assert!((400_000..500_000).contains(&counted), "{counted}");
        assert!(granted(store.path()).is_some_and(|granted| granted > counted / 4 * 3));
        assert_eq!(granted(&store.path().join("missing")), None);
    }
}
