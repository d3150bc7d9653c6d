//! Mutants of the served requests through to the handlers of a real broker: every one is answered or refused,
//! and no answer costs more than the request's charge and what one answer may take. The broker remembers what
//! earlier mutants did, so one alone may not repeat what it did in its row.

use bytes::Bytes;
use highwater::protocol::frame::RequestHeader;
use highwater::protocol::guard::Guard;
use highwater::protocol::versions;
use protocol_tests::codec;
use protocol_tests::golden::requests;
use protocol_tests::mutate::mutant;
use protocol_tests::random::Random;
use protocol_tests::serving::Serving;

use crate::watch::{Watch, is_whole, left_out};
use crate::{alone, measured};

/// Mutants of each golden request; the first is the request itself.
const MUTANTS: u64 = 400;
/// What one answer, and what the broker's own threads do beside it, may take.
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[test]
fn handlers_survive_mutants_of_everything_served() {
    let _alone = alone();
    let watch = Watch::over("handlers_survive");
    let guard = Guard::default();
    let serving = Serving::start(&[]);
    let golden = requests();
    let (mut answered, mut closed) = (0, 0);
    for (line, request) in golden.iter().enumerate().filter(|(line, _)| !left_out(*line, None)) {
        if !versions::is_served(request.api_key, request.api_version) {
            continue;
        }
        for seed in (0..MUTANTS).filter(|seed| !left_out(line, Some(*seed))) {
            watch.next(line, seed);
            let mut random = Random::new(seed << 32 | line as u64);
            let other = &golden[random.below(golden.len())].frame;
            let frame = if seed == 0 {
                request.frame.clone()
            } else {
                mutant(&request.frame, other, &mut random).into()
            };
            let Ok(checked) = guard.check(request.api_key, request.api_version, &frame) else { continue };
            let Ok((header, body_offset)) = RequestHeader::parse(&frame) else { continue };
            let body = frame.slice(body_offset..checked.body_end);
            let (answer, grown) = measured(|| serving.ask(header, body));
            let bound = checked.charge_bytes as usize + ANSWER_BYTES_MAX;
            assert!(grown <= bound, "{}: {grown} bytes for {frame:02x?}", request.name());
            match answer {
                Some(answer) => {
                    whole(request.api_key, request.api_version, &answer);
                    answered += 1;
                }
                None => closed += 1,
            }
        }
    }
    assert!(!is_whole() || answered > 20_000 && closed > 10, "{answered} answered, {closed} not");
}

/// An answer is a whole reply of that version, whatever was asked.
#[track_caller]
fn whole(api_key: i16, api_version: i16, answer: &Bytes) {
    let decoded = codec::decode_reply(api_key, api_version, answer);
    let again = decoded.and_then(|_| codec::round_trip_reply(api_key, api_version, answer));
    assert_eq!(&again.unwrap_or_else(|error| panic!("{api_key} {api_version}: {error}")), answer);
}
