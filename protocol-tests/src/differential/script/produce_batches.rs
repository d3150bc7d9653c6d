//! Produce: one partition, batches of every kind.

use anyhow::Result;
use bytes::Bytes;
use highwater::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use highwater::protocol::batch::{BatchBuilder, CompressionType, NewRecord, TimestampType};

use super::{Case, Talk};
use crate::batches::{CODECS, SOME_TIME, batch, batch_with, compressed, patched};
use crate::requests::{FETCH, fetch, produce_of};

pub(super) const CASES: &[Case] = &[
    Case { name: "produce-batches", versions: 3..=13, run },
    Case { name: "produce-batches-refused", versions: 3..=13, run: refused },
];

fn send(talk: &mut Talk, batches: Vec<(String, Bytes)>) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    for (label, batch) in batches {
        talk.ask(&label, &produce_of(talk.version, &topic, -1, vec![(0, Some(batch))]))?;
    }
    // What was taken, in a version of its own.
    let version = std::mem::replace(&mut talk.version, FETCH);
    let read = talk.quiet(FETCH, &fetch(FETCH, &topic, 0));
    talk.version = version;
    talk.records("what was written", read?)
}

fn run(talk: &mut Talk) -> Result<()> {
    let mut batches = vec![
        ("one record".to_owned(), batch(&["a"])),
        ("three records".to_owned(), batch(&["a", "b", "c"])),
        ("empty value".to_owned(), batch(&[""])),
        ("headers and nulls".to_owned(), headers()),
        ("time 0".to_owned(), batch_with(&["a"], 0, |_| {})),
        ("time -1".to_owned(), batch_with(&["a"], -1, |_| {})),
        ("time before -1".to_owned(), batch_with(&["a"], -2, |_| {})),
    ];
    for codec in CODECS {
        batches.push((format!("{codec:?}"), compressed(&["a", &"x".repeat(500)], codec)));
    }
    type Adjust = fn(&mut BatchBuilder);
    let adjusted: [(&str, Adjust); 4] = [
        ("a leader epoch", |builder| builder.partition_leader_epoch = highwater::model::LeaderEpoch(7)),
        ("LogAppendTime of the client's", |builder| builder.timestamp_type = TimestampType::LogAppendTime),
        ("a producer epoch without producer", |builder| builder.producer_epoch = ProducerEpoch(3)),
        ("a sequence without producer", |builder| builder.base_sequence = 3),
    ];
    for (label, adjust) in adjusted {
        batches.push((label.to_owned(), batch_with(&["a", "b"], SOME_TIME, adjust)));
    }
    let good = batch(&["a", "b"]);
    for (label, at, bytes) in [
        ("a max timestamp too small", 35, &0_i64.to_be_bytes()[..]),
        ("a max timestamp too large", 35, &i64::MAX.to_be_bytes()),
        ("an undefined attribute", 21, &[0x40, 0]),
    ] {
        batches.push((label.to_owned(), patched(&good, at, bytes, true)));
    }
    batches
        .push(("the start of another batch behind it".to_owned(), [&good[..], &good[..40]].concat().into()));
    send(talk, batches)
}

fn headers() -> Bytes {
    let headers: &[(&str, Option<&[u8]>)] = &[("same", Some(b"1")), ("same", Some(b"2")), ("null", None)];
    let mut builder = BatchBuilder::new();
    for (key, value) in [(Some(&b"key"[..]), None), (None, None), (Some(&b""[..]), Some(&b"value"[..]))] {
        builder.push(NewRecord { timestamp: Timestamp(SOME_TIME), key, value, headers });
    }
    builder.build().into()
}

fn refused(talk: &mut Talk) -> Result<()> {
    let good = batch(&["a", "b"]);
    let mut batches: Vec<(String, Bytes)> = Vec::new();
    for (label, at, bytes, checksum) in [
        ("a wrong checksum", 17, &[1, 2, 3, 4][..], false),
        ("a changed record", 65, &[9], false),
        ("magic 0", 16, &[0], true),
        ("magic 1", 16, &[1], true),
        ("magic 3", 16, &[3], true),
        ("magic -1", 16, &[0xff], true),
        ("length 0", 8, &[0, 0, 0, 0], true),
        ("length 13", 8, &[0, 0, 0, 13], true),
        ("length 48", 8, &[0, 0, 0, 48], true),
        ("a negative length", 8, &[0xff, 0xff, 0xff, 0xff], true),
        ("a length beyond the end", 8, &[0, 0, 1, 0], true),
        ("codec 5", 22, &[5], true),
        ("codec 7", 22, &[7], true),
        ("last offset too small", 23, &[0, 0, 0, 0], true),
        ("last offset too large", 23, &[0, 0, 0, 5], true),
        ("a negative last offset", 23, &[0xff, 0xff, 0xff, 0xff], true),
        ("too few records counted", 57, &[0, 0, 0, 1], true),
        ("too many records counted", 57, &[0, 0, 0, 3], true),
        ("no records counted", 57, &[0, 0, 0, 0], true),
        ("a negative count", 57, &[0xff, 0xff, 0xff, 0xff], true),
        ("a base offset", 0, &[0, 0, 0, 0, 0, 0, 0, 5], true),
        ("a negative base offset", 0, &[0xff; 8], true),
        ("a record too long", 61, &[0x7e], true),
        ("a record too short", 61, &[0x04], true),
    ] {
        batches.push((label.to_owned(), patched(&good, at, bytes, checksum)));
    }
    for length in [0, 1, 11, 12, 17, 60, 61, good.len() - 1] {
        batches.push((format!("the first {length} bytes"), good.slice(..length)));
    }
    batches.push(("two batches".to_owned(), [&good[..], &good[..]].concat().into()));
    let control = batch_with(&["a"], SOME_TIME, |builder| builder.is_control = true);
    batches.push(("a control batch".to_owned(), control));
    let transactional = batch_with(&["a"], SOME_TIME, |builder| builder.is_transactional = true);
    batches.push(("transactional without producer".to_owned(), transactional));
    let based = batch_with(&["a"], SOME_TIME, |builder| builder.base_offset = Offset(3));
    batches.push(("a base offset, built so".to_owned(), based));
    let unsequenced = batch_with(&["a"], SOME_TIME, |builder| builder.producer_id = ProducerId(7));
    batches.push(("a producer without a sequence".to_owned(), unsequenced));
    for (codec, number) in CODECS.iter().zip(0_u8..).skip(1) {
        batches.push((format!("{codec:?} that is none"), patched(&good, 22, &[number], true)));
    }
    let cut = compressed(&["a", &"x".repeat(500)], CompressionType::Gzip);
    let mut cut = cut.slice(..cut.len() - 9).to_vec();
    let length = (cut.len() as u32 - 12).to_be_bytes();
    cut[8..12].copy_from_slice(&length);
    batches.push(("Gzip that is cut off".to_owned(), patched(&cut.into(), 8, &length, true)));
    send(talk, batches)
}
