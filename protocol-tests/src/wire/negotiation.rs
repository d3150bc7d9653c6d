//! ApiVersions, and versions that are not served.

use anyhow::{Context, Result, ensure};
use bytes::Buf;
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::{Bench, case_table};
use crate::client::{Client, decode_response, text};
use crate::requests::expect_code;

case_table! {
    an_unknown_version_is_answered_as_version_0_with_error_35,
    the_header_of_api_versions_is_always_version_0,
    api_versions_are_the_same_in_every_version,
    what_clients_look_for_is_advertised,
    topic_ids_are_advertised_everywhere_or_nowhere,
    features_from_zero_need_version_4,
    odd_client_software_is_an_invalid_request,
    api_versions_can_be_asked_twice,
    a_key_or_version_that_is_not_served_ends_the_connection,
}

const KEY: i16 = 18;

fn request(version: i16) -> ApiVersionsRequest {
    let request = ApiVersionsRequest::default();
    if version < 3 {
        return request;
    }
    request.with_client_software_name(text("protocol-tests")).with_client_software_version(text("1.0"))
}

fn ask(client: &mut Client, version: i16) -> Result<ApiVersionsResponse> {
    client.ask(version, &request(version))
}

/// Lowest and highest advertised version of a key.
fn range(answer: &ApiVersionsResponse, key: i16) -> Result<(i16, i16)> {
    let row = answer.api_keys.iter().find(|row| row.api_key == key);
    let row = row.with_context(|| format!("key {key} is not advertised"))?;
    Ok((row.min_version, row.max_version))
}

fn an_unknown_version_is_answered_as_version_0_with_error_35(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for version in [5_i16, 100, i16::MAX] {
        // A body that nobody can read.
        let mut frame = KEY.to_be_bytes().to_vec();
        frame.extend(version.to_be_bytes());
        frame.extend(77_i32.to_be_bytes());
        frame.extend([0xff, 0xff, 0, 0xee, 0xee]);
        client.send_frame(&frame)?;
        let (number, answer) = decode_response::<ApiVersionsRequest>(0, client.receive_frame()?)?;
        ensure!(number == 77, "correlation id {number}");
        expect_code(answer.error_code, ErrorCode::UnsupportedVersion, "an unknown version")?;
        let (min, max) = range(&answer, KEY)?;
        ensure!(min == 0 && max >= 3, "ApiVersions {min} to {max}");
        // On the same connection.
        expect_code(ask(&mut client, max.min(4))?.error_code, ErrorCode::None, "asked again")?;
    }
    Ok(())
}

fn the_header_of_api_versions_is_always_version_0(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for version in 0..=4 {
        client.send(version, &request(version))?;
        let mut frame = client.receive_frame()?;
        frame.advance(4);
        // A header of version 1 would have a byte of tagged fields here, and the code would be read from
        // where an array begins.
        expect_code(frame.get_i16(), ErrorCode::None, "right after the correlation id")?;
    }
    Ok(())
}

fn api_versions_are_the_same_in_every_version(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    let first = ask(&mut client, 0)?.api_keys;
    for version in 1..=4 {
        let answer = ask(&mut client, version)?;
        ensure!(answer.error_code == 0 && answer.api_keys.len() == first.len(), "version {version}");
        for row in &first {
            let expected = (row.min_version, row.max_version);
            ensure!(range(&answer, row.api_key)? == expected, "key {} in version {version}", row.api_key);
        }
    }
    let mut keys: Vec<_> = first.iter().map(|row| row.api_key).collect();
    keys.sort_unstable();
    keys.dedup();
    ensure!(keys.len() == first.len(), "a key is told twice");
    ensure!(first.iter().all(|row| 0 <= row.min_version && row.min_version <= row.max_version), "a range");
    Ok(())
}

fn what_clients_look_for_is_advertised(bench: &mut Bench) -> Result<()> {
    let answer = ask(&mut bench.client()?, 0)?;
    // Key, highest lowest version, lowest highest version: within these librdkafka and the Java clients have
    // their features.
    let needed = [(0, 3, 9), (1, 4, 12), (2, 1, 6), (3, 0, 9), (10, 0, 2), (KEY, 0, 3), (22, 0, 1)];
    for (key, min, max) in needed {
        let (seen_min, seen_max) = range(&answer, key)?;
        ensure!(seen_min <= min && seen_max >= max, "key {key}: {seen_min} to {seen_max}");
    }
    // KAFKA-18659: librdkafka before 2.8 takes a missing Produce 0 for a broker that cannot compress.
    ensure!(range(&answer, 0)?.0 == 0, "Produce is not advertised from 0");
    // ControlledShutdown has a header of its own and is gone.
    ensure!(range(&answer, 7).is_err(), "ControlledShutdown is advertised");
    Ok(())
}

fn topic_ids_are_advertised_everywhere_or_nowhere(bench: &mut Bench) -> Result<()> {
    let answer = ask(&mut bench.client()?, 0)?;
    let has_ids = range(&answer, 0)?.1 >= 13 || range(&answer, 1)?.1 >= 13;
    if has_ids {
        ensure!(range(&answer, 3)?.1 >= 12, "Metadata without ids, Produce or Fetch with");
        range(&answer, 75)?;
    }
    Ok(())
}

fn features_from_zero_need_version_4(bench: &mut Bench) -> Result<()> {
    // KAFKA-17011: Java clients that know version 3 only fail on such a feature.
    let answer = ask(&mut bench.client()?, 3)?;
    let from_zero = answer.supported_features.iter().find(|feature| feature.min_version < 1);
    ensure!(from_zero.is_none(), "{from_zero:?}");
    Ok(())
}

fn odd_client_software_is_an_invalid_request(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for (name, version) in [("", "1"), ("a b", "1"), ("-a", "1"), ("a", "1/2"), ("a", "")] {
        let odd = ApiVersionsRequest::default()
            .with_client_software_name(text(name))
            .with_client_software_version(text(version));
        let answer = client.ask(3, &odd)?;
        expect_code(answer.error_code, ErrorCode::InvalidRequest, &format!("{name:?} {version:?}"))?;
    }
    expect_code(ask(&mut client, 3)?.error_code, ErrorCode::None, "afterwards")
}

fn api_versions_can_be_asked_twice(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for _ in 0..2 {
        expect_code(ask(&mut client, 4)?.error_code, ErrorCode::None, "ApiVersions")?;
    }
    Ok(())
}

fn a_key_or_version_that_is_not_served_ends_the_connection(bench: &mut Bench) -> Result<()> {
    // Keys and versions that Apache Kafka 4 does not serve, nor may ever.
    for (key, version) in [(0_i16, 2_i16), (1, 3), (3, 100), (3, -1), (999, 0), (-1, 0), (7, 3)] {
        let mut client = bench.client()?;
        let mut frame = key.to_be_bytes().to_vec();
        frame.extend(version.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0]);
        client.send_frame(&frame)?;
        client.expect_closed().with_context(|| format!("key {key} version {version}"))?;
    }
    // Others are served as before.
    expect_code(ask(&mut bench.client()?, 0)?.error_code, ErrorCode::None, "afterwards")
}
