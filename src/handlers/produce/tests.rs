use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ProduceRequest, TopicName};
use uuid::Uuid;

use crate::handlers::Reply;
use crate::handlers::testing::{TestBroker, batch, build, damage, idempotent, str_bytes};
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::batch::{CompressionType, NewRecord};

/// A request for one topic, named as the version does.
fn request(version: i16, topic: (&str, Uuid), acks: i16, partitions: Vec<(i32, Bytes)>) -> ProduceRequest {
    let partitions = partitions.into_iter().map(|(index, records)| {
        PartitionProduceData::default().with_index(index).with_records(Some(records))
    });
    let data = TopicProduceData::default().with_partition_data(partitions.collect());
    let data = match version >= 13 {
        true => data.with_topic_id(topic.1),
        false => data.with_name(TopicName(str_bytes(topic.0))),
    };
    ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![data])
}

/// Produces one batch to partition 0 of `t`.
async fn produce(test: &TestBroker, version: i16, records: Bytes) -> PartitionProduceResponse {
    let topic_id = test.broker.image().topic("t").map_or(Uuid::nil(), |topic| topic.topic_id.0);
    let response = test.ask(version, &request(version, ("t", topic_id), -1, vec![(0, records)])).await;
    response.responses[0].partition_responses[0].clone()
}

fn code_and_offset(response: &PartitionProduceResponse) -> (i16, i64) {
    (response.error_code, response.base_offset)
}

#[tokio::test]
async fn trap_43_appends_and_fails_by_partition_in_every_version() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 2, &[]).await;
    let mut next = 0;
    for version in 3..=13 {
        for acks in [-1, 1] {
            let partitions = vec![(0, batch(&[1, 2])), (1, batch(&[3])), (2, batch(&[4]))];
            let response = test.ask(version, &request(version, ("t", topic_id), acks, partitions)).await;
            let [topic] = &response.responses[..] else { panic!("{response:?}") };
            assert_eq!(topic.name.as_str(), if version >= 13 { "" } else { "t" });
            assert_eq!(topic.topic_id, if version >= 13 { topic_id } else { Uuid::nil() });
            let outcomes: Vec<_> = topic.partition_responses.iter().map(code_and_offset).collect();
            assert_eq!(outcomes, [(0, next * 2), (0, next), (3, -1)], "version {version}");
            let first = &topic.partition_responses[0];
            assert_eq!(first.log_append_time_ms, -1);
            assert_eq!(first.log_start_offset, if version >= 5 { 0 } else { -1 });
            assert_eq!(first.current_leader.leader_id.0, -1);
            next += 1;
        }
    }
}

#[tokio::test]
async fn trap_46_what_is_acknowledged_is_below_the_high_watermark() {
    let test = TestBroker::start();
    let topic_id = crate::model::TopicId(test.topic("t", 1, &[]).await);
    assert_eq!(code_and_offset(&produce(&test, 9, batch(&[1, 2, 3])).await), (0, 0));
    let partition = test.broker.partition(crate::model::TopicPartition { topic_id, partition: 0 }).unwrap();
    assert_eq!(partition.watermarks().high_watermark.0, 3);
}

#[tokio::test]
async fn trap_14_acks_0_is_never_answered_and_an_error_closes() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 1, &[]).await;
    let topic = ("t", topic_id);
    let reply = test.reply(9, &request(9, topic, 0, vec![(0, batch(&[1]))])).await;
    assert!(matches!(reply, Reply::None), "{reply:?}");
    let reply = test.reply(9, &request(9, topic, 0, vec![(0, batch(&[1])), (9, batch(&[1]))])).await;
    assert!(matches!(reply, Reply::Close(_)), "{reply:?}");
    // The good part of it was taken all the same.
    assert_eq!(code_and_offset(&produce(&test, 9, batch(&[1])).await), (0, 2));
}

#[tokio::test]
async fn refusals_of_whole_requests() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    for acks in [-2, 2, i16::MAX] {
        let response = test.ask(9, &request(9, topic, acks, vec![(0, batch(&[1]))])).await;
        assert_eq!(code_and_offset(&response.responses[0].partition_responses[0]), (21, -1), "acks {acks}");
    }
    assert_eq!(code_and_offset(&produce(&test, 9, batch(&[1])).await), (0, 0), "nothing was written before");
}

/// More in one request than the write-ahead log can ever take at a time: to be sent in parts, not again.
#[tokio::test]
async fn a_request_larger_than_the_log_can_promise_is_too_large() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 24, &[]).await;
    let value = vec![b'x'; 1_000_000];
    let mut builder = crate::protocol::batch::BatchBuilder::new();
    builder.push(crate::protocol::batch::NewRecord { value: Some(&value), ..Default::default() });
    let batch = Bytes::from(builder.build());
    for (partitions, code) in [(24, 10), (12, 0)] {
        let records = (0..partitions).map(|index| (index, batch.clone())).collect();
        let response = test.ask(9, &request(9, ("t", topic_id), 1, records)).await;
        let codes: Vec<i16> =
            response.responses[0].partition_responses.iter().map(|response| response.error_code).collect();
        assert_eq!(codes, vec![code; partitions as usize]);
    }
}

#[tokio::test]
async fn refusals_of_topics() {
    let test = TestBroker::start();
    test.topic("__consumer_offsets", 1, &[]).await;
    let check = async |version: i16, name: &str, topic_id: Uuid, code: i16| {
        let response =
            test.ask(version, &request(version, (name, topic_id), 1, vec![(0, batch(&[1]))])).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(code_and_offset(partition), (code, -1), "{name} {topic_id}");
    };
    check(12, "absent", Uuid::nil(), 3).await;
    check(12, "", Uuid::nil(), 3).await;
    check(13, "", Uuid::from_u128(9), 100).await;
    check(13, "", Uuid::nil(), 100).await;
    check(12, "__consumer_offsets", Uuid::nil(), 17).await;
}

#[tokio::test]
async fn refusals_of_batches() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("max.message.bytes", "200")]).await;
    let damaged = |at: usize, value: u8| {
        let mut bytes = batch(&[1]).to_vec();
        bytes[at] = value;
        Bytes::from(bytes)
    };
    let control = build(&[1], |builder| builder.is_control = true);
    let twice = Bytes::from([batch(&[1]), batch(&[2])].concat());
    let zstd = build(&[1], |builder| builder.compression = CompressionType::Zstd);
    let cases = [
        ("no batch", 9, Bytes::new(), 87),
        ("two batches", 9, twice, 87),
        ("an old format", 9, damaged(16, 1), 87),
        ("a format nobody knows", 9, damaged(16, 3), 2),
        ("a bad checksum", 9, damaged(17, 0xee), 2),
        ("larger than the topic allows", 9, batch(&[1; 40]), 10),
        ("control records", 9, control, 87),
        ("zstd before KIP-110", 6, zstd.clone(), 76),
    ];
    for (name, version, records, code) in cases {
        let response = produce(&test, version, records).await;
        assert_eq!(code_and_offset(&response), (code, -1), "{name}");
        assert_eq!(response.error_message.is_some(), version >= 8, "{name}");
        // Kafka 4.3 tells where the log starts once it has looked at the batch.
        assert_eq!(response.log_start_offset, if name == "control records" { 0 } else { -1 }, "{name}");
    }
    assert_eq!(code_and_offset(&produce(&test, 7, zstd).await), (0, 0), "nothing was written");
}

#[tokio::test]
async fn trap_40_records_without_key_on_a_compacted_topic_are_named() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("cleanup.policy", "compact")]).await;
    let response = produce(&test, 8, batch(&[1, 2])).await;
    assert_eq!((response.error_code, response.log_start_offset), (87, 0));
    let indexes: Vec<_> = response.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(indexes, [0, 1]);
}

#[tokio::test]
async fn timestamps() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let before = test.broker.env().clock.now().0;
    let response = produce(&test, 9, batch(&[5])).await;
    assert!(response.log_append_time_ms >= before, "{response:?}");
    test.topic("u", 1, &[("message.timestamp.before.max.ms", "1000")]).await;
    let response = test.ask(9, &request(9, ("u", Uuid::nil()), -1, vec![(0, batch(&[5]))])).await;
    assert_eq!(code_and_offset(&response.responses[0].partition_responses[0]), (32, -1));
}

#[tokio::test]
async fn trap_41_duplicates_are_answered_like_their_originals() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    assert_eq!(code_and_offset(&produce(&test, 9, batch(&[1])).await), (0, 0));
    for _ in 0..2 {
        assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 0, 0, 3)).await), (0, 1));
        assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 0, 3, 2)).await), (0, 4));
    }
    assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 0, 9, 1)).await), (45, -1), "a gap");
    assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 1, 0, 1)).await), (0, 6), "a new epoch");
    assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 0, 5, 1)).await), (47, -1), "an old epoch");
    let test = test.restart().await;
    assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 1, 0, 1)).await), (0, 6), "after a restart");
    assert_eq!(code_and_offset(&produce(&test, 9, idempotent(7, 1, 1, 1)).await), (0, 7));
}

/// The header of the batch that is stored at an offset.
fn stored(test: &TestBroker, offset: i64) -> crate::protocol::batch::BatchHeader {
    let topic_id = test.broker.image().topic("t").unwrap().topic_id;
    let partition = test.broker.partition(crate::model::TopicPartition { topic_id, partition: 0 }).unwrap();
    match partition.read(crate::model::Offset(offset), 1 << 20, true).unwrap() {
        crate::partition::PartitionRead::Tail(pieces, _) => {
            crate::protocol::batch::BatchHeader::parse(&pieces[0]).unwrap()
        }
        _ => panic!("it is in memory"),
    }
}

#[tokio::test]
async fn a_topics_codec_is_what_is_stored_and_duplicates_are_known_by_it() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("compression.type", "gzip")]).await;
    let by = |compression, base_sequence| {
        build(&[1_000; 3], |builder| {
            builder.compression = compression;
            builder.producer_id = ProducerId(7);
            builder.producer_epoch = ProducerEpoch(0);
            builder.base_sequence = base_sequence;
        })
    };
    let codecs = [CompressionType::None, CompressionType::Zstd, CompressionType::Gzip, CompressionType::Lz4];
    for (sequence, compression) in (0..).step_by(3).zip(codecs) {
        let offset = i64::from(sequence);
        for _ in 0..2 {
            let answer = produce(&test, 9, by(compression, sequence)).await;
            assert_eq!(code_and_offset(&answer), (0, offset), "{compression:?}");
        }
        // Sent again otherwise compressed, it is the same batch.
        let answer = produce(&test, 9, by(CompressionType::Snappy, sequence)).await;
        assert_eq!(code_and_offset(&answer), (0, offset), "{compression:?}");
        let header = stored(&test, offset);
        assert_eq!(header.attributes.compression(), Ok(CompressionType::Gzip));
        assert_eq!((header.base_sequence, header.base_offset.0), (sequence, offset));
    }
}

#[tokio::test]
async fn a_partition_whose_log_is_damaged_refuses() {
    let test = TestBroker::start();
    let topic_id = crate::model::TopicId(test.topic("t", 1, &[]).await);
    let damaged = test.broker.partition(crate::model::TopicPartition { topic_id, partition: 0 }).unwrap();
    damaged.stop(&damage());
    assert_eq!(code_and_offset(&produce(&test, 9, batch(&[1])).await), (56, -1));
}

/// Which requests leave the network thread for their check.
#[tokio::test]
async fn compressed_batches_are_decompressed_elsewhere_if_at_all() {
    let test = TestBroker::start();
    test.topic("plain", 1, &[]).await;
    test.topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    test.topic("recent", 1, &[("message.timestamp.before.max.ms", "1000")]).await;
    test.topic("gzip", 1, &[("compression.type", "gzip")]).await;
    let lz4 = build(&[1], |builder| builder.compression = CompressionType::Lz4);
    let context = test.context(0, 9);
    for (topic, records, expected, code) in [
        ("plain", lz4.clone(), false, 0),
        ("compacted", lz4.clone(), true, 87),
        ("recent", lz4.clone(), true, 32),
        ("absent", lz4, false, 3),
        ("compacted", batch(&[1]), false, 87),
        ("compacted", Bytes::new(), false, 87),
        ("gzip", batch(&[1]), true, 0),
    ] {
        let request = request(9, (topic, Uuid::nil()), -1, vec![(0, records)]);
        assert_eq!(super::checking::takes_long(&context, &request), expected, "{topic}");
        let response = test.ask(9, &request).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, code, "{topic}");
    }
}

/// One turn is one permit, memory is one for each KiB.
#[tokio::test]
async fn a_turn_is_not_kept_while_a_request_waits_for_room() {
    let test = TestBroker::start();
    test.topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    test.topic("plain", 1, &[("compression.type", "uncompressed")]).await;
    let context = test.context(0, 9);
    let value: String = (0..20_000).map(|number| format!("{number} ")).collect();
    let large = build(&[], |builder| {
        builder.compression = CompressionType::Gzip;
        let value = Some(value.as_bytes());
        builder.push(NewRecord { key: Some(b"key"), value, ..NewRecord::default() });
    });
    for (topic, is_memory) in [("compacted", None), ("plain", Some(true))] {
        let request = request(9, (topic, Uuid::nil()), -1, vec![(0, large.clone())]);
        let patience = std::time::Duration::from_secs(60);
        let (_, grown) = super::checking::check_aside(&context, request, None, patience).await;
        assert_eq!(grown.map(|grown| grown.num_permits() > 1), is_memory, "{topic}");
    }
}

#[tokio::test]
async fn who_gets_no_turn_is_told_to_come_again() {
    let test = TestBroker::start();
    test.topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    let context = test.context(0, 9);
    let lz4 = build(&[1], |builder| builder.compression = CompressionType::Lz4);
    let request = request(9, ("compacted", Uuid::nil()), -1, vec![(0, lz4)]);
    let all = super::checking::all_turns().await;
    let patience = std::time::Duration::ZERO;
    let (mut topics, _) = super::checking::check_aside(&context, request, None, patience).await;
    drop(all);
    let refusal = super::outcomes(&mut topics).next().unwrap().refusal().unwrap().failure.code;
    assert_eq!(refusal, crate::protocol::ErrorCode::RequestTimedOut);
}
