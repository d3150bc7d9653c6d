//! A lost node's place taken from its bucket, a directory here, by the program itself.

use std::path::Path;
use std::process::{Command, Output};

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest};

use highwater::env::{Files, RealFiles};

use crate::batches::{batch, split};
use crate::client::{Client, text};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process, command, run_to_end};
use crate::requests::{LATEST, Topic, error_name, name};

/// What a restore skips, see ADR 33.
const GAP: i64 = 1 << 40;

/// A broker that copies, looks and puts catalogues quickly.
fn quick(store: &str) -> Vec<String> {
    [
        store,
        "highwater.tier.catalogue.interval.ms=100",
        "remote.log.manager.task.interval.ms=50",
        "log.retention.check.interval.ms=20",
        "highwater.checkpoint.interval.ms=100",
        "offsets.topic.num.partitions=3",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn start(directory: &Path, store: &str) -> Process {
    let settings = quick(store);
    Process::start_with(directory, &settings.iter().map(String::as_str).collect::<Vec<_>>())
}

fn restore(from: &str, directory: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.env_clear().args(["restore", "--from", from, "--data-dir"]).arg(directory).args(more);
    command.output().expect("the program can be started")
}

fn commit(client: &mut Client, group: &str, topic: &str, offset: i64) {
    let partition =
        OffsetCommitRequestPartition::default().with_committed_offset(offset).with_committed_metadata(None);
    let topic = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    eventually(DEADLINE, "a commit", || {
        // Makes the topic of groups.
        drop(client.ask(3, &FindCoordinatorRequest::default().with_key(text(group))));
        let answer = client.ask(7, &request);
        (error_name(answer.topics[0].partitions[0].error_code) == "NONE").then_some(())
    });
}

fn committed(client: &mut Client, group: &str) -> i64 {
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(None);
    eventually(DEADLINE, "the group", || {
        let answer = client.ask(5, &request);
        (answer.error_code == 0)
            .then(|| answer.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset))
    })
}

/// Base offset and number of records of each batch from `offset` on, to the end.
fn read_on(client: &mut Client, topic: &Topic, mut offset: i64) -> Vec<(i64, i32)> {
    let mut found = Vec::new();
    loop {
        let answer = client.fetch(topic, 0, offset);
        assert_eq!(error_name(answer.error_code), "NONE", "from {offset} on");
        for (header, _) in split(&answer.records.unwrap_or_default()) {
            found.push((header.base_offset.0, header.records_count));
            offset = header.next_offset().0;
        }
        if offset >= answer.high_watermark {
            return found;
        }
    }
}

#[test]
fn a_lost_node_is_restored_and_stops_when_it_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let [old, new, bucket] = ["old", "new", "bucket"].map(|folder| directory.path().join(folder));
    RealFiles.create_dir_all(&bucket).unwrap();
    let from = format!("file://{}", bucket.display());
    let store = format!("highwater.tier.store={from}");
    let process = start(&old, &store);
    let mut client = process.client();
    let configs = [
        ("remote.storage.enable", "true"),
        ("segment.ms", "50"),
        ("local.retention.bytes", "1"),
        ("retention.ms", "-1"),
    ];
    let topic = client.create_topic("kept", 1, &configs);
    for _ in 0..3 {
        client.append(&topic, 0, batch(&["a", "b"]));
    }
    commit(&mut client, "g", "kept", 5);
    // All is copied, and the catalogue was put after that.
    let copied = || {
        let found = restore(&from, &new, &[]);
        let words = String::from_utf8_lossy(&found.stdout).into_owned();
        let is_all =
            words.contains("kept-0: offsets 0 to 5 restored") && words.contains("1 committed offsets");
        (found.status.code() == Some(0) && is_all).then_some(words)
    };
    let words = eventually(DEADLINE, "everything to be copied", copied);
    assert!(words.contains("nothing was changed. With --take-over"), "{words}");
    let leader_epoch = client.leader_epoch("kept", 0);

    // It is not lost yet: it stops by itself when another one takes its place.
    let done = restore(&from, &new, &["--take-over", "--old-node-is-dead"]);
    let words = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(done.status.code(), Some(0), "{words:?}");
    assert!(
        words[0].contains("as owner 2 of the store") && words[0].contains("no consistent cut"),
        "{words:?}"
    );
    let (code, log) = process.end();
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("taken over by owner 2"), "{log}");

    let process = start(&new, &store);
    let mut client = process.client();
    assert_eq!(client.append(&topic, 0, batch(&["next"])), 6 + GAP, "the topic has its id");
    let mut expected = read_on(&mut client, &topic, 0);
    assert_eq!(expected.split_off(expected.len() - 3), [(6, 0), (5 + GAP, 0), (6 + GAP, 1)]);
    assert_eq!(expected.iter().map(|(_, records)| records).sum::<i32>(), 6);
    assert_eq!(committed(&mut client, "g"), 5);
    assert_eq!(client.list_offset(&topic, 0, LATEST).offset, 7 + GAP);
    assert!(client.leader_epoch("kept", 0) > leader_epoch + 1000);
    process.stop();

    // The old one does not start again; the new one is not overwritten.
    let mut again = command(&old);
    again.args(["--override", &store]);
    let (code, log) = run_to_end(&mut again);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("was taken over") && log.contains("start no broker on it"), "{log}");
    let refused = restore(&from, &new, &["--take-over"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
}
