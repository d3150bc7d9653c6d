use super::super::key_map::ENTRY_BYTES;
use super::super::transactions::Aborted;
use super::*;
use crate::env::simulated::SeededRandom;
use crate::protocol::batch::{BatchBuilder, CompressionType, NewRecord, verify_crc};

const NOW: i64 = 1_000_000;
const RETENTION_MS: i64 = 500;
/// Begin of a marker's key: version 0, type abort or commit.
const ABORT: &[u8] = &[0, 0, 0, 0];
const COMMIT: &[u8] = &[0, 0, 0, 1];

/// A batch at `base`, of records with a key and a value or none.
fn batch(base: i64, records: &[(Option<&str>, Option<&str>)]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    builder.base_offset = Offset(base);
    builder.compression = CompressionType::Lz4;
    for (key, value) in records {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        builder.push(NewRecord { timestamp: Timestamp(77), key, value, headers: &[] });
    }
    builder
}

fn of_producer(mut builder: BatchBuilder, id: i64, sequence: i32) -> BatchBuilder {
    (builder.producer_id, builder.producer_epoch) = (ProducerId(id), ProducerEpoch(0));
    builder.base_sequence = sequence;
    builder
}

fn transactional(mut builder: BatchBuilder, id: i64) -> BatchBuilder {
    builder.is_transactional = true;
    of_producer(builder, id, 0)
}

fn marker(base: i64, id: i64, key: &[u8]) -> BatchBuilder {
    let mut builder = of_producer(BatchBuilder::new(), id, -1);
    (builder.base_offset, builder.is_transactional, builder.is_control) = (Offset(base), true, true);
    builder.push(NewRecord { timestamp: Timestamp(77), key: Some(key), value: Some(&[0; 6]), headers: &[] });
    builder
}

/// What is left: offset, key, value.
type Left = (i64, Option<String>, Option<String>);

struct Log {
    batches: Vec<Vec<u8>>,
    now: i64,
    aborted: Vec<Aborted>,
    last_batches: HashMap<ProducerId, LastBatch>,
    waits_below: Offset,
    unreadable: u64,
}

impl Log {
    fn of(builders: &[BatchBuilder]) -> Log {
        let batches = builders.iter().map(BatchBuilder::build).collect();
        Log {
            batches,
            now: NOW,
            aborted: Vec::new(),
            last_batches: HashMap::new(),
            waits_below: Offset(i64::MAX),
            unreadable: 0,
        }
    }

    /// Cleans it with the keys of all batches from `from` on; what became of each batch.
    fn clean(&mut self, from: i64) -> Vec<Verdict> {
        let random = SeededRandom::new(1);
        let mut keys = KeyMap::new(100 * ENTRY_BYTES, 0.9, &random);
        let mut sieve = TransactionSieve::new(self.aborted.clone());
        for bytes in &self.batches {
            let batch = (&bytes[..], &BatchHeader::parse(bytes).unwrap());
            map_batch(&mut keys, &mut sieve, batch, Offset(from)).unwrap();
        }
        let mut transactions = TransactionSieve::new(self.aborted.clone());
        let mut filter = Filter {
            keys: &keys,
            now: Times::both(Timestamp(self.now)),
            waits_below: self.waits_below,
            delete_retention_ms: RETENTION_MS,
            last_batches: &self.last_batches,
            transactions: &mut transactions,
            unreadable: &mut self.unreadable,
        };
        let last = self.batches.len() - 1;
        let verdicts = self
            .batches
            .iter()
            .enumerate()
            .map(|(at, bytes)| filter.batch(bytes, &BatchHeader::parse(bytes).unwrap(), at == last));
        let verdicts: Vec<Verdict> = verdicts.collect();
        self.batches = std::mem::take(&mut self.batches)
            .into_iter()
            .zip(&verdicts)
            .filter_map(|(bytes, verdict)| match verdict {
                Verdict::Keep => Some(bytes),
                Verdict::Replace(other) => Some(other.clone()),
                Verdict::Drop => None,
            })
            .collect();
        self.batches.iter().for_each(|bytes| verify_crc(bytes).unwrap());
        verdicts
    }

    fn left(&self) -> Vec<Left> {
        let mut left = Vec::new();
        for bytes in &self.batches {
            let set = read(bytes).unwrap();
            for record in &set {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                assert!(record.timestamp == Timestamp(77), "a record's time stays");
                let offset = set.header().base_offset.0 + i64::from(record.offset_delta);
                left.push((offset, record.key.map(text), record.value.map(text)));
            }
        }
        left
    }

    fn headers(&self) -> Vec<BatchHeader> {
        self.batches.iter().map(|bytes| BatchHeader::parse(bytes).unwrap()).collect()
    }
}

fn left(offset: i64, key: &str, value: Option<&str>) -> Left {
    (offset, Some(key.to_owned()), value.map(str::to_owned))
}

#[test]
fn the_newest_of_each_key_stays() {
    let mut log = Log::of(&[
        batch(0, &[(Some("a"), Some("1")), (Some("b"), Some("1"))]),
        batch(2, &[(Some("a"), Some("2"))]),
        batch(3, &[(None, Some("keyless")), (Some("c"), Some("1"))]),
        batch(5, &[(Some("d"), Some("1")), (Some("a"), Some("3"))]),
    ]);
    let verdicts = log.clean(0);
    assert!(matches!(verdicts[..], [Verdict::Replace(_), Verdict::Drop, Verdict::Replace(_), Verdict::Keep]));
    let expected =
        [left(1, "b", Some("1")), left(4, "c", Some("1")), left(5, "d", Some("1")), left(6, "a", Some("3"))];
    assert_eq!(log.left(), expected);
    assert_eq!(log.clean(7), [Verdict::Keep, Verdict::Keep, Verdict::Keep], "nothing changes any more");
}

#[test]
fn a_tombstone_waits_for_its_time() {
    let mut log = Log::of(&[
        batch(0, &[(Some("a"), Some("1")), (Some("b"), Some("1"))]),
        batch(2, &[(Some("a"), None), (Some("c"), Some("1"))]),
        batch(4, &[(Some("z"), Some("1"))]),
    ]);
    log.clean(0);
    let with =
        [left(1, "b", Some("1")), left(2, "a", None), left(3, "c", Some("1")), left(4, "z", Some("1"))];
    assert_eq!(log.left(), with);
    let horizons = |log: &Log| log.headers().iter().map(BatchHeader::delete_horizon).collect::<Vec<_>>();
    let set = [None, Some(Timestamp(NOW + RETENTION_MS)), None];
    assert_eq!(horizons(&log), set);
    // The time is set once: a later cleaning leaves it.
    log.now += RETENTION_MS - 1;
    log.clean(4);
    assert_eq!((log.left(), horizons(&log)), (with.to_vec(), set.to_vec()));
    log.now += 1;
    log.clean(4);
    assert_eq!(log.left(), [left(1, "b", Some("1")), left(3, "c", Some("1")), left(4, "z", Some("1"))]);
}

/// Older records of its key may be left elsewhere.
#[test]
fn a_tombstone_and_a_marker_wait_only_below_what_is_clean_elsewhere() {
    let mut log = Log::of(&[
        batch(0, &[(Some("a"), None)]),
        marker(1, 8, COMMIT),
        batch(2, &[(Some("b"), None)]),
        marker(3, 8, COMMIT),
        batch(4, &[(Some("z"), Some("1"))]),
    ]);
    log.waits_below = Offset(2);
    log.clean(0);
    let waiting =
        |log: &Log| log.headers().iter().map(|header| header.delete_horizon().is_some()).collect::<Vec<_>>();
    assert_eq!(waiting(&log), [true, true, false, false, false]);
    log.now += RETENTION_MS;
    log.waits_below = Offset(0);
    log.clean(0);
    assert_eq!(log.headers().len(), 5, "what began to wait before waits as well");
    log.waits_below = Offset(2);
    log.clean(0);
    assert_eq!(log.headers().iter().map(|header| header.base_offset.0).collect::<Vec<_>>(), [2, 3, 4]);
    log.waits_below = Offset(4);
    log.clean(0);
    assert_eq!(waiting(&log), [true, true, false]);
}

#[test]
fn the_place_of_a_producer_and_the_last_batch_stay() {
    let mut log = Log::of(&[
        of_producer(batch(0, &[(Some("a"), Some("1"))]), 8, 0),
        of_producer(batch(1, &[(Some("a"), Some("2")), (Some("a"), Some("3"))]), 8, 1),
        of_producer(batch(3, &[(Some("a"), Some("4"))]), 9, 0),
        of_producer(batch(4, &[(Some("a"), Some("5"))]), 9, 1),
        batch(5, &[(None, Some("keyless"))]),
    ]);
    // Producer 9 is not remembered any more.
    let last = LastBatch { producer_epoch: ProducerEpoch(0), last_offset: Some(Offset(2)) };
    log.last_batches.insert(ProducerId(8), last);
    let verdicts = log.clean(0);
    assert!(matches!(
        verdicts[..],
        [Verdict::Drop, Verdict::Replace(_), Verdict::Drop, Verdict::Keep, Verdict::Replace(_)]
    ));
    let headers = log.headers();
    assert_eq!(headers.iter().map(|header| header.records_count).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!((headers[0].last_offset(), headers[0].last_sequence()), (Offset(2), 2));
    assert_eq!(headers[2].next_offset(), Offset(6), "the end stays known");
    assert_eq!(
        log.clean(0),
        [Verdict::Keep, Verdict::Keep, Verdict::Keep],
        "emptied ones are kept as they are"
    );
}

#[test]
fn transactions() {
    let log = || {
        Log::of(&[
            transactional(batch(0, &[(Some("a"), Some("committed"))]), 8),
            transactional(batch(1, &[(Some("a"), Some("aborted")), (Some("b"), Some("aborted"))]), 9),
            marker(3, 9, ABORT),
            marker(4, 8, COMMIT),
            batch(5, &[(Some("c"), Some("1"))]),
            batch(6, &[(Some("z"), Some("1"))]),
        ])
    };
    let mut aborted = log();
    aborted.aborted = vec![Aborted { producer_id: ProducerId(9), first_offset: Offset(1) }];
    let verdicts = aborted.clean(0);
    assert_eq!(verdicts[0], Verdict::Keep, "an aborted record does not take a committed one's place");
    assert_eq!(verdicts[1..4], [Verdict::Drop, Verdict::Keep, Verdict::Keep], "markers stay");
    // Now the transaction is gone: its marker gets its time, and goes when that has come.
    aborted.aborted.clear();
    let verdicts = aborted.clean(6);
    assert!(matches!(verdicts[..], [Verdict::Keep, Verdict::Replace(_), Verdict::Keep, ..]));
    assert_eq!(aborted.headers()[1].delete_horizon(), Some(Timestamp(NOW + RETENTION_MS)));
    assert!(aborted.headers()[1].attributes.is_control());
    assert!(aborted.clean(6).iter().all(|verdict| *verdict == Verdict::Keep), "not before its time");
    aborted.now += RETENTION_MS;
    let verdicts = aborted.clean(6);
    assert_eq!(verdicts[..3], [Verdict::Keep, Verdict::Drop, Verdict::Keep], "the committed one's stays");
    // A remembered producer of which only markers are known keeps its last one.
    let mut fenced = Log::of(&[marker(0, 9, COMMIT), batch(1, &[(Some("z"), Some("1"))])]);
    let last = LastBatch { producer_epoch: ProducerEpoch(0), last_offset: None };
    fenced.last_batches.insert(ProducerId(9), last);
    fenced.clean(0);
    fenced.now += RETENTION_MS;
    fenced.clean(0);
    assert_eq!(fenced.headers()[0].records_count, 0, "emptied");
    assert_eq!(fenced.batches.len(), 2);
}

#[test]
fn nothing_behind_the_maps_end_is_touched() {
    let random = SeededRandom::new(1);
    let mut keys = KeyMap::new(3 * ENTRY_BYTES, 1.0, &random);
    let first = batch(0, &[(Some("a"), Some("1")), (Some("b"), Some("1"))]).build();
    let second = batch(2, &[(Some("a"), Some("2")), (Some("c"), Some("1")), (Some("b"), Some("2"))]).build();
    let mut sieve = TransactionSieve::default();
    for (bytes, mapped) in [(&first, Ok(())), (&second, Err(Full))] {
        let batch = (&bytes[..], &BatchHeader::parse(bytes).unwrap());
        assert_eq!(map_batch(&mut keys, &mut sieve, batch, Offset(0)), mapped);
    }
    assert_eq!(keys.latest(), Some(Offset(2)), "up to the record that had no room");
    let mut filter = Filter {
        keys: &keys,
        now: Times::both(Timestamp(NOW)),
        waits_below: Offset(i64::MAX),
        delete_retention_ms: RETENTION_MS,
        last_batches: &HashMap::new(),
        transactions: &mut TransactionSieve::default(),
        unreadable: &mut 0,
    };
    let verdict = filter.batch(&second, &BatchHeader::parse(&second).unwrap(), false);
    assert_eq!(verdict, Verdict::Keep);
    assert!(matches!(filter.batch(&first, &BatchHeader::parse(&first).unwrap(), false), Verdict::Replace(_)));
}

/// A batch whose checksum is right and whose records cannot be read: all of them, or those behind the first.
fn unreadable(mut bytes: Vec<u8>, is_first_whole: bool) -> Vec<u8> {
    if is_first_whole {
        let count: i32 = i32::from_be_bytes(bytes[57..61].try_into().unwrap()) + 1;
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
    } else {
        bytes[61..].fill(0xff);
    }
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn what_nobody_can_read_stays_and_its_keys_count_for_nothing() {
    for is_first_whole in [false, true] {
        let mut log = Log::of(&[
            batch(0, &[(Some("a"), Some("1"))]),
            batch(1, &[(Some("b"), Some("1"))]),
            batch(2, &[(Some("b"), Some("2"))]),
            batch(3, &[(Some("a"), Some("2"))]),
        ]);
        log.batches[2] = unreadable(std::mem::take(&mut log.batches[2]), is_first_whole);
        let (before, verdicts) = (log.batches.clone(), log.clean(0));
        assert_eq!(verdicts, [Verdict::Drop, Verdict::Keep, Verdict::Keep, Verdict::Keep]);
        assert_eq!((&log.batches[..], log.unreadable), (&before[1..], 1), "{is_first_whole}");
    }
    // Of a transaction that was aborted nothing is left, whether it can be read or not: what says that it was
    // goes as well.
    let mut log = Log::of(&[
        transactional(batch(0, &[(Some("a"), Some("1"))]), 7),
        marker(1, 7, ABORT),
        batch(2, &[(Some("b"), Some("1"))]),
    ]);
    log.batches[0] = unreadable(std::mem::take(&mut log.batches[0]), false);
    log.aborted = vec![Aborted { producer_id: ProducerId(7), first_offset: Offset(0) }];
    assert_eq!(log.clean(0)[0], Verdict::Drop);
}
