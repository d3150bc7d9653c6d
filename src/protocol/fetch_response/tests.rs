use kafka_protocol::messages::fetch_response as crates;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::response;
use super::*;
use crate::env::FileExtent;
use crate::env::files::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// A file that is only named, never read.
struct NoFile;

impl File for NoFile {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn length(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn drop_cache(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn extent(length: u64) -> Piece {
    Piece::File(FileExtent { file: Arc::new(NoFile), offset: 0, length })
}

fn bytes(length: usize) -> Piece {
    Piece::Bytes(Bytes::from(vec![0xee; length]))
}

fn partition(partition: i32, records: Vec<Piece>) -> FetchedPartition {
    FetchedPartition {
        partition,
        error_code: ErrorCode::None,
        high_watermark: Offset(1 << 40),
        last_stable_offset: Offset(9),
        log_start_offset: Offset(3),
        aborted_transactions: None,
        preferred_read_replica: NodeId(-1),
        diverging_epoch: None,
        current_leader: None,
        records,
    }
}

fn topic(name: &str, partitions: Vec<FetchedPartition>) -> FetchedTopic {
    FetchedTopic { name: name.to_owned(), topic_id: TopicId(Uuid::from_u128(7)), partitions }
}

fn response(topics: Vec<FetchedTopic>) -> FetchResponse {
    FetchResponse {
        throttle_time_ms: 5,
        error_code: ErrorCode::None,
        session_id: 0,
        topics,
        node_endpoints: vec![],
    }
}

/// Every field set, in versions that have it or not.
fn full() -> FetchResponse {
    let mut moved = FetchedPartition::failed(i32::MAX, ErrorCode::NotLeaderOrFollower);
    moved.current_leader = Some(LeaderIdAndEpoch { leader_id: NodeId(2), leader_epoch: LeaderEpoch(11) });
    moved.diverging_epoch = Some(EpochEndOffset { leader_epoch: LeaderEpoch(10), end_offset: Offset(77) });
    let mut committed = partition(1, vec![bytes(300), extent(40), bytes(1)]);
    let aborted = |id| AbortedTransaction { producer_id: ProducerId(id), first_offset: Offset(id * 10) };
    committed.aborted_transactions = Some((0..200).map(aborted).collect());
    committed.preferred_read_replica = NodeId(4);
    let endpoint = |id: i32, rack: Option<&str>| NodeEndpoint {
        node_id: NodeId(id),
        host: format!("broker-{id}.example"),
        port: 9092,
        rack: rack.map(str::to_owned),
    };
    FetchResponse {
        error_code: ErrorCode::FetchSessionIdNotFound,
        session_id: 1234,
        node_endpoints: vec![endpoint(2, Some("a")), endpoint(3, None)],
        ..response(vec![
            topic("one", vec![partition(0, vec![]), committed]),
            topic("two", vec![moved]),
            topic("", vec![]),
        ])
    }
}

/// The same response in the crate's types, with what `version` lacks cleared: the crate refuses to drop it.
fn in_crates_types(response: &FetchResponse, version: i16) -> kafka_protocol::messages::FetchResponse {
    let partition = |partition: &FetchedPartition| {
        let mut data = crates::PartitionData::default()
            .with_partition_index(partition.partition)
            .with_error_code(partition.error_code.code())
            .with_high_watermark(partition.high_watermark.0)
            .with_last_stable_offset(partition.last_stable_offset.0)
            .with_log_start_offset(partition.log_start_offset.0)
            .with_records(Some(flattened(&partition.records)));
        data.aborted_transactions = partition.aborted_transactions.as_ref().map(|list| {
            let aborted = |transaction: &AbortedTransaction| {
                crates::AbortedTransaction::default()
                    .with_producer_id(transaction.producer_id.0.into())
                    .with_first_offset(transaction.first_offset.0)
            };
            list.iter().map(aborted).collect()
        });
        if version >= 11 {
            data.preferred_read_replica = partition.preferred_read_replica.0.into();
        }
        if let Some(diverging) = partition.diverging_epoch.filter(|_| version >= 12) {
            data.diverging_epoch = crates::EpochEndOffset::default()
                .with_epoch(diverging.leader_epoch.0)
                .with_end_offset(diverging.end_offset.0);
        }
        if let Some(leader) = partition.current_leader.filter(|_| version >= 12) {
            data.current_leader = crates::LeaderIdAndEpoch::default()
                .with_leader_id(leader.leader_id.0.into())
                .with_leader_epoch(leader.leader_epoch.0);
        }
        data
    };
    let topic = |topic: &FetchedTopic| {
        crates::FetchableTopicResponse::default()
            .with_topic(StrBytes::from_string(topic.name.clone()).into())
            .with_topic_id(topic.topic_id.0)
            .with_partitions(topic.partitions.iter().map(partition).collect())
    };
    let endpoint = |endpoint: &NodeEndpoint| {
        crates::NodeEndpoint::default()
            .with_node_id(endpoint.node_id.0.into())
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(endpoint.port)
            .with_rack(endpoint.rack.clone().map(StrBytes::from_string))
    };
    let mut message = kafka_protocol::messages::FetchResponse::default()
        .with_throttle_time_ms(response.throttle_time_ms)
        .with_responses(response.topics.iter().map(topic).collect());
    if version >= 7 {
        message = message.with_error_code(response.error_code.code()).with_session_id(response.session_id);
    }
    if version >= 16 {
        message = message.with_node_endpoints(response.node_endpoints.iter().map(endpoint).collect());
    }
    message
}

/// All pieces in a row; an extent stands for as many bytes of 0xee.
fn flattened(pieces: &[Piece]) -> Bytes {
    let mut all = BytesMut::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => all.put_slice(bytes),
            Piece::File(extent) => all.put_bytes(0xee, extent.length as usize),
        }
    }
    all.freeze()
}

#[test]
fn the_pieces_in_a_row_are_what_the_codec_crate_writes() {
    let many = (0..300).map(|index| partition(index, vec![bytes(index as usize % 3)])).collect();
    for response in [response(vec![]), full(), response(vec![topic("many", many)])] {
        for version in 4..=18 {
            let pieces = encode(version, 0x0102_0304, &response).expect("encodable");
            let expected =
                response::encode(FETCH_KEY, version, 0x0102_0304, &in_crates_types(&response, version))
                    .expect("encodable");
            assert_eq!(flattened(&pieces), expected, "version {version}");
            let length: u64 = pieces.iter().map(Piece::length).sum();
            assert_eq!(length, expected.len() as u64);
        }
    }
}

#[test]
fn records_are_handed_on_and_not_copied() {
    let records = Bytes::from(vec![1; 1_000]);
    let response =
        response(vec![topic("t", vec![partition(0, vec![Piece::Bytes(records.clone()), extent(50)])])]);
    let pieces = encode(18, 1, &response).expect("encodable");
    let found: Vec<_> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Bytes(bytes) if bytes.as_ptr() == records.as_ptr() => "records",
            Piece::Bytes(_) => "encoded",
            Piece::File(_) => "file",
        })
        .collect();
    assert_eq!(found, ["encoded", "records", "file", "encoded"]);
}

#[test]
fn lengths_that_no_field_can_say_are_an_error() {
    let too_much = response(vec![topic("t", vec![partition(0, vec![extent(1 << 31)])])]);
    assert!(matches!(encode(18, 1, &too_much), Err(EncodeError::Body { .. })));
    let most = response(vec![topic("t", vec![partition(0, vec![extent(i32::MAX as u64)])])]);
    assert!(encode(18, 1, &most).is_ok() && encode(4, 1, &most).is_ok());
    let name = response(vec![topic(&"n".repeat(40_000), vec![])]);
    assert!(encode(4, 1, &name).is_err() && encode(13, 1, &name).is_ok());
}
