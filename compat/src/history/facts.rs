//! A history by key and value: who wrote what, and who read it.

use std::collections::HashMap;

use anyhow::{Result, ensure};

use super::{Operation, Outcome};

/// A value of a key; records are numbered.
pub struct Record {
    /// Its key, by number.
    pub key: usize,
    /// Its value.
    pub value: u64,
    /// The place of its send.
    pub write: Option<usize>,
    /// Operations that read it, in order.
    pub readers: Vec<usize>,
    /// Offsets at which it was read; of a sound log it is one.
    pub read_at: Vec<i64>,
    /// Whether an operation read it that ended well.
    pub is_read: bool,
}

/// A send of the history.
pub struct Write {
    /// Its operation.
    pub operation: usize,
    /// What was written.
    pub record: usize,
    /// Where it lies, if that was told.
    pub offset: Option<i64>,
}

/// One record of a poll.
pub struct Read {
    /// Its operation.
    pub operation: usize,
    /// What was read.
    pub record: usize,
    /// From where.
    pub offset: i64,
}

/// What the rules ask.
pub struct Facts<'a> {
    /// The history.
    pub operations: &'a [Operation],
    /// Names of keys, in order.
    pub keys: Vec<&'a str>,
    /// Whatever was written or read.
    pub records: Vec<Record>,
    /// All sends, by operation.
    pub writes: Vec<Write>,
    /// All records of polls, by operation, and in the order in which they came.
    pub reads: Vec<Read>,
}

/// Numbers for keys and records.
#[derive(Default)]
struct Numbers<'a> {
    keys: Vec<&'a str>,
    key_numbers: HashMap<&'a str, usize>,
    records: Vec<Record>,
    record_numbers: HashMap<(usize, u64), usize>,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, key: &'a str, value: u64) -> usize {
        let next = self.keys.len();
        let key_number = *self.key_numbers.entry(key).or_insert(next);
        if key_number == next {
            self.keys.push(key);
        }
        let next = self.records.len();
        let number = *self.record_numbers.entry((key_number, value)).or_insert(next);
        if number == next {
            let (readers, read_at) = (Vec::new(), Vec::new());
            self.records.push(Record {
                key: key_number,
                value,
                write: None,
                readers,
                read_at,
                is_read: false,
            });
        }
        number
    }
}

impl<'a> Facts<'a> {
    /// Fails if the history breaks its own rules.
    pub fn of(operations: &'a [Operation]) -> Result<Facts<'a>> {
        let mut numbers = Numbers::default();
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for (place, operation) in operations.iter().enumerate() {
            ensure!(operation.began <= operation.ended, "operation {place} ends before it begins");
            for sent in operation.sends() {
                let number = numbers.of(&sent.key, sent.value);
                let before = numbers.records[number].write.replace(writes.len());
                ensure!(before.is_none(), "operation {place} writes {} to {} again", sent.value, sent.key);
                writes.push(Write { operation: place, record: number, offset: sent.offset });
            }
            for (key, offset, value) in operation.reads() {
                let number = numbers.of(key, value);
                let record = &mut numbers.records[number];
                if record.readers.last() != Some(&place) {
                    record.readers.push(place);
                }
                if !record.read_at.contains(&offset) {
                    record.read_at.push(offset);
                }
                record.is_read |= operation.outcome == Outcome::Ok;
                reads.push(Read { operation: place, record: number, offset });
            }
        }
        numbers.records.iter_mut().for_each(|record| record.read_at.sort_unstable());
        Ok(Facts { operations, keys: numbers.keys, records: numbers.records, writes, reads })
    }

    /// Who wrote a record.
    pub fn writer_of(&self, record: &Record) -> Option<&Write> {
        record.write.map(|place| &self.writes[place])
    }

    /// By operation: whether it must have been committed: it was acknowledged, or others read a part of it.
    pub fn committed(&self) -> Vec<bool> {
        let ok = |operation: &Operation| operation.outcome == Outcome::Ok;
        let mut committed: Vec<bool> = self.operations.iter().map(ok).collect();
        for write in &self.writes {
            let is_unknown = self.operations[write.operation].outcome == Outcome::Unknown;
            committed[write.operation] |= is_unknown && self.records[write.record].is_read;
        }
        committed
    }

    /// A record in words.
    pub fn name(&self, record: &Record) -> String {
        format!("value {} of {}", record.value, self.keys[record.key])
    }

    /// Where an operation's reads of each key ended.
    pub fn last_reads(&self) -> Vec<LastRead> {
        let mut last: Vec<LastRead> = Vec::new();
        for read in &self.reads {
            let key = self.records[read.record].key;
            match last.last_mut() {
                Some(before) if before.operation == read.operation && before.key == key => {
                    before.offset = before.offset.max(read.offset);
                }
                _ => last.push(LastRead { operation: read.operation, key, offset: read.offset }),
            }
        }
        last
    }
}

/// The greatest offset of one poll and key.
pub struct LastRead {
    /// Its operation.
    pub operation: usize,
    /// The key, by number.
    pub key: usize,
    /// The offset.
    pub offset: i64,
}
