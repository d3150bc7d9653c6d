//! Every key in every version: bodies that end early, bytes that follow, versions that there are not.

use anyhow::Result;
use kafka_protocol::messages::{
    AlterConfigsRequest, ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
    DescribeLogDirsRequest, DescribeTopicPartitionsRequest, FetchRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, ListConfigResourcesRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest, ProduceRequest,
};
use kafka_protocol::protocol::Request;

use super::{Case, Talk, producers};
use crate::client::{frame, text};
use crate::requests::{metadata, new_producer};

/// The frames of one request in all its versions.
macro_rules! frames {
    ($($name:literal $versions:expr, $request:ident $make:expr;)*) => {
        pub(in crate::differential::script) const CASES: &[Case] = &[
            $(Case {
                name: $name,
                versions: $versions,
                run: |talk| {
                    let make: fn(i16) -> $request = $make;
                    bodies(talk, make)
                },
            },)*
        ];
    };
}

frames! {
    "frames-produce" 3..=13, ProduceRequest |_| ProduceRequest::default().with_acks(1);
    "frames-fetch" 4..=18, FetchRequest |_| FetchRequest::default();
    "frames-list-offsets" 1..=10, ListOffsetsRequest |_| ListOffsetsRequest::default();
    "frames-metadata" 0..=13, MetadataRequest |version| metadata(version, Some(&[]));
    "frames-api-versions" 0..=4, ApiVersionsRequest |version| {
        if version < 3 { return ApiVersionsRequest::default(); }
        ApiVersionsRequest::default()
            .with_client_software_name(text("a"))
            .with_client_software_version(text("1"))
    };
    "frames-create-topics" 2..=7, CreateTopicsRequest |_| CreateTopicsRequest::default();
    "frames-delete-topics" 1..=6, DeleteTopicsRequest |_| DeleteTopicsRequest::default();
    "frames-delete-records" 0..=2, DeleteRecordsRequest |_| DeleteRecordsRequest::default();
    "frames-init-producer-id" 0..=5, InitProducerIdRequest |_| new_producer();
    "frames-offset-for-leader-epoch" 2..=4, OffsetForLeaderEpochRequest |_| {
        OffsetForLeaderEpochRequest::default()
    };
    "frames-describe-configs" 1..=4, DescribeConfigsRequest |_| DescribeConfigsRequest::default();
    "frames-alter-configs" 0..=2, AlterConfigsRequest |_| AlterConfigsRequest::default();
    "frames-describe-log-dirs" 1..=4, DescribeLogDirsRequest |_| {
        DescribeLogDirsRequest::default().with_topics(Some(Vec::new()))
    };
    "frames-create-partitions" 0..=3, CreatePartitionsRequest |_| CreatePartitionsRequest::default();
    "frames-incremental-alter-configs" 0..=1, IncrementalAlterConfigsRequest |_| {
        IncrementalAlterConfigsRequest::default()
    };
    "frames-describe-cluster" 0..=2, DescribeClusterRequest |_| DescribeClusterRequest::default();
    "frames-list-config-resources" 0..=1, ListConfigResourcesRequest |_| {
        ListConfigResourcesRequest::default()
    };
    "frames-describe-topic-partitions" 0..=0, DescribeTopicPartitionsRequest |_| {
        DescribeTopicPartitionsRequest::default()
    };
}

pub(super) fn bodies<Q: Request>(talk: &mut Talk, make: fn(i16) -> Q) -> Result<()> {
    if Q::KEY == 22 {
        producers::warm_up(talk)?;
    }
    let whole = frame(talk.version, 1, &make(talk.version))?;
    talk.frame("nothing in it", Q::KEY, &whole)?;
    talk.frame("bytes behind it", Q::KEY, &[&whole[..], &[1, 2, 3]].concat())?;
    talk.frame("a byte too few", Q::KEY, &whole[..whole.len() - 1])?;
    let mut other = whole.clone();
    other[2..4].copy_from_slice(&(talk.version + 40).to_be_bytes());
    if Q::KEY != 18 {
        talk.frame("40 versions later", Q::KEY, &other)?;
    }
    Ok(())
}
