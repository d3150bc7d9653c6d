//! Lengths and frames, whole, in parts and impossible.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::MetadataRequest;

use super::{Bench, case_table};
use crate::client::{Client, decode_response, frame, with_length};
use crate::requests::{METADATA, metadata};

case_table! {
    a_frame_may_come_byte_by_byte,
    several_frames_may_come_in_one_piece,
    impossible_lengths_end_their_own_connection_only,
    a_body_that_ends_early_ends_the_connection,
    counts_that_cannot_be_end_the_connection,
    a_null_where_none_may_be_ends_the_connection,
    a_connection_that_ends_within_a_frame_hurts_nobody,
}

fn ask() -> Result<Vec<u8>> {
    frame(METADATA, 6, &metadata(METADATA, Some(&[])))
}

fn expect_answer(client: &mut Client) -> Result<()> {
    let (number, answer) = decode_response::<MetadataRequest>(METADATA, client.receive_frame()?)?;
    ensure!(number == 6 && !answer.brokers.is_empty(), "number {number}");
    Ok(())
}

fn a_frame_may_come_byte_by_byte(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for byte in with_length(&ask()?) {
        client.send_bytes(&[byte])?;
    }
    expect_answer(&mut client)
}

fn several_frames_may_come_in_one_piece(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    let one = with_length(&ask()?);
    let (begin, end) = one.split_at(7);
    client.send_bytes(&[&one, &one, begin].concat())?;
    expect_answer(&mut client)?;
    expect_answer(&mut client)?;
    client.send_bytes(&[end, &one].concat())?;
    expect_answer(&mut client)?;
    expect_answer(&mut client)
}

/// Sends bytes on a connection of their own, which must be ended; another one is served as before.
fn expect_end(bench: &mut Bench, bytes: &[u8]) -> Result<()> {
    let (mut client, mut other) = (bench.client()?, bench.client()?);
    other.send_frame(&ask()?)?;
    expect_answer(&mut other)?;
    client.send_bytes(bytes)?;
    client.expect_closed().with_context(|| format!("{:02x?}", &bytes[..bytes.len().min(32)]))?;
    other.send_frame(&ask()?)?;
    expect_answer(&mut other)
}

fn impossible_lengths_end_their_own_connection_only(bench: &mut Bench) -> Result<()> {
    // Beyond socket.request.max.bytes; negative; the first bytes of a TLS ClientHello, of HTTP.
    for length in [0x7fff_ffff_u32, 0xffff_ffff, 0x8000_0000, 0x1603_0100, u32::from_be_bytes(*b"GET ")] {
        expect_end(bench, &length.to_be_bytes())?;
    }
    // Too short for a header.
    for length in [0, 1, 7] {
        expect_end(bench, &with_length(&vec![0; length]))?;
    }
    Ok(())
}

fn a_body_that_ends_early_ends_the_connection(bench: &mut Bench) -> Result<()> {
    for version in [1, METADATA] {
        let whole = frame(version, 6, &metadata(version, Some(&["wire-absent"])))?;
        for cut in [1, 2, 5] {
            expect_end(bench, &with_length(&whole[..whole.len() - cut]))?;
        }
    }
    Ok(())
}

/// A Metadata request of version 1 or 9 with this body.
fn metadata_frame(version: i16, body: &[u8]) -> Vec<u8> {
    let mut request = 3_i16.to_be_bytes().to_vec();
    request.extend(version.to_be_bytes());
    request.extend([0, 0, 0, 6, 0xff, 0xff]);
    if version >= 9 {
        request.push(0);
    }
    request.extend(body);
    with_length(&request)
}

fn counts_that_cannot_be_end_the_connection(bench: &mut Bench) -> Result<()> {
    for (version, body) in [
        (1, Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff])),
        (1, Bytes::from_static(&[0, 0, 0, 2, 0, 1, b'a'])),
        // A name longer than the frame.
        (1, Bytes::from_static(&[0, 0, 0, 1, 0x7f, 0xff, b'a'])),
        // 2^31 topics in a compact array, and 2^32 - 2.
        (9, Bytes::from_static(&[0x81, 0x80, 0x80, 0x80, 0x08])),
        (9, Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f])),
    ] {
        expect_end(bench, &metadata_frame(version, &body))?;
    }
    Ok(())
}

fn a_null_where_none_may_be_ends_the_connection(bench: &mut Bench) -> Result<()> {
    // One topic whose name is null; version 9 likewise, in the compact form.
    expect_end(bench, &metadata_frame(1, &[0, 0, 0, 1, 0xff, 0xff]))?;
    expect_end(bench, &metadata_frame(9, &[2, 0, 0, 0, 0, 0, 0]))
}

fn a_connection_that_ends_within_a_frame_hurts_nobody(bench: &mut Bench) -> Result<()> {
    let mut other = bench.client()?;
    let whole = with_length(&ask()?);
    for length in [0, 2, 4, 9, whole.len() - 1] {
        bench.client()?.send_bytes(&whole[..length])?;
        other.send_frame(&ask()?)?;
        expect_answer(&mut other)?;
    }
    Ok(())
}
