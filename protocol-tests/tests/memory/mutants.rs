//! A million mutants of Kafka's own requests, and every truncation of each: the guard refuses without taking
//! memory, or the decoder stays in step with it and within the charge.
//!
//! Replies are no surface of the broker's: it decodes none.

use bytes::Bytes;
use highwater::protocol::frame::RequestHeader;
use highwater::protocol::guard::{CHARGE_BYTES_MAX, Guard};
use protocol_tests::codec;
use protocol_tests::golden::requests;
use protocol_tests::mutate::mutant;
use protocol_tests::random::Random;

use crate::watch::{Watch, is_whole, left_out};
use crate::{alone, measured};

/// How many in one run.
const MUTANTS: u64 = 1_000_000;

/// The test harness's own, and a decoder's error with its backtrace: small, as these frames are.
const SMALL_SLACK_BYTES: usize = 8 << 10;

/// How the frames fared.
#[derive(Default)]
struct Tally {
    refused: u64,
    decoded: u64,
    undecodable: u64,
}

impl Tally {
    /// Guard, header and decoder, as the server calls them.
    fn attempt(&mut self, guard: &Guard, api_key: i16, api_version: i16, frame: Vec<u8>) {
        let frame = Bytes::from(frame);
        let (checked, grown) = measured(|| guard.check(api_key, api_version, &frame));
        assert!(grown <= SMALL_SLACK_BYTES, "the guard took {grown} bytes: {frame:02x?}");
        let Ok(checked) = checked else {
            self.refused += 1;
            return;
        };
        assert!(checked.charge_bytes <= CHARGE_BYTES_MAX);
        let (decoded, grown) = measured(|| codec::decode(api_key, api_version, &frame));
        let bound = checked.charge_bytes as usize + SMALL_SLACK_BYTES;
        assert!(grown <= bound, "{grown} bytes taken, {bound} charged: {frame:02x?}");
        match decoded {
            Ok((body_offset, body_end, _)) => {
                assert_eq!((body_offset, body_end), (checked.body_offset, checked.body_end), "{frame:02x?}");
                if let Ok((_, offset)) = RequestHeader::parse(&frame) {
                    assert_eq!(offset, body_offset, "{frame:02x?}");
                }
                self.decoded += 1;
            }
            Err(_) => self.undecodable += 1,
        }
    }
}

#[test]
fn a_million_mutants_are_refused_or_decoded_within_their_charge() {
    let _alone = alone();
    let watch = Watch::over("a_million_mutants");
    let guard = Guard::default();
    let golden = requests();
    let each = MUTANTS.div_ceil(golden.len() as u64);
    let mut tally = Tally::default();
    for (line, request) in golden.iter().enumerate().filter(|(line, _)| !left_out(*line, None)) {
        for seed in (0..each).filter(|seed| !left_out(line, Some(*seed))) {
            watch.next(line, seed);
            let mut random = Random::new(seed << 32 | line as u64);
            let other = &golden[random.below(golden.len())].frame;
            let frame = mutant(&request.frame, other, &mut random);
            tally.attempt(&guard, request.api_key, request.api_version, frame);
        }
    }
    let Tally { refused, decoded, undecodable } = tally;
    if is_whole() {
        assert!(refused + decoded + undecodable >= MUTANTS);
        assert!(
            refused > 100_000 && decoded > 100_000 && undecodable > 100,
            "{refused} {decoded} {undecodable}"
        );
    }
}

#[test]
fn every_truncation_of_every_request_is_refused_and_costs_nothing() {
    let _alone = alone();
    let guard = Guard::default();
    for request in requests() {
        for end in 0..request.frame.len() {
            let cut = &request.frame[..end];
            let (checked, grown) = measured(|| guard.check(request.api_key, request.api_version, cut));
            assert!(
                checked.is_err() && grown <= SMALL_SLACK_BYTES,
                "{} cut at {end}: {grown} bytes",
                request.name()
            );
        }
    }
}
