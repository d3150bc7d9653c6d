//! Topics: made, listed, deleted, made again, through crashes.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::ProduceRequest;

use crate::batches::batch;
use crate::client::Client;
use crate::disk::{copy_folder, partition_folders, size_bytes};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{PRODUCE, Topic, error_name, fetch, fetched, produce};

#[test]
fn topics_are_made_listed_and_deleted_and_stay_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(directory.path());
    let mut client = process.client();
    assert_eq!(client.topic_names(), Vec::<String>::new());
    for name in ["a", "b", "c"] {
        client.create_topic(name, 3, &[]);
    }
    assert_eq!(client.delete_topic("b"), "NONE");
    assert_eq!(client.delete_topic("b"), "UNKNOWN_TOPIC_OR_PARTITION");
    for killed in [true, false] {
        assert_eq!(client.topic_names(), ["a", "c"]);
        assert_eq!(client.topic("a").partitions.len(), 3);
        assert_eq!(error_name(client.topic("b").error_code), "UNKNOWN_TOPIC_OR_PARTITION");
        if killed {
            process.kill()
        } else {
            drop(process.stop())
        }
        process = Process::start(directory.path());
        client = process.client();
    }
    assert_eq!(client.topic_names(), ["a", "c"]);
}

/// A broker that may be killed and started again at every step.
struct Steps<'a> {
    directory: &'a Path,
    process: Option<Process>,
    kills: std::array::IntoIter<bool, 4>,
}

impl Steps<'_> {
    /// A client for the next step.
    fn next(&mut self) -> Client {
        if self.kills.next().expect("a choice for each step") {
            self.process.take().expect("it runs").kill();
            self.process = Some(Process::start(self.directory));
        }
        self.process.as_ref().expect("it runs").client()
    }
}

/// Creates, writes, deletes, creates again, with a crash before the steps that `kills` names.
fn create_again(kills: [bool; 4]) {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let old = process.client().create_topic("same", 1, &[]);
    let process = Some(process);
    let mut steps = Steps { directory: directory.path(), process, kills: kills.into_iter() };
    let mut client = steps.next();
    for _ in 0..3 {
        client.append(&old, 0, batch(&["old", "old"]));
    }
    assert_eq!(steps.next().delete_topic("same"), "NONE");
    let new = steps.next().create_topic("same", 1, &[]);
    assert_ne!(new.id, old.id);
    let mut client = steps.next();
    assert_eq!(client.topic("same").topic_id, new.id);
    assert_eq!(client.read_all(&new, 0), [], "{kills:?}");
    assert_eq!(client.append(&new, 0, batch(&["new"])), 0, "{kills:?}");
    assert_eq!(client.read_all(&new, 0), [(0, "new".to_owned())], "{kills:?}");
    let answer = fetched(client.ask(13, &fetch(13, &old, 0, 0)));
    assert_eq!(error_name(answer.error_code), "UNKNOWN_TOPIC_ID");
    assert!(answer.records.unwrap_or_default().is_empty());
}

#[test]
fn a_topic_made_again_never_shows_a_record_of_the_old_one() {
    for kills in 0..16 {
        create_again([1, 2, 4, 8].map(|bit| kills & bit != 0));
    }
}

/// Creates a topic, writes its id into it, deletes it, again and again until the broker is gone.
fn come_and_go(mut client: Client, count: &AtomicUsize) -> io::Result<()> {
    loop {
        // The one that a killed broker left, or a new one.
        let id = match client.try_create_topic("fleeting")? {
            Some(topic) => topic.id,
            None => client.try_topic_id("fleeting")?,
        };
        let topic = Topic { name: "fleeting".to_owned(), id };
        let answer = client.try_produce(&topic, 0, batch(&[&id.to_string()]))?;
        assert_eq!(error_name(answer.error_code), "NONE");
        count.fetch_add(1, Ordering::Relaxed);
        client.try_delete_topic("fleeting")?;
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn killed_while_topics_come_and_go_each_shows_its_own_records_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(directory.path());
    for cycle in 0..15 {
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let client = process.client();
            scope.spawn(|| come_and_go(client, &count));
            eventually(DEADLINE, "topics to come and go", || {
                (count.load(Ordering::Relaxed) > cycle % 7).then_some(())
            });
            process.signal(rustix::process::Signal::KILL);
        });
        drop(process);
        process = Process::start(directory.path());
        let mut client = process.client();
        let found = client.topic("fleeting");
        if error_name(found.error_code) == "NONE" {
            let topic = Topic { name: "fleeting".to_owned(), id: found.topic_id };
            for (_, value) in client.read_all(&topic, 0) {
                assert_eq!(value, found.topic_id.to_string());
            }
        }
        let folders = partition_folders(directory.path(), "fleeting");
        assert!(folders.iter().all(|name| name == "fleeting-0"), "cycle {cycle}: {folders:?}");
    }
}

#[test]
fn a_folder_whose_deletion_was_cut_off_makes_way() {
    let directory = tempfile::tempdir().unwrap();
    let aside = tempfile::tempdir().unwrap();
    let (folder, copy) = (directory.path().join("same-0"), aside.path().join("same-0"));
    let process = Process::start(directory.path());
    let mut client = process.client();
    let old = client.create_topic("same", 1, &[]);
    client.append(&old, 0, batch(&["old", "old"]));
    process.stop();
    copy_folder(&folder, &copy);
    let process = Process::start(directory.path());
    assert_eq!(process.client().delete_topic("same"), "NONE");
    process.kill();
    // As if the crash had come between the durable deletion and the first change of the folder.
    assert!(partition_folders(directory.path(), "same").iter().all(|name| name != "same-0"));
    copy_folder(&copy, &folder);
    for killed in [true, false] {
        let process = Process::start(directory.path());
        let mut client = process.client();
        assert_eq!(client.topic_names(), Vec::<String>::new());
        eventually(DEADLINE, "the folder to go", || {
            partition_folders(directory.path(), "same").is_empty().then_some(())
        });
        if killed { process.kill() } else { drop(process.stop()) }
    }
    let process = Process::start(directory.path());
    let mut client = process.client();
    let new = client.create_topic("same", 1, &[]);
    assert_eq!(client.read_all(&new, 0), []);
    assert_eq!(client.append(&new, 0, batch(&["new"])), 0);
}

#[test]
fn deletion_frees_the_disk() {
    const BATCHES: u64 = 8;
    let directory = tempfile::tempdir().unwrap();
    // Segments are written when there is a checkpoint.
    let process = Process::start_with(directory.path(), &["highwater.checkpoint.interval.ms=100"]);
    let mut client = process.client();
    let topic = client.create_topic("large", 2, &[]);
    let kept = client.create_topic("kept", 1, &[]);
    client.append(&kept, 0, batch(&["kept"]));
    let value = "x".repeat(1_000_000);
    for number in 0..BATCHES {
        client.append(&topic, i32::try_from(number % 2).unwrap(), batch(&[&value]));
    }
    let written = BATCHES * 1_000_000;
    eventually(DEADLINE, "records to be in segments", || {
        let sizes = [0, 1].map(|partition| size_bytes(&directory.path().join(format!("large-{partition}"))));
        (sizes.iter().sum::<u64>() >= written).then_some(())
    });
    let before = size_bytes(directory.path());
    assert_eq!(client.delete_topic("large"), "NONE");
    eventually(DEADLINE, "the folders to go", || {
        partition_folders(directory.path(), "large").is_empty().then_some(())
    });
    // The WAL has a fixed size, and may have grown to it meanwhile.
    let after = size_bytes(directory.path()) - size_bytes(&directory.path().join("wal"));
    assert!(before >= written && after < 1_000_000, "{before} bytes before, {after} after");
    assert_eq!(client.read_all(&kept, 0), [(0, "kept".to_owned())]);
}

#[test]
fn asking_for_a_topic_makes_it_if_that_is_wanted() {
    for (enabled, asked, made) in [("true", true, true), ("true", false, false), ("false", true, false)] {
        let directory = tempfile::tempdir().unwrap();
        let enabled = format!("auto.create.topics.enable={enabled}");
        let process = Process::start_with(directory.path(), &[&enabled, "num.partitions=4"]);
        let mut client = process.client();
        let first = error_name(client.topic_metadata("new", asked).error_code);
        let found = client.topic("new");
        if made {
            assert!(
                ["NONE", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PARTITION"].contains(&first),
                "{first}"
            );
            assert_eq!((error_name(found.error_code), found.partitions.len()), ("NONE", 4));
            let topic = Topic { name: "new".to_owned(), id: found.topic_id };
            assert_eq!(client.append(&topic, 3, batch(&["a"])), 0);
        } else {
            assert_eq!([first, error_name(found.error_code)], ["UNKNOWN_TOPIC_OR_PARTITION"; 2]);
        }
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let long = "x".repeat(250);
    for name in ["..", ".", "a/b", "../../etc/passwd", "a b", "\u{e9}", &long] {
        let error = error_name(client.topic_metadata(name, true).error_code);
        assert_eq!(error, "INVALID_TOPIC_EXCEPTION", "{name}");
    }
    assert_eq!(client.topic_names(), Vec::<String>::new());
}

#[test]
fn a_thousand_partitions_serve_before_and_after_a_crash() {
    const PARTITIONS: i32 = 1000;
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("wide", PARTITIONS, &[]);
    let value = |partition: i32, round: i64| format!("{round} of {partition}");
    for round in [0, 1] {
        let mut request = produce(PRODUCE, &topic, 0, -1, batch(&[&value(0, round)]));
        for partition in 1..PARTITIONS {
            let mut other = produce(PRODUCE, &topic, partition, -1, batch(&[&value(partition, round)]));
            request.topic_data[0].partition_data.append(&mut other.topic_data[0].partition_data);
        }
        client.send(PRODUCE, &request);
        let (_, answer) = client.try_receive::<ProduceRequest>(PRODUCE).unwrap();
        let mut answered: Vec<_> = answer.responses[0]
            .partition_responses
            .iter()
            .map(|answer| (answer.index, answer.error_code, answer.base_offset))
            .collect();
        answered.sort_unstable();
        let expected: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0, round)).collect();
        assert_eq!(answered, expected);
    }
    process.kill();
    let process = Process::start(directory.path());
    let mut client = process.client();
    for partition in 0..PARTITIONS {
        let expected = [0, 1].map(|round| (round, value(partition, round)));
        assert_eq!(client.read_all(&topic, partition), expected);
    }
}
