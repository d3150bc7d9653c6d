use crate::log::index::{IndexSummary, OffsetEntry, TimeEntry};
use crate::log::segment::{Largest, Segment};
use crate::log::{LogDirectory, LogError, error};
use crate::model::Timestamp;
use crate::protocol::batch::BatchHeader;

/// Decides which batches of a segment get index entries, and writes them.
///
/// Entries are a function of the batches alone (as in Kafka: an entry for the batch that begins more than
/// `index.interval.bytes` after the last one that got an entry, and a time entry beside it if the largest
/// timestamp grew), so an index that is rebuilt has the bytes it had before.
pub(super) struct Indexer {
    interval_bytes: u64,
    last_position: u64,
    last_timestamp: Timestamp,
    largest: Largest,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
}

impl Indexer {
    /// For an empty segment.
    pub(super) fn new(interval_bytes: u32) -> Indexer {
        Indexer {
            interval_bytes: u64::from(interval_bytes),
            last_position: 0,
            last_timestamp: Timestamp::NONE,
            largest: Largest::NONE,
            offsets: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Goes on where the segment's indexes end.
    pub(super) fn resume(
        segment: &Segment,
        directory: &LogDirectory,
        interval_bytes: u32,
    ) -> Result<Indexer, LogError> {
        let (files, handles) = (&*directory.env.files, &*directory.handles);
        let offset = segment.offset_index.last(files, handles);
        let offset = offset.map_err(LogError::reading(segment.offset_index.path()))?;
        let time = segment.time_index.last(files, handles);
        let time = time.map_err(LogError::reading(segment.time_index.path()))?;
        Ok(Indexer {
            last_position: offset.map_or(0, |entry| entry.position as u64),
            last_timestamp: time.map_or(Timestamp::NONE, |entry| entry.timestamp),
            largest: segment.largest(),
            ..Indexer::new(interval_bytes)
        })
    }

    /// Takes note of the batch at `position`.
    pub(super) fn add(&mut self, segment: &Segment, position: u64, header: &BatchHeader) {
        self.largest.add_batch(header);
        if position - self.last_position <= self.interval_bytes {
            return;
        }
        self.last_position = position;
        let position = i32::try_from(position).expect("a segment rolls before its size passes 2^31-1");
        let relative_offset = segment.relative(header.last_offset());
        self.offsets.push(OffsetEntry { relative_offset, position });
        self.add_time(segment);
    }

    fn add_time(&mut self, segment: &Segment) {
        if self.largest.timestamp > self.last_timestamp {
            let relative_offset = segment.relative(self.largest.last_offset);
            self.times.push(TimeEntry { timestamp: self.largest.timestamp, relative_offset });
            self.last_timestamp = self.largest.timestamp;
        }
    }

    /// The segment takes no more batches: its largest timestamp gets an entry.
    pub(super) fn close(&mut self, segment: &Segment) {
        self.add_time(segment);
    }

    /// What `flush` makes of the empty indexes of a new segment.
    pub(super) fn summaries(&self) -> (IndexSummary, IndexSummary) {
        (IndexSummary::of(&self.offsets), IndexSummary::of(&self.times))
    }

    /// The largest timestamp so far.
    pub(super) fn largest(&self) -> Largest {
        self.largest
    }

    /// Writes what was decided and publishes the largest timestamp. On a full disk the entries are dropped:
    /// an index with fewer entries is as right, and slower.
    pub(super) fn flush(&mut self, segment: &Segment, directory: &LogDirectory) -> Result<(), LogError> {
        segment.set_largest(self.largest);
        if self.offsets.is_empty() && self.times.is_empty() {
            return Ok(());
        }
        let (files, handles) = (&*directory.env.files, &*directory.handles);
        let offsets = segment.offset_index.append(files, handles, &self.offsets);
        let times = segment.time_index.append(files, handles, &self.times);
        self.offsets.clear();
        self.times.clear();
        for (result, path) in [(offsets, segment.offset_index.path()), (times, segment.time_index.path())] {
            match result {
                Err(source) if !error::is_no_space(&source) => {
                    return Err(LogError::changing("write", path)(source));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes both indexes of a segment anew from its batches. `closed`: the segment takes no more batches.
pub(super) fn rebuild(
    segment: &Segment,
    directory: &LogDirectory,
    interval_bytes: u32,
    closed: bool,
) -> Result<(), LogError> {
    let (files, handles) = (&*directory.env.files, &*directory.handles);
    let cleared = segment.offset_index.clear(files, handles);
    cleared.map_err(LogError::changing("cut", segment.offset_index.path()))?;
    let cleared = segment.time_index.clear(files, handles);
    cleared.map_err(LogError::changing("cut", segment.time_index.path()))?;
    let mut indexer = Indexer::new(interval_bytes);
    let mut scanner = segment.scan(directory, 0, segment.bytes())?;
    while let Some(found) = scanner.next()? {
        indexer.add(segment, found.position, &found.header);
    }
    if closed {
        indexer.close(segment);
    }
    indexer.flush(segment, directory)
}
