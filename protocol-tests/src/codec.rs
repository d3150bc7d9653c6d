//! From an API key to the codec crate's decoders and encoders, both ways.

use std::any::Any;
use std::fmt::Debug;

use bytes::{Buf, Bytes, BytesMut};
use highwater::protocol::response::{self, EncodeError};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable};

/// A decoded message, kept alive so that its memory can be measured.
pub type Decoded = Box<dyn Body>;

/// The body of any request or response.
pub trait Body: Debug + Any {
    /// Appends it as the codec crate encodes it.
    fn put(&self, encoded: &mut BytesMut, api_version: i16) -> anyhow::Result<()>;

    /// The whole reply, header and body, as the broker makes it.
    fn reply(&self, api_key: i16, api_version: i16, correlation_id: i32) -> Result<Bytes, EncodeError>;

    /// Itself, to be asked for its type.
    fn any(&self) -> &dyn Any;
}

impl<M: Encodable + Debug + 'static> Body for M {
    fn put(&self, encoded: &mut BytesMut, api_version: i16) -> anyhow::Result<()> {
        self.encode(encoded, api_version)
    }

    fn reply(&self, api_key: i16, api_version: i16, correlation_id: i32) -> Result<Bytes, EncodeError> {
        response::encode(api_key, api_version, correlation_id, self)
    }

    fn any(&self) -> &dyn Any {
        self
    }
}

/// Decodes header and body of a frame as the crate would, and gives the offsets where each ended.
///
/// Never call it with bytes that the guard did not pass: it may abort the process.
pub fn decode(api_key: i16, api_version: i16, frame: &Bytes) -> anyhow::Result<(usize, usize, Decoded)> {
    let mut rest = frame.clone();
    RequestHeader::decode(&mut rest, key(api_key)?.request_header_version(api_version))?;
    let body_offset = frame.len() - rest.remaining();
    let decoded = request(api_key, api_version, &mut rest)?;
    Ok((body_offset, frame.len() - rest.remaining(), decoded))
}

/// Decodes header and body of a reply, which must end where the body ends; gives the correlation id. Only for
/// replies that can be trusted: nothing guards this decoder.
pub fn decode_reply(api_key: i16, api_version: i16, frame: &Bytes) -> anyhow::Result<(i32, Decoded)> {
    let mut rest = frame.clone();
    let header = ResponseHeader::decode(&mut rest, key(api_key)?.response_header_version(api_version))?;
    let decoded = response(api_key, api_version, &mut rest)?;
    anyhow::ensure!(!rest.has_remaining(), "{} bytes behind the body", rest.remaining());
    Ok((header.correlation_id, decoded))
}

/// Decodes a frame and encodes it again. As with [`decode`], only after the guard passed it.
pub fn round_trip(api_key: i16, api_version: i16, frame: &Bytes) -> anyhow::Result<Bytes> {
    let mut rest = frame.clone();
    let header_version = key(api_key)?.request_header_version(api_version);
    let mut encoded = BytesMut::new();
    RequestHeader::decode(&mut rest, header_version)?.encode(&mut encoded, header_version)?;
    request(api_key, api_version, &mut rest)?.put(&mut encoded, api_version)?;
    Ok(encoded.freeze())
}

/// The same for a reply.
pub fn round_trip_reply(api_key: i16, api_version: i16, frame: &Bytes) -> anyhow::Result<Bytes> {
    let mut rest = frame.clone();
    let header_version = key(api_key)?.response_header_version(api_version);
    let mut encoded = BytesMut::new();
    ResponseHeader::decode(&mut rest, header_version)?.encode(&mut encoded, header_version)?;
    response(api_key, api_version, &mut rest)?.put(&mut encoded, api_version)?;
    Ok(encoded.freeze())
}

fn key(api_key: i16) -> anyhow::Result<ApiKey> {
    ApiKey::try_from(api_key).map_err(|()| anyhow::anyhow!("unknown key {api_key}"))
}

macro_rules! messages {
    ($($key:literal $request:ident $response:ident)*) => {
        /// All keys that can be decoded here.
        pub const KEYS: &[i16] = &[$($key),*];

        fn request(api_key: i16, api_version: i16, body: &mut Bytes) -> anyhow::Result<Decoded> {
            match api_key {
                $($key => Ok(Box::new($request::decode(body, api_version)?)),)*
                _ => anyhow::bail!("API key {api_key} has no decoder here"),
            }
        }

        fn response(api_key: i16, api_version: i16, body: &mut Bytes) -> anyhow::Result<Decoded> {
            match api_key {
                $($key => Ok(Box::new($response::decode(body, api_version)?)),)*
                _ => anyhow::bail!("API key {api_key} has no decoder here"),
            }
        }
    };
}

messages! {
    0 ProduceRequest ProduceResponse
    1 FetchRequest FetchResponse
    2 ListOffsetsRequest ListOffsetsResponse
    3 MetadataRequest MetadataResponse
    8 OffsetCommitRequest OffsetCommitResponse
    9 OffsetFetchRequest OffsetFetchResponse
    10 FindCoordinatorRequest FindCoordinatorResponse
    11 JoinGroupRequest JoinGroupResponse
    12 HeartbeatRequest HeartbeatResponse
    13 LeaveGroupRequest LeaveGroupResponse
    14 SyncGroupRequest SyncGroupResponse
    15 DescribeGroupsRequest DescribeGroupsResponse
    16 ListGroupsRequest ListGroupsResponse
    17 SaslHandshakeRequest SaslHandshakeResponse
    18 ApiVersionsRequest ApiVersionsResponse
    19 CreateTopicsRequest CreateTopicsResponse
    20 DeleteTopicsRequest DeleteTopicsResponse
    21 DeleteRecordsRequest DeleteRecordsResponse
    22 InitProducerIdRequest InitProducerIdResponse
    23 OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
    24 AddPartitionsToTxnRequest AddPartitionsToTxnResponse
    25 AddOffsetsToTxnRequest AddOffsetsToTxnResponse
    26 EndTxnRequest EndTxnResponse
    27 WriteTxnMarkersRequest WriteTxnMarkersResponse
    28 TxnOffsetCommitRequest TxnOffsetCommitResponse
    29 DescribeAclsRequest DescribeAclsResponse
    30 CreateAclsRequest CreateAclsResponse
    31 DeleteAclsRequest DeleteAclsResponse
    32 DescribeConfigsRequest DescribeConfigsResponse
    33 AlterConfigsRequest AlterConfigsResponse
    34 AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse
    35 DescribeLogDirsRequest DescribeLogDirsResponse
    36 SaslAuthenticateRequest SaslAuthenticateResponse
    37 CreatePartitionsRequest CreatePartitionsResponse
    38 CreateDelegationTokenRequest CreateDelegationTokenResponse
    39 RenewDelegationTokenRequest RenewDelegationTokenResponse
    40 ExpireDelegationTokenRequest ExpireDelegationTokenResponse
    41 DescribeDelegationTokenRequest DescribeDelegationTokenResponse
    42 DeleteGroupsRequest DeleteGroupsResponse
    43 ElectLeadersRequest ElectLeadersResponse
    44 IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
    45 AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse
    46 ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse
    47 OffsetDeleteRequest OffsetDeleteResponse
    48 DescribeClientQuotasRequest DescribeClientQuotasResponse
    49 AlterClientQuotasRequest AlterClientQuotasResponse
    50 DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse
    51 AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse
    55 DescribeQuorumRequest DescribeQuorumResponse
    57 UpdateFeaturesRequest UpdateFeaturesResponse
    60 DescribeClusterRequest DescribeClusterResponse
    61 DescribeProducersRequest DescribeProducersResponse
    64 UnregisterBrokerRequest UnregisterBrokerResponse
    65 DescribeTransactionsRequest DescribeTransactionsResponse
    66 ListTransactionsRequest ListTransactionsResponse
    68 ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse
    69 ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse
    71 GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse
    72 PushTelemetryRequest PushTelemetryResponse
    74 ListConfigResourcesRequest ListConfigResourcesResponse
    75 DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse
    76 ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse
    77 ShareGroupDescribeRequest ShareGroupDescribeResponse
    78 ShareFetchRequest ShareFetchResponse
    79 ShareAcknowledgeRequest ShareAcknowledgeResponse
    80 AddRaftVoterRequest AddRaftVoterResponse
    81 RemoveRaftVoterRequest RemoveRaftVoterResponse
    83 InitializeShareGroupStateRequest InitializeShareGroupStateResponse
    84 ReadShareGroupStateRequest ReadShareGroupStateResponse
    85 WriteShareGroupStateRequest WriteShareGroupStateResponse
    86 DeleteShareGroupStateRequest DeleteShareGroupStateResponse
    87 ReadShareGroupStateSummaryRequest ReadShareGroupStateSummaryResponse
    90 DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse
    91 AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse
    92 DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse
}
