//! Frames of the requests about transactions: bodies that end early, bytes that follow, versions that there
//! are not.

use anyhow::Result;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest, DescribeTransactionsRequest,
    EndTxnRequest, ListTransactionsRequest, TxnOffsetCommitRequest, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::Request;

use super::super::frames;
use super::{Case, Talk, writer};

frames! {
    // With no transactions at all, Apache Kafka 4.3.1 never answers.
    "frames-add-partitions-to-txn" 0..=5, AddPartitionsToTxnRequest |version| {
        let nobody = AddPartitionsToTxnTransaction::default().with_verify_only(true);
        let transactions = if version >= 4 { vec![nobody] } else { Vec::new() };
        AddPartitionsToTxnRequest::default().with_transactions(transactions)
    };
    "frames-add-offsets-to-txn" 0..=4, AddOffsetsToTxnRequest |_| AddOffsetsToTxnRequest::default();
    "frames-end-txn" 0..=5, EndTxnRequest |_| EndTxnRequest::default();
    "frames-write-txn-markers" 1..=1, WriteTxnMarkersRequest |_| WriteTxnMarkersRequest::default();
    "frames-txn-offset-commit" 0..=5, TxnOffsetCommitRequest |_| TxnOffsetCommitRequest::default();
    "frames-describe-producers" 0..=0, DescribeProducersRequest |_| DescribeProducersRequest::default();
    "frames-describe-transactions" 0..=0, DescribeTransactionsRequest |_| {
        DescribeTransactionsRequest::default()
    };
    "frames-list-transactions" 0..=2, ListTransactionsRequest |version| {
        let request = ListTransactionsRequest::default().with_state_filters(vec!["Dead".to_owned().into()]);
        if version >= 1 { request.with_duration_filter(-1) } else { request }
    };
}

fn bodies<Q: Request>(talk: &mut Talk, make: fn(i16) -> Q) -> Result<()> {
    writer(talk)?;
    frames::bodies(talk, make)
}
