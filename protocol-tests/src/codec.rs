//! From an API key to the codec crate's decoder.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable};

/// A decoded request, kept alive so that its memory can be measured.
pub type Decoded = Box<dyn std::any::Any>;

/// Decodes header and body of a frame as the crate would, and gives the offsets where each ended.
///
/// Never call it with bytes that the guard did not pass: it may abort the process.
pub fn decode(api_key: i16, api_version: i16, frame: &Bytes) -> anyhow::Result<(usize, usize, Decoded)> {
    let mut rest = frame.clone();
    let key = ApiKey::try_from(api_key).map_err(|()| anyhow::anyhow!("unknown key"))?;
    RequestHeader::decode(&mut rest, key.request_header_version(api_version))?;
    let body_offset = frame.len() - rest.remaining();
    let decoded = decode_body(api_key, api_version, &mut rest)?;
    Ok((body_offset, frame.len() - rest.remaining(), decoded))
}

/// Decodes a frame and encodes it again. As with [`decode`], only after the guard passed it.
pub fn round_trip(api_key: i16, api_version: i16, frame: &Bytes) -> anyhow::Result<Bytes> {
    let mut rest = frame.clone();
    let key = ApiKey::try_from(api_key).map_err(|()| anyhow::anyhow!("unknown key"))?;
    let header_version = key.request_header_version(api_version);
    let mut encoded = BytesMut::new();
    RequestHeader::decode(&mut rest, header_version)?.encode(&mut encoded, header_version)?;
    encode_again(api_key, api_version, &mut rest, &mut encoded)?;
    Ok(encoded.freeze())
}

macro_rules! requests {
    ($($key:literal $request:ident)*) => {
        /// All keys that can be decoded here.
        pub const KEYS: &[i16] = &[$($key),*];

        fn decode_body(api_key: i16, api_version: i16, body: &mut Bytes) -> anyhow::Result<Decoded> {
            match api_key {
                $($key => Ok(Box::new($request::decode(body, api_version)?)),)*
                _ => anyhow::bail!("API key {api_key} has no decoder here"),
            }
        }

        fn encode_again(
            api_key: i16,
            api_version: i16,
            body: &mut Bytes,
            encoded: &mut BytesMut,
        ) -> anyhow::Result<()> {
            match api_key {
                $($key => $request::decode(body, api_version)?.encode(encoded, api_version),)*
                _ => anyhow::bail!("API key {api_key} has no decoder here"),
            }
        }
    };
}

requests! {
    0 ProduceRequest
    1 FetchRequest
    2 ListOffsetsRequest
    3 MetadataRequest
    8 OffsetCommitRequest
    9 OffsetFetchRequest
    10 FindCoordinatorRequest
    11 JoinGroupRequest
    12 HeartbeatRequest
    13 LeaveGroupRequest
    14 SyncGroupRequest
    15 DescribeGroupsRequest
    16 ListGroupsRequest
    17 SaslHandshakeRequest
    18 ApiVersionsRequest
    19 CreateTopicsRequest
    20 DeleteTopicsRequest
    21 DeleteRecordsRequest
    22 InitProducerIdRequest
    23 OffsetForLeaderEpochRequest
    24 AddPartitionsToTxnRequest
    25 AddOffsetsToTxnRequest
    26 EndTxnRequest
    27 WriteTxnMarkersRequest
    28 TxnOffsetCommitRequest
    29 DescribeAclsRequest
    30 CreateAclsRequest
    31 DeleteAclsRequest
    32 DescribeConfigsRequest
    33 AlterConfigsRequest
    34 AlterReplicaLogDirsRequest
    35 DescribeLogDirsRequest
    36 SaslAuthenticateRequest
    37 CreatePartitionsRequest
    38 CreateDelegationTokenRequest
    39 RenewDelegationTokenRequest
    40 ExpireDelegationTokenRequest
    41 DescribeDelegationTokenRequest
    42 DeleteGroupsRequest
    43 ElectLeadersRequest
    44 IncrementalAlterConfigsRequest
    45 AlterPartitionReassignmentsRequest
    46 ListPartitionReassignmentsRequest
    47 OffsetDeleteRequest
    48 DescribeClientQuotasRequest
    49 AlterClientQuotasRequest
    50 DescribeUserScramCredentialsRequest
    51 AlterUserScramCredentialsRequest
    55 DescribeQuorumRequest
    57 UpdateFeaturesRequest
    60 DescribeClusterRequest
    61 DescribeProducersRequest
    64 UnregisterBrokerRequest
    65 DescribeTransactionsRequest
    66 ListTransactionsRequest
    68 ConsumerGroupHeartbeatRequest
    69 ConsumerGroupDescribeRequest
    71 GetTelemetrySubscriptionsRequest
    72 PushTelemetryRequest
    74 ListConfigResourcesRequest
    75 DescribeTopicPartitionsRequest
    76 ShareGroupHeartbeatRequest
    77 ShareGroupDescribeRequest
    78 ShareFetchRequest
    79 ShareAcknowledgeRequest
    80 AddRaftVoterRequest
    81 RemoveRaftVoterRequest
    83 InitializeShareGroupStateRequest
    84 ReadShareGroupStateRequest
    85 WriteShareGroupStateRequest
    86 DeleteShareGroupStateRequest
    87 ReadShareGroupStateSummaryRequest
    90 DescribeShareGroupOffsetsRequest
    91 AlterShareGroupOffsetsRequest
    92 DeleteShareGroupOffsetsRequest
}
