use std::ops::ControlFlow;
use std::path::PathBuf;

use super::{BLOCK_ENTRIES, CheckedIndex};
use crate::env::Files;
use crate::env::simulated::SimulatedWorld;
use crate::log::handles::{FileKey, FileKind, HandleCache};
use crate::log::index::IndexEntry;
use crate::log::{AbortedTransaction, LogError};
use crate::model::{Offset, ProducerId};

const KEY: FileKey = FileKey { generation: 0, base_offset: 0, kind: FileKind::TransactionIndex };

fn entry(at: usize) -> AbortedTransaction {
    let offset = |plus: i64| Offset(at as i64 * 10 + plus);
    AbortedTransaction {
        producer_id: ProducerId(at as i64 % 7),
        first_offset: offset(0),
        last_offset: offset(5),
        last_stable_offset: offset(6),
    }
}

fn path() -> PathBuf {
    PathBuf::from("/0.txnindex")
}

fn visited(
    index: &CheckedIndex<AbortedTransaction>,
    world: &SimulatedWorld,
    handles: &HandleCache,
    from: usize,
    count: usize,
) -> Result<Vec<AbortedTransaction>, LogError> {
    let mut found = Vec::new();
    let before = |entry: &AbortedTransaction| entry.last_offset < Offset(from as i64 * 10);
    let _ = index.visit_after(&world.files, handles, before, &mut |entry| {
        found.push(entry);
        if found.len() == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

#[test]
fn what_was_written_is_read_and_nothing_that_was_not() {
    for count in [0, 1, BLOCK_ENTRIES - 1, BLOCK_ENTRIES, BLOCK_ENTRIES + 1, 3 * BLOCK_ENTRIES + 5] {
        let (world, handles) = (SimulatedWorld::new(1), HandleCache::new(10));
        let index = CheckedIndex::new(KEY, path());
        let entries: Vec<_> = (0..count).map(entry).collect();
        entries.chunks(100).for_each(|some| index.append(&world.files, &handles, some).unwrap());
        for from in [0, 1, count / 2, count.saturating_sub(1), count] {
            let all = visited(&index, &world, &handles, from, usize::MAX).unwrap();
            assert_eq!(all, entries[from.min(count)..], "{count} from {from}");
        }
        let bytes = (count * AbortedTransaction::BYTES) as u64;
        let verify = |from, max| index.verify(&world.files, &handles, from, max).unwrap();
        assert_eq!(verify(0, u64::MAX), (bytes, None));
        // The same a block at a time.
        let (mut at, mut sum) = (Some(0), 0);
        while let Some(from) = at {
            let (bytes, next) = verify(from, 1);
            assert!(bytes <= (BLOCK_ENTRIES * AbortedTransaction::BYTES) as u64);
            (at, sum) = (next, sum + bytes);
        }
        assert_eq!(sum, bytes);

        let adopted = CheckedIndex::new(FileKey { generation: 1, ..KEY }, path());
        assert!(adopted.adopt(&world.files, &handles, index.summary()).unwrap());
        adopted.append(&world.files, &handles, &[entry(count)]).unwrap();
        assert_eq!(visited(&adopted, &world, &handles, 0, usize::MAX).unwrap().len(), count + 1);
    }
}

/// Every bit counts, and of the blocks that are not read none.
#[test]
fn a_flipped_bit_is_told() {
    let (world, handles) = (SimulatedWorld::new(1), HandleCache::new(10));
    let index = CheckedIndex::new(KEY, path());
    let entries: Vec<_> = (0..2 * BLOCK_ENTRIES + 3).map(entry).collect();
    index.append(&world.files, &handles, &entries).unwrap();
    for byte in (0..entries.len() * AbortedTransaction::BYTES).step_by(97) {
        let at = byte / AbortedTransaction::BYTES / BLOCK_ENTRIES;
        world.files.flip_bit(&path(), byte as u64, (byte % 8) as u8).unwrap();
        for block in 0..3 {
            let from = block * BLOCK_ENTRIES;
            let found = visited(&index, &world, &handles, from, 1);
            assert_eq!(matches!(found, Err(LogError::Corrupt { .. })), block == at, "byte {byte}: {found:?}");
        }
        let verified = index.verify(&world.files, &handles, 0, u64::MAX);
        assert!(matches!(verified, Err(LogError::Corrupt { .. })), "byte {byte}: {verified:?}");
        world.files.flip_bit(&path(), byte as u64, (byte % 8) as u8).unwrap();
    }
    assert_eq!(visited(&index, &world, &handles, 0, usize::MAX).unwrap(), entries);
}

#[test]
fn what_is_taken_back_is_forgotten() {
    let (world, handles) = (SimulatedWorld::new(1), HandleCache::new(10));
    let index = CheckedIndex::new(KEY, path());
    for at in 0..BLOCK_ENTRIES + 2 {
        let mark = index.mark();
        assert_eq!(mark.is_empty(), at == 0);
        index.append(&world.files, &handles, &[entry(at + 1000)]).unwrap();
        index.take_back(&mark);
        index.append(&world.files, &handles, &[entry(at)]).unwrap();
        if at % 50 == 0 || at >= BLOCK_ENTRIES - 1 {
            let expected: Vec<_> = (0..=at).map(entry).collect();
            assert_eq!(visited(&index, &world, &handles, 0, usize::MAX).unwrap(), expected);
        }
    }
}

/// A reader that comes when retention has removed the file must neither make it anew nor find it damaged.
#[test]
fn a_file_that_is_gone_is_not_made_by_who_reads() {
    let (world, handles) = (SimulatedWorld::new(1), HandleCache::new(10));
    let index = CheckedIndex::new(KEY, path());
    index.append(&world.files, &handles, &[entry(0)]).unwrap();
    handles.forget(KEY);
    world.files.remove_file(&path()).unwrap();
    let found = visited(&index, &world, &handles, 0, 1);
    let Err(LogError::Read { source, .. }) = found else { panic!("{found:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    assert!(!world.files.exists(&path()).unwrap());
}
