use std::io::ErrorKind::WouldBlock;

use super::*;
use crate::env::alone::{alone, is_alone, read_from_disk_bytes};

#[test]
fn pieces_are_written_one_behind_the_other_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealFiles.open(&dir.path().join("a"), OpenMode::Create).unwrap();
    let numbers: Vec<[u8; 2]> = (0..3 * PIECES_MAX as u16 + 7).map(u16::to_be_bytes).collect();
    let mut pieces: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
    pieces.insert(0, b"");
    pieces.push(b"");
    file.write_all_at(b"head", 0).unwrap();
    file.write_all_vectored_at(&pieces, 4).unwrap();
    file.write_all_vectored_at(&[b"", b""], 2).unwrap();
    file.write_all_vectored_at(&[], 2).unwrap();
    let expected = [b"head", numbers.concat().as_slice()].concat();
    assert_eq!(RealFiles.read(&dir.path().join("a"), 1 << 20).unwrap(), expected);
}

/// A look whether something is cached has the kernel begin to read it: on a busy machine the disk can be
/// quicker than the look, which then takes it for cached. So what is to be seen may be missed, but not every
/// time.
fn at_last(mut attempt: impl FnMut() -> Result<(), &'static str>) {
    const ATTEMPTS: usize = 20;
    let mut missed = Ok(());
    for _ in 0..ATTEMPTS {
        missed = attempt();
        if missed.is_ok() {
            break;
        }
    }
    assert_eq!(missed, Ok(()));
}

#[test]
fn whole_blocks_are_written_past_the_page_cache_and_anything_else_through_it() {
    at_last(blocks_past_the_page_cache);
}

fn blocks_past_the_page_cache() -> Result<(), &'static str> {
    let look = |seen: bool, what: &'static str| seen.then_some(()).ok_or(what);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = RealFiles.open_direct(&path, OpenMode::Create).unwrap();
    let cached = |offset| is_cached(file.descriptor().unwrap(), offset);
    let mut expected = vec![0; 1 << 20];
    let mut memory = vec![0; expected.len() + BLOCK_BYTES];
    let aligned = block_start(&memory);
    let mut write = |from: usize, length: usize, misaligned: usize, value: u8| {
        let bytes = &mut memory[aligned + misaligned..][..length];
        bytes.fill(value);
        expected[from..from + length].fill(value);
        file.write_all_at(bytes, from as u64).unwrap();
        file.sync_data().unwrap();
    };
    write(0, 1 << 20, 0, 1);
    look(!cached(0), "a temporary folder on a file system that has O_DIRECT")?;
    write(256 << 10, 64 << 10, 0, 2);
    // Memory that is not aligned: little is copied, much goes through the cache.
    write(4096, 8192, 1, 3);
    look(!cached(4096), "memory that is not aligned")?;
    write(512 << 10, 128 << 10, 1, 4);
    assert!(cached(512 << 10));
    // No whole blocks: in a place that was written directly, and the other way round.
    write(300_001, 5, 0, 5);
    assert!(cached(300_001));
    write(256 << 10, 64 << 10, 0, 6);
    look(!cached(300_001), "what was cached is not what the file holds now")?;
    write(700_000, 10_000, 0, 7);
    assert_eq!(RealFiles.read(&path, 1 << 20).unwrap(), expected);
    assert!(RealFiles.open_direct(&path, OpenMode::Create).is_err(), "it exists");
    Ok(())
}

#[test]
fn in_haste_only_what_is_cached_is_read_and_only_so_often() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = RealFiles.open(&path, OpenMode::Create).unwrap();
    file.write_all_at(&[7; 64 << 10], 0).unwrap();
    file.sync_data().unwrap();
    let read = || {
        let mut bytes = [0; 100];
        file.read_exact_at(&mut bytes, 5000).map(|()| bytes).map_err(|error| error.kind())
    };
    assert_eq!(without_waiting(1, read), Ok([7; 100]));
    assert_eq!(without_waiting(2, || [read(), read(), read()])[1..], [Ok([7; 100]), Err(WouldBlock)]);
    let open = || RealFiles.open(&path, OpenMode::Read).map(|_| ()).map_err(|error| error.kind());
    assert_eq!(without_waiting(9, open), Err(WouldBlock));
    let panicked = std::panic::catch_unwind(|| without_waiting(0, || panic!("on purpose")));
    assert!(panicked.is_err());
    at_last(|| {
        file.drop_cache(0, 64 << 10).unwrap();
        without_waiting(9, read).is_err_and(|kind| kind == WouldBlock).then_some(()).ok_or("it is cached")
    });
    assert_eq!((read(), open()), (Ok([7; 100]), Ok(())), "there is time again");
}

/// By the kernel's account of this process: a look whether something is cached has it begin to read that.
#[test]
fn nothing_is_read_ahead_where_nobody_wants_it() {
    const PIECE: u64 = 64 << 10;
    const PLACES: u64 = 64;
    const PLACE_BYTES: u64 = 16 * PIECE;
    if !is_alone() {
        return drop(alone(module_path!(), "nothing_is_read_ahead_where_nobody_wants_it"));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = RealFiles.open(&path, OpenMode::Create).unwrap();
    file.write_all_at(&vec![7; (PLACES * PLACE_BYTES) as usize], 0).unwrap();
    file.sync_data().unwrap();
    file.drop_cache(0, PLACES * PLACE_BYTES).unwrap();
    let file = RealFiles.open(&path, OpenMode::Read).unwrap();
    file.read_nothing_ahead().unwrap();
    let before = read_from_disk_bytes();
    for at in (0..PLACES).flat_map(|place| [0, 1, 2].map(|piece| place * PLACE_BYTES + piece * PIECE)) {
        file.read_exact_at(&mut [0; PIECE as usize], at).unwrap();
    }
    let (read, asked_for) = (read_from_disk_bytes() - before, PLACES * 3 * PIECE);
    // The program's own pages come from the disk, too.
    assert!(read <= asked_for + (4 << 20), "{read} bytes where {asked_for} were asked for");
}

#[test]
fn a_file_that_is_not_writable_takes_no_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    RealFiles.open(&path, OpenMode::Create).unwrap();
    let file = RealFiles.open(&path, OpenMode::Read).unwrap();
    assert!(file.write_all_vectored_at(&[b"a", b"b"], 0).is_err());
}

#[test]
fn a_new_name_is_given_only_if_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let simulated = crate::env::simulated::SimulatedFiles::new(1);
    simulated.create_dir_all(dir.path()).unwrap();
    for files in [&RealFiles as &dyn Files, &simulated] {
        let path = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            let file = files.open(&path(name), OpenMode::Create).unwrap();
            file.write_all_at(name.as_bytes(), 0).unwrap();
        }
        files.rename_new(&path("a"), &path("c")).unwrap();
        let taken = files.rename_new(&path("b"), &path("c")).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(files.list(dir.path()).unwrap(), ["b", "c"]);
        assert_eq!(files.read(&path("c"), 1).unwrap(), b"a");
        let entry = files.entry(&path("c")).unwrap();
        assert_eq!((entry.is_directory, entry.bytes), (false, 1));
        assert!(files.entry(dir.path()).unwrap().is_directory);
        assert_eq!(files.entry(&path("a")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
