//! Which versions of which API key are served and advertised: one table.

use std::ops::RangeInclusive;

/// The `ApiVersions` key: its response header is version 0 for every version of the body (KIP-511), so that a
/// client can read it before anything has been negotiated.
pub const API_VERSIONS_KEY: i16 = 18;

/// What stands for a first flexible version where there is none.
pub const NEVER_FLEXIBLE: i16 = i16::MAX;

/// What is served of one API key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyVersions {
    /// The API key on the wire.
    pub key: i16,
    /// Kafka's name of it.
    pub name: &'static str,
    /// Versions that are answered.
    pub served: RangeInclusive<i16>,
    /// Versions that `ApiVersions` tells of; wider than `served` only for Produce.
    pub advertised: RangeInclusive<i16>,
    /// First flexible version (KIP-482): compact lengths and tagged fields; [`NEVER_FLEXIBLE`] if there is none.
    pub flexible_from: i16,
}

const fn served(
    key: i16,
    name: &'static str,
    versions: RangeInclusive<i16>,
    flexible_from: i16,
) -> KeyVersions {
    let advertised = *versions.start()..=*versions.end();
    KeyVersions { key, name, served: versions, advertised, flexible_from }
}

/// All served keys, ascending. Ranges are what Kafka 4.3 serves and the `kafka-protocol` crate carries (a
/// test compares them with the crate's): it lacks version 11 of ListOffsets, version 10 of OffsetCommit and
/// of OffsetFetch, and version 5 of DescribeLogDirs.
pub const SERVED: &[KeyVersions] = &[
    // KAFKA-18659: librdkafka before 2.8 stops compressing when Produce 0 is not advertised. 0 to 2 are
    // refused.
    KeyVersions { advertised: 0..=13, ..served(0, "Produce", 3..=13, 9) },
    served(1, "Fetch", 4..=18, 12),
    served(2, "ListOffsets", 1..=10, 6),
    served(3, "Metadata", 0..=13, 9),
    served(8, "OffsetCommit", 2..=9, 8),
    served(9, "OffsetFetch", 1..=9, 6),
    served(10, "FindCoordinator", 0..=6, 3),
    served(11, "JoinGroup", 0..=9, 6),
    served(12, "Heartbeat", 0..=4, 4),
    served(13, "LeaveGroup", 0..=5, 4),
    served(14, "SyncGroup", 0..=5, 4),
    served(15, "DescribeGroups", 0..=6, 5),
    served(16, "ListGroups", 0..=5, 3),
    served(API_VERSIONS_KEY, "ApiVersions", 0..=4, 3),
    served(19, "CreateTopics", 2..=7, 5),
    served(20, "DeleteTopics", 1..=6, 4),
    served(21, "DeleteRecords", 0..=2, 2),
    served(22, "InitProducerId", 0..=5, 2),
    served(23, "OffsetForLeaderEpoch", 2..=4, 4),
    served(24, "AddPartitionsToTxn", 0..=5, 3),
    served(25, "AddOffsetsToTxn", 0..=4, 3),
    served(26, "EndTxn", 0..=5, 3),
    served(27, "WriteTxnMarkers", 1..=1, 1),
    served(28, "TxnOffsetCommit", 0..=5, 3),
    served(32, "DescribeConfigs", 1..=4, 4),
    served(33, "AlterConfigs", 0..=2, 2),
    served(35, "DescribeLogDirs", 1..=4, 2),
    served(37, "CreatePartitions", 0..=3, 2),
    served(42, "DeleteGroups", 0..=2, 2),
    served(44, "IncrementalAlterConfigs", 0..=1, 1),
    served(47, "OffsetDelete", 0..=0, NEVER_FLEXIBLE),
    served(60, "DescribeCluster", 0..=2, 0),
    served(61, "DescribeProducers", 0..=0, 0),
    served(65, "DescribeTransactions", 0..=0, 0),
    served(66, "ListTransactions", 0..=2, 0),
    served(68, "ConsumerGroupHeartbeat", 0..=1, 0),
    served(69, "ConsumerGroupDescribe", 0..=1, 0),
    served(74, "ListConfigResources", 0..=1, 0),
    served(75, "DescribeTopicPartitions", 0..=0, 0),
];

/// The row of a key, if it is served in any version.
pub fn find(api_key: i16) -> Option<&'static KeyVersions> {
    SERVED.iter().find(|row| row.key == api_key)
}

/// Whether exactly this key and version is served.
pub fn is_served(api_key: i16, api_version: i16) -> bool {
    find(api_key).is_some_and(|row| row.served.contains(&api_version))
}

/// Version of the request header: 2 for flexible versions, else 1; `None` for keys that are not served.
///
/// Also answers for versions above the served ones: such a request's correlation id and client id can be
/// read, and `ApiVersions` of an unknown version must be answered (KIP-511).
pub fn request_header_version(api_key: i16, api_version: i16) -> Option<i16> {
    find(api_key).map(|row| if api_version >= row.flexible_from { 2 } else { 1 })
}

/// Version of the response header: 1 for flexible versions, else 0; always 0 for `ApiVersions`.
pub fn response_header_version(api_key: i16, api_version: i16) -> Option<i16> {
    find(api_key).map(|row| i16::from(api_version >= row.flexible_from && api_key != API_VERSIONS_KEY))
}

#[cfg(test)]
mod tests;
