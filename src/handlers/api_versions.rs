//! ApiVersions, key 18, versions 0 to 4.
//!
//! Names the APIs and versions that are served, before and after authentication.
//! Every feature that is served is finalized at its highest level: there is no older broker to wait for.
//!
//! v1: `throttle_time_ms`. v2: nothing. v3: flexible, client software, features (KIP-511, KIP-584).
//! v4: features whose lowest version is 0 may be named (KAFKA-17011).

use std::ops::RangeInclusive;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::{APIS, Api, ClientSoftware, Handling, Reply, RequestContext, RequestHeader};
use crate::protocol::versions::API_VERSIONS_KEY;
use crate::protocol::{ErrorCode, response};

/// The row of `APIS`.
pub(super) const API: Api = Api {
    key: API_VERSIONS_KEY,
    handle: |context, body| -> Handling { Box::pin(std::future::ready(handle(&context, body))) },
};

/// First version with the client's software in the request and features in the response.
const VERSION_WITH_SOFTWARE: i16 = 3;
/// First version in which a feature may have 0 as its lowest version.
const VERSION_WITH_FEATURES_FROM_ZERO: i16 = 4;
/// Epoch of the set of finalized features, which never changes; -1 would say that it is unknown.
const FINALIZED_FEATURES_EPOCH: i64 = 0;

/// A feature that could be finalized, and the levels of it that this broker knows (KIP-584).
pub(super) struct Feature {
    pub(super) name: &'static str,
    pub(super) levels: RangeInclusive<i16>,
}

const FEATURES: &[Feature] = &[
    Feature { name: "group.version", levels: 0..=1 },
    Feature { name: "transaction.version", levels: 0..=2 },
];

fn handle(context: &RequestContext, mut body: Bytes) -> Reply {
    let header = &context.header;
    if !API.served().contains(&header.api_version) {
        return message(header, 0, &unsupported_version());
    }
    let Ok(request) = ApiVersionsRequest::decode(&mut body, header.api_version) else {
        return Reply::Close("an ApiVersions request that cannot be decoded");
    };
    if header.api_version >= VERSION_WITH_SOFTWARE {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        if !is_valid_software(name) || !is_valid_software(version) {
            let refusal = ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
            return message(header, header.api_version, &refusal);
        }
        let software = ClientSoftware { name: name.to_string(), version: version.to_string() };
        *context.connection.client_software.lock() = Some(software);
    }
    message(header, header.api_version, &supported(header.api_version, FEATURES))
}

/// KIP-511, measured against Kafka 4.3: a client that asks in a version from the future gets the oldest body,
/// with the error and the range of ApiVersions itself, and asks again on the same connection.
fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(vec![row(&API)])
}

/// The answer to a request of a version that is served.
pub(super) fn supported(version: i16, features: &[Feature]) -> ApiVersionsResponse {
    let response = ApiVersionsResponse::default().with_api_keys(APIS.iter().map(row).collect());
    if version < VERSION_WITH_SOFTWARE {
        return response;
    }
    // KAFKA-17011: Java clients that know v3 only fail on a feature whose lowest version is 0.
    let named =
        |feature: &&Feature| *feature.levels.start() > 0 || version >= VERSION_WITH_FEATURES_FROM_ZERO;
    let supported = features.iter().filter(named).map(|feature| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version(*feature.levels.start())
            .with_max_version(*feature.levels.end())
    });
    let finalized = features.iter().map(|feature| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_max_version_level(*feature.levels.end())
            .with_min_version_level(*feature.levels.end())
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(FINALIZED_FEATURES_EPOCH)
}

fn row(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key)
        .with_min_version(*api.advertised().start())
        .with_max_version(*api.advertised().end())
}

/// KIP-511: letters, digits, `-` and `.`, a letter or digit at both ends, not empty.
pub(super) fn is_valid_software(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    text.bytes().all(inner) && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}

fn message(header: &RequestHeader, version: i16, response: &ApiVersionsResponse) -> Reply {
    let encoded = response::encode(API_VERSIONS_KEY, version, header.correlation_id, response);
    Reply::Message(encoded.expect("versions that the response lacks were answered in version 0"))
}
