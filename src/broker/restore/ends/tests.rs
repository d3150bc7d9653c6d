use super::*;
use crate::config::ServerConfig;
use crate::env::RealFiles;
use crate::log::ProducerStates;
use crate::model::{ProducerEpoch, TopicId};
use crate::protocol::batch::{NewRecord, verify_crc};

const ID: TopicPartition = TopicPartition { topic_id: TopicId::ZERO, partition: 0 };

/// Nothing was cleaned.
const NOWHERE: Offset = Offset(i64::MAX);

fn root(log_start: i64, end: i64) -> Root {
    Root { number: 7, end_offset: Offset(end), ..Root::empty(ID, Offset(log_start)) }
}

fn catalogued(log_start: i64, end: i64, remote_end: i64) -> CataloguedPartition {
    CataloguedPartition {
        leader_epoch: LeaderEpoch(4),
        log_start_offset: Offset(log_start),
        log_end_offset: Offset(end),
        remote_end_offset: Offset(remote_end),
        aborted: Vec::new(),
        aborted_are_all: true,
    }
}

fn ends<'a>(root: Option<&'a Root>, catalogued: &'a CataloguedPartition, committed: i64) -> Ends<'a> {
    let committed = Offset(committed);
    Ends {
        topic: "t".into(),
        id: ID,
        log_start_offset: Offset(0),
        committed,
        catalogued,
        root,
        cleaned_from: NOWHERE,
    }
}

fn state(offset: i64) -> CarriedState {
    CarriedState { offset: Offset(offset), ..CarriedState::default() }
}

/// Batches follow one another from the first on, but for the last one, which ends the gap; where that is.
fn check_follow(batches: &[Bytes], mut next: Offset) -> Offset {
    let headers: Vec<BatchHeader> = batches.iter().map(|batch| BatchHeader::parse(batch).unwrap()).collect();
    for (batch, header) in batches.iter().zip(&headers) {
        verify_crc(batch).unwrap();
        assert_eq!((header.size_bytes(), header.last_offset_delta), (batch.len(), 0));
    }
    let (last, before) = headers.split_last().unwrap();
    for header in before {
        assert_eq!((header.base_offset, header.partition_leader_epoch), (next, LeaderEpoch(0)));
        next = header.next_offset();
    }
    assert!(last.base_offset >= next && last.partition_leader_epoch == LeaderEpoch(4));
    last.next_offset()
}

#[test]
fn a_partition_ends_behind_all_that_anybody_may_know() {
    for (remote_end, published, committed, known) in
        [(50, 40, 30, 50), (50, 80, 30, 80), (50, 80, 90, 90), (0, 0, 0, 0), (0, 12, 0, 12)]
    {
        let root = (remote_end > 0).then(|| root(0, remote_end));
        let catalogued = catalogued(0, published, remote_end);
        let ends = ends(root.as_ref(), &catalogued, committed);
        let (partition, written) = ends.plan(state(remote_end), Timestamp(1));
        assert_eq!(partition.log_end_offset, Offset(known + GAP));
        assert_eq!(partition.restored_end_offset, Offset(remote_end));
        assert_eq!(partition.tier.map(|tier| tier.remote_end_offset.0), root.map(|_| remote_end));
        assert_eq!(check_follow(&written.batches, Offset(remote_end)), Offset(known + GAP));
        assert_eq!(written.batches.len(), GAP_BATCHES);
        let records = written.batches.iter().map(|batch| BatchHeader::parse(batch).unwrap().records_count);
        assert_eq!(records.sum::<i32>(), 0);
    }
}

/// At the largest rate that a partition may be thought of, and the longest time without a catalogue that
/// nothing has gone wrong in.
#[test]
fn the_gap_is_wider_than_what_is_given_out_between_two_catalogues() {
    const RECORDS_PER_SECOND: i64 = 10_000_000;
    let longest = [("highwater.tier.catalogue.interval.ms".to_owned(), "86400000".to_owned())];
    let none = std::iter::empty();
    let (config, _) = ServerConfig::load(&RealFiles, None, none.clone(), &longest).unwrap();
    let seconds = config.tiering.catalogue_interval.as_secs() as i64;
    assert!(GAP > seconds * RECORDS_PER_SECOND);
    let longer = [("highwater.tier.catalogue.interval.ms".to_owned(), "86400001".to_owned())];
    assert!(ServerConfig::load(&RealFiles, None, none, &longer).is_err(), "nothing longer is taken");
}

#[test]
fn what_counts_no_longer_is_not_restored() {
    let (root, catalogued) = (root(20, 50), catalogued(60, 80, 50));
    let (partition, written) = ends(Some(&root), &catalogued, 0).plan(state(50), Timestamp(1));
    assert_eq!(partition.log_start_offset, Offset(60), "the highest of all that were told");
    assert_eq!(partition.restored_end_offset, Offset(60));
    assert_eq!(written.as_log("t", ID).state.offset, Offset(60));
    assert_eq!(check_follow(&written.batches, Offset(60)), Offset(80 + GAP));
}

/// Producers 1 and 2 with transactions that are open at offset 20.
fn undecided() -> CarriedState {
    let mut producers = ProducerStates::default();
    for (id, offset) in [(1, 5), (2, 12)] {
        let mut builder = BatchBuilder::new();
        builder.base_offset = Offset(offset);
        builder.is_transactional = true;
        (builder.producer_id, builder.producer_epoch) = (ProducerId(id), ProducerEpoch(3));
        builder.base_sequence = 0;
        builder.push(NewRecord::default());
        let batch = builder.build();
        producers.apply_batch(&BatchHeader::parse(&batch).unwrap(), &batch, Timestamp(1)).unwrap();
    }
    CarriedState { producers, ..state(20) }
}

#[test]
fn torn_transactions_end_as_they_had_and_else_are_aborted() {
    use TransactionResult::{Abort, Commit};
    let root = root(0, 20);
    let told = CataloguedPartition { aborted: vec![(ProducerId(2), Offset(12))], ..catalogued(0, 30, 20) };
    for (catalogued, expected) in [
        (told.clone(), [(Commit, true), (Abort, true)]),
        // It is of before the manifest, or not all is in it: nobody knows.
        (CataloguedPartition { remote_end_offset: Offset(10), ..told.clone() }, [(Abort, false); 2]),
        (CataloguedPartition { aborted_are_all: false, ..told.clone() }, [(Abort, false); 2]),
        (CataloguedPartition::default(), [(Abort, false); 2]),
    ] {
        let catalogued = CataloguedPartition { leader_epoch: LeaderEpoch(4), ..catalogued };
        let (partition, written) = ends(Some(&root), &catalogued, 0).plan(undecided(), Timestamp(1));
        let found: Vec<_> = partition.ended.iter().map(|ended| (ended.result, ended.is_known)).collect();
        assert_eq!(found, expected, "{catalogued:?}");
        assert_eq!(check_follow(&written.batches, Offset(20)), partition.log_end_offset);
        let mut producers = undecided().producers;
        for batch in &written.batches[..2] {
            producers.apply_batch(&BatchHeader::parse(batch).unwrap(), batch, Timestamp(1)).unwrap();
        }
        assert_eq!(producers.first_undecided(), None, "nothing holds back who reads what is committed");
    }
}
