//! ListOffsets: every sentinel, and by time.

use highwater::protocol::batch::CompressionType;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use crate::batches::compressed;
use crate::client::Client;
use crate::process::Process;
use crate::requests::{Topic, error_name, name};

/// Error, offset and timestamp.
fn ask(client: &mut Client, version: i16, topic: &Topic, timestamp: i64) -> (&'static str, i64, i64) {
    let asked = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(timestamp);
    let asked = ListOffsetsTopic::default().with_name(name(&topic.name)).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
    let answer = client.ask(version, &request).topics.remove(0).partitions.remove(0);
    (error_name(answer.error_code), answer.offset, answer.timestamp)
}

/// Runs `check` twice: records in memory, then in segments only.
fn in_memory_and_from_segments(timestamps: &[i64], check: impl Fn(&mut Client, &Topic)) {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("times", 1, &[]);
    let codecs = [CompressionType::None, CompressionType::Gzip, CompressionType::Snappy];
    let codecs = codecs.into_iter().chain([CompressionType::Lz4, CompressionType::Zstd]);
    for (timestamp, codec) in timestamps.iter().zip(codecs.cycle()) {
        // Three records, one millisecond apart.
        client.append(&topic, 0, compressed(&["a", "b", "c"], *timestamp, codec));
    }
    check(&mut client, &topic);
    process.stop();
    let process = Process::start(directory.path());
    check(&mut process.client(), &topic);
}

#[test]
fn sentinels_in_every_version() {
    in_memory_and_from_segments(&[1000, 5000, 2000], |client, topic| {
        for version in 1..=10 {
            let known_from = |first: i16, found: (i64, i64)| match version >= first {
                true => ("NONE", found.0, found.1),
                false => ("UNSUPPORTED_VERSION", -1, -1),
            };
            for (timestamp, expected) in [
                (-1, ("NONE", 9, -1)),
                (-2, ("NONE", 0, -1)),
                // The largest timestamp: the third record of the second batch.
                (-3, known_from(7, (5, 5002))),
                (-4, known_from(8, (0, -1))),
                (-5, known_from(9, (-1, -1))),
                (-7, ("UNSUPPORTED_VERSION", -1, -1)),
            ] {
                let found = ask(client, version, topic, timestamp);
                assert_eq!(found, expected, "timestamp {timestamp}, version {version}");
            }
        }
    });
}

#[test]
fn an_empty_partition_begins_and_ends_at_0() {
    in_memory_and_from_segments(&[], |client, topic| {
        for (timestamp, offset) in [(-1, 0), (-2, 0), (-3, -1), (-4, 0), (-5, -1), (0, -1), (1000, -1)] {
            assert_eq!(ask(client, 10, topic, timestamp), ("NONE", offset, -1), "timestamp {timestamp}");
        }
    });
}

#[test]
fn the_first_record_at_or_after_a_time_whatever_its_batch_is_compressed_with() {
    in_memory_and_from_segments(&[1000, 2000, 3000, 4000, 5000], |client, topic| {
        for batch in 0..5 {
            let (offset, timestamp) = (3 * batch, 1000 * (batch + 1));
            for (asked, later) in
                [(timestamp - 900, 0), (timestamp, 0), (timestamp + 1, 1), (timestamp + 2, 2)]
            {
                let expected = ("NONE", offset + later, timestamp + later);
                assert_eq!(ask(client, 10, topic, asked), expected, "at {asked}");
            }
        }
        assert_eq!(ask(client, 10, topic, 5003), ("NONE", -1, -1), "nothing is that late");
    });
}
