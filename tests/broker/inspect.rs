//! `highwater verify` and `highwater dump`, as people run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::batches::{SOME_TIME, batch, batch_with, idempotent};
use crate::client::Client;
use crate::disk::{entries_ending, find, flip_bit, read, times, write};
use crate::process::Process;
use crate::requests::Topic;

const MARK: &str = "a mark that stands nowhere else";

/// Exit code, what was printed, and what was complained of.
fn run(words: &[&str], paths: &[&Path]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.env_clear().stdin(Stdio::null()).args(words).args(paths);
    let output = command.output().expect("the program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

fn verify(directory: &Path) -> (i32, String) {
    let (code, out, err) = run(&["verify"], &[directory]);
    (code, out + &err)
}

/// A stopped broker's directory with a topic `t`: its first record carries the mark.
fn filled() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client: Client = process.client();
    let topic: Topic = client.create_topic("t", 1, &[]);
    client.append(&topic, 0, batch(&[MARK]));
    let value = "x".repeat(1000);
    for number in 0..40 {
        client.append(&topic, 0, batch_with(&[&value], SOME_TIME + 10 * number, |_| {}));
    }
    client.append(&topic, 0, idempotent(7, 0, 0, &["last"]));
    process.stop();
    let segment = entries_ending(&directory.path().join("t-0"), ".log").remove(0);
    (directory, segment)
}

#[test]
fn a_directory_is_checked_and_stays_as_it_is() {
    let (directory, segment) = filled();
    let before = times(directory.path());
    let (code, told) = verify(directory.path());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 topics, 1 partitions: 1 segments with 42 record batches"), "{told}");
    assert!(times(directory.path()) == before, "it changed something");

    let at = find(&read(&segment), MARK.as_bytes()).unwrap();
    flip_bit(&segment, at);
    let before = times(directory.path());
    let (code, told) = verify(directory.path());
    assert_eq!(code, 1, "{told}");
    let place =
        format!("error  {} at byte 0, offset 0: the checksum of the record batch is", segment.display());
    assert!(told.contains(&place) && told.contains("what to do: ") && told.contains("1 ERRORS"), "{told}");
    assert!(times(directory.path()) == before, "it changed something");
}

#[test]
fn what_a_killed_broker_leaves_is_whole_and_a_running_one_keeps_it_out() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("t", 2, &[]);
    for sequence in 0..20 {
        client.append(&topic, 0, idempotent(7, 0, sequence, &["a"]));
    }
    let (code, told) = verify(directory.path());
    assert_eq!(code, 74, "{told}");
    assert!(told.contains("a broker runs on"), "{told}");
    process.kill();
    let before = times(directory.path());
    let (code, told) = verify(directory.path());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("the next start replays them") && told.contains("clean, 1 notes"), "{told}");
    assert!(times(directory.path()) == before, "it changed something");
}

#[test]
fn what_is_no_data_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (code, told) = verify(directory.path());
    assert_eq!((code, told.contains("is not a data directory")), (78, true), "{told}");
    assert_eq!(verify(&directory.path().join("absent")).0, 74);
    let config = directory.path().join("server.properties");
    write(&config, format!("log.dirs={}\n", directory.path().display()).as_bytes());
    assert_eq!(run(&["verify", "--config"], &[&config]).0, 78, "the directory of the configuration");
}

#[test]
fn every_kind_of_file_is_told_in_words_and_in_json() {
    let (directory, segment) = filled();
    let partition = segment.parent().unwrap();
    let file = |end: &str| entries_ending(partition, end).pop().unwrap();
    let wal = entries_ending(&directory.path().join("wal"), ".wal").remove(0);
    for (path, expected) in [
        (segment.clone(), "offsets 0..0"),
        (segment.clone(), "producer 7/0 sequence 0..0"),
        (file(".index"), "begins at byte"),
        (file(".timeindex"), "offset 4"),
        (file(".state"), "producer 7          epoch 0"),
        (file(".state"), "leader epoch 0      from offset 0"),
        (file("partition.metadata"), "topic id "),
        (directory.path().join("checkpoint.0"), "segments are durable up to offset 42"),
        (directory.path().join("checkpoint.0"), "topics/t = "),
        (directory.path().join("meta.properties"), "node 1"),
        (wal.clone(), "metadata revision"),
        (wal, "records of "),
        (directory.path().to_owned(), "write-ahead log"),
    ] {
        let (code, words, complaints) = run(&["dump"], &[&path]);
        assert_eq!(code, 0, "{}: {complaints}", path.display());
        assert!(words.contains(expected), "{} lacks {expected}: {words}", path.display());
        let (code, json, _) = run(&["dump", "--json"], &[&path]);
        assert_eq!(code, 0);
        // The same things, each an object of its own.
        assert_eq!(json.lines().count(), words.lines().count(), "{}", path.display());
        json.lines()
            .for_each(|line| assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}"));
    }
    let (_, words, _) = run(&["dump", "--records"], &[&segment]);
    assert!(words.contains(&format!("value \"{MARK}\"")), "{words}");
    let (_, json, _) = run(&["dump", "--records", "--json"], &[&segment]);
    let records = json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(records.filter(|record| record["value"] == MARK).count(), 1);
}

#[test]
fn a_damaged_file_is_told_as_far_as_it_goes_and_then_where_it_is_damaged() {
    let (directory, segment) = filled();
    let bytes = read(&segment);
    let at = find(&bytes, MARK.as_bytes()).unwrap();
    flip_bit(&segment, at);
    let (code, words, _) = run(&["dump", "--records"], &[&segment]);
    assert_eq!(code, 1, "{words}");
    assert!(
        words.contains("DAMAGED at byte 0: its checksum is") && words.contains("offsets 41..41"),
        "{words}"
    );
    // Cut in the middle of the last batch.
    write(&segment, &bytes[..bytes.len() - 3]);
    let (code, words, _) = run(&["dump"], &[&segment]);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("offsets 40..40") && words.contains("DAMAGED at byte "), "{words}");
    for name in ["checkpoint.0", "meta.properties"] {
        let path = directory.path().join(name);
        write(&path, &read(&path)[..40]);
        assert_eq!(run(&["dump"], &[&path]).0, 1, "{name}");
    }
    let wal = entries_ending(&directory.path().join("wal"), ".wal").remove(0);
    flip_bit(&wal, 60);
    let (code, words, _) = run(&["dump"], &[&wal]);
    assert_eq!((code, words.contains("DAMAGED at byte 0: a frame begins here")), (1, true));
}

#[test]
fn what_cannot_be_told_ends_with_74_and_mistakes_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.txt");
    write(&other, b"nothing of ours");
    let (code, _, complaints) = run(&["dump"], &[&other]);
    assert_eq!((code, complaints.contains("is no file of highwater")), (74, true), "{complaints}");
    assert_eq!(run(&["dump"], &[&directory.path().join("absent.log")]).0, 74);
    assert_eq!(run(&["dump"], &[]).0, 2);
    assert_eq!(run(&["verify", "--what"], &[]).0, 2);
}

/// As in `highwater verify ./data | head -1`.
#[test]
fn who_has_seen_enough_gets_the_verdict_as_exit_code_all_the_same() {
    let (directory, segment) = filled();
    flip_bit(&segment, find(&read(&segment), MARK.as_bytes()).unwrap());
    for words in ["verify", "dump"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.env_clear().stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = command.arg(words).arg(directory.path()).output().expect("it can be started");
        let expected = if words == "verify" { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{words}: {output:?}");
        assert!(output.stderr.is_empty(), "{words}: {output:?}");
    }
}
