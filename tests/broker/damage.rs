//! What a start does with a data directory that somebody damaged.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::batches::{SOME_TIME, batch, batch_with, idempotent, values};
use crate::client::Client;
use crate::disk::{entries_ending, find, flip_bit, read, remove, size_bytes, write};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process, command, run_to_end};
use crate::requests::{Topic, error_name};

/// A record's value that is found in files: nothing else has these bytes.
const MARK: &str = "a mark that stands nowhere else";

fn path_of(directory: &TempDir, topic: &str) -> PathBuf {
    directory.path().join(format!("{topic}-0"))
}

/// The newest of the files that end so.
fn newest(folder: &Path, end: &str) -> PathBuf {
    entries_ending(folder, end).pop().expect("a file")
}

/// Enough batches for several index entries.
fn fill(client: &mut Client, topic: &Topic) {
    let value = "x".repeat(1000);
    for number in 0..40 {
        client.append(topic, 0, batch_with(&[&value], SOME_TIME + 10 * number, |_| {}));
    }
}

/// What the indexes are for.
fn check_look_ups(client: &mut Client, topic: &Topic) {
    for number in [0, 17, 39] {
        let read = values(&client.fetch(topic, 0, number).records.unwrap_or_default());
        assert_eq!(read[0].0, number);
        assert_eq!(client.list_offset(topic, 0, SOME_TIME + 10 * number - 5).offset, number);
    }
}

#[test]
fn a_damaged_or_missing_index_is_written_anew() {
    let damages: [fn(&Path); 3] = [|path| flip_bit(path, 11), remove, |path| write(path, &read(path)[..5])];
    for end in [".index", ".timeindex"] {
        for damage in damages {
            let directory = tempfile::tempdir().unwrap();
            let process = Process::start(directory.path());
            let mut client = process.client();
            let topic = client.create_topic("t", 1, &[]);
            fill(&mut client, &topic);
            process.stop();
            let index = newest(&path_of(&directory, "t"), end);
            let good = read(&index);
            assert!(good.len() >= 24, "{} bytes in {end}", good.len());
            damage(&index);
            let process = Process::start(directory.path());
            check_look_ups(&mut process.client(), &topic);
            process.stop();
            assert!(read(&index) == good, "{end} is not what it was");
        }
    }
}

#[test]
fn damaged_state_costs_a_replay_and_nothing_else() {
    for generations in [1, 2] {
        let directory = tempfile::tempdir().unwrap();
        let mut topic = None;
        // Each stop leaves a generation.
        for sequence in 0..3 {
            let process = Process::start(directory.path());
            let mut client = process.client();
            let topic = topic.get_or_insert_with(|| client.create_topic("t", 1, &[]));
            let offset = client.append(topic, 0, idempotent(7, 0, sequence, &["a"]));
            assert_eq!(offset, i64::from(sequence));
            process.stop();
        }
        let states = entries_ending(&path_of(&directory, "t"), ".state");
        assert_eq!(states.len(), 2, "{states:?}");
        for state in states.iter().rev().take(generations) {
            flip_bit(state, 40);
        }
        let process = Process::start(directory.path());
        let (mut client, topic) = (process.client(), topic.unwrap());
        for sequence in 0..3 {
            let answer = client.produce(&topic, 0, idempotent(7, 0, sequence, &["a"]));
            assert_eq!((error_name(answer.error_code), answer.base_offset), ("NONE", i64::from(sequence)));
        }
        let answer = client.produce(&topic, 0, idempotent(7, 0, 4, &["a"]));
        assert_eq!(error_name(answer.error_code), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        assert_eq!(client.read_all(&topic, 0).len(), 3);
    }
}

#[test]
fn a_damaged_segment_stops_its_partition_and_no_other() {
    /// In a batch header, less its lowest bit: the magic.
    const MAGIC_AT: usize = 16;
    let damages: [fn(&Path); 2] = [|path| flip_bit(path, MAGIC_AT), |path| write(path, &read(path)[..100])];
    for damage in damages {
        let directory = tempfile::tempdir().unwrap();
        let process = Process::start(directory.path());
        let mut client = process.client();
        let [damaged, whole] = ["damaged", "whole"].map(|name| client.create_topic(name, 1, &[]));
        for topic in [&damaged, &whole] {
            fill(&mut client, topic);
        }
        process.stop();
        damage(&newest(&path_of(&directory, "damaged"), ".log"));
        let process = Process::start(directory.path());
        let mut client = process.client();
        let error = eventually(DEADLINE, "the damage to be noticed", || {
            let error = error_name(client.fetch(&damaged, 0, 0).error_code);
            (error != "NONE").then_some(error)
        });
        assert_eq!(error, "KAFKA_STORAGE_ERROR");
        let answer = client.produce(&damaged, 0, batch(&["a"]));
        assert_eq!(error_name(answer.error_code), "KAFKA_STORAGE_ERROR");
        let log = process.log();
        assert!(log.contains("damaged-0") && log.contains("ERROR"), "{log}");
        check_look_ups(&mut client, &whole);
        assert_eq!(client.append(&whole, 0, batch(&["a"])), 40);
        assert_eq!(process.metric("kafka_controller_kafkacontroller_offlinepartitionscount"), Some(1.0));
    }
}

/// A directory whose WAL holds records that no segment has yet; the WAL's file with `MARK`, and where it is.
fn killed() -> (TempDir, Topic, PathBuf, usize) {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("t", 1, &[]);
    for value in [MARK, "b", "c"] {
        client.append(&topic, 0, batch(&[value]));
    }
    process.kill();
    let files = entries_ending(&directory.path().join("wal"), ".wal");
    let found = files.into_iter().find_map(|path| {
        let at = find(&read(&path), MARK.as_bytes())?;
        Some((path, at))
    });
    let (path, at) = found.expect("the record is in the WAL");
    (directory, topic, path, at)
}

#[test]
fn a_flipped_bit_of_an_acknowledged_record_in_the_wal_prevents_the_start() {
    let (directory, topic, path, at) = killed();
    flip_bit(&path, at);
    let (code, log) = run_to_end(&mut command(directory.path()));
    assert_eq!(code, Some(74), "{log}");
    let file = path.file_name().unwrap().to_string_lossy();
    assert!(log.contains(&*file) && log.contains("LSN"), "{log}");
    // Nothing was changed: with the bit as it was, all is there.
    flip_bit(&path, at);
    let process = Process::start(directory.path());
    assert_eq!(process.client().read_all(&topic, 0).len(), 3);
    process.wait_for_log("replayed the write-ahead log");
}

/// A frame as it would follow the last one of `wal`, torn: its header is whole, its payload is not there.
fn add_torn_frame(path: &Path) {
    const FRAME_BYTES: usize = 4096;
    const LSN_AT: usize = 40;
    const PREVIOUS_CRC_AT: usize = 60;
    const HEADER_CRC_AT: usize = 68;
    let mut bytes = read(path);
    let starts = |at: &usize| bytes[*at..].starts_with(b"HWWALFRM");
    let last = (0..bytes.len()).step_by(FRAME_BYTES).rfind(starts).expect("a frame");
    let next = last + FRAME_BYTES;
    bytes.copy_within(last..last + HEADER_CRC_AT, next);
    bytes.copy_within(last + HEADER_CRC_AT..last + HEADER_CRC_AT + 4, next + PREVIOUS_CRC_AT);
    let lsn = u64::from_be_bytes(bytes[last + LSN_AT..last + LSN_AT + 8].try_into().expect("eight bytes"));
    let lsn = lsn + u64::try_from(FRAME_BYTES).expect("a small number");
    bytes[next + LSN_AT..next + LSN_AT + 8].copy_from_slice(&lsn.to_be_bytes());
    // A group of one entry of 1000 bytes.
    bytes[next + 10] = 1;
    bytes[next + 12..next + 16].copy_from_slice(&1_u32.to_be_bytes());
    bytes[next + 56..next + 60].copy_from_slice(&1000_u32.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[next..next + HEADER_CRC_AT]);
    bytes[next + HEADER_CRC_AT..next + HEADER_CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    write(path, &bytes);
}

#[test]
fn a_torn_tail_of_the_wal_is_cut_off() {
    let (directory, topic, path, _) = killed();
    add_torn_frame(&path);
    let process = Process::start(directory.path());
    let mut client = process.client();
    assert_eq!(client.read_all(&topic, 0).len(), 3);
    assert_eq!(client.append(&topic, 0, batch(&["next"])), 3);
    process.kill();
    let process = Process::start(directory.path());
    assert_eq!(process.client().read_all(&topic, 0).len(), 4);
}

#[test]
fn a_stop_leaves_nothing_to_replay() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("t", 1, &[]);
    client.append(&topic, 0, idempotent(7, 0, 0, &["a", "b"]));
    process.stop();
    // What nobody needs can go.
    let wal = directory.path().join("wal");
    entries_ending(&wal, ".wal").iter().for_each(|path| remove(path));
    assert_eq!(size_bytes(&wal), 0);
    let process = Process::start(directory.path());
    let mut client = process.client();
    assert_eq!(client.append(&topic, 0, idempotent(7, 0, 0, &["a", "b"])), 0, "a duplicate");
    assert_eq!(client.append(&topic, 0, idempotent(7, 0, 2, &["c"])), 2);
    assert_eq!(client.read_all(&topic, 0).len(), 3);
    assert!(!process.stop().contains("replayed the write-ahead log"));
}

#[test]
fn what_the_wal_holds_of_a_damaged_partition_is_kept_until_it_is_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("t", 1, &[]);
    fill(&mut client, &topic);
    process.stop();
    let process = Process::start(directory.path());
    process.client().append(&topic, 0, batch(&[MARK]));
    process.kill();
    let segment = newest(&path_of(&directory, "t"), ".log");
    let good = read(&segment);
    write(&segment, &good[..100]);
    for killed in [true, false, true] {
        let process = Process::start(directory.path());
        let error = error_name(process.client().fetch(&topic, 0, 0).error_code);
        assert_eq!(error, "KAFKA_STORAGE_ERROR");
        if killed { process.kill() } else { drop(process.stop()) }
    }
    // From a backup.
    write(&segment, &good);
    let process = Process::start(directory.path());
    let mut client = process.client();
    let read = client.read_all(&topic, 0);
    assert_eq!((read.len(), read.last()), (41, Some(&(40, MARK.to_owned()))));
    assert_eq!(client.append(&topic, 0, batch(&["next"])), 41);
}

#[test]
fn a_directory_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    Process::start(directory.path()).stop();
    let path = directory.path().join("meta.properties");
    let text = String::from_utf8(read(&path)).unwrap();
    let newer = text.replace("highwater.format.version=1", "highwater.format.version=2");
    assert_ne!(newer, text);
    write(&path, newer.as_bytes());
    let (code, log) = run_to_end(&mut command(directory.path()));
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("has format version 2") && log.contains("use the newer one"), "{log}");
}

#[test]
fn the_scrubber_finds_damage_below_the_checkpoint_and_stops_that_partition_alone() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let damaged = client.create_topic("damaged", 1, &[]);
    let other = client.create_topic("other", 1, &[]);
    fill(&mut client, &other);
    for value in ["first", MARK, "last"] {
        client.append(&damaged, 0, batch(&[value]));
    }
    process.stop();
    let segment = newest(&path_of(&directory, "damaged"), ".log");
    let at = find(&read(&segment), MARK.as_bytes()).unwrap();
    flip_bit(&segment, at);

    let process = Process::start(directory.path());
    process.wait_for_log("is damaged at byte");
    let place = format!("{} is damaged at byte ", segment.display());
    assert!(process.log().contains(&place) && process.log().contains("offset 1: "), "{}", process.log());
    eventually(DEADLINE, "the end of a round", || {
        (process.metric("highwater_scrub_last_round_time_seconds")? > 0.0).then_some(())
    });
    assert_eq!(process.metric("highwater_scrub_damage_total"), Some(1.0));
    assert!(process.metric("highwater_scrubbed_bytes_total").unwrap() >= 40_000.0);
    let mut client = process.client();
    assert_eq!(error_name(client.fetch(&damaged, 0, 0).error_code), "KAFKA_STORAGE_ERROR");
    check_look_ups(&mut client, &other);
    client.append(&other, 0, batch(&["goes on"]));
    process.stop();
}
