//! Frames out of a socket: a length, then that many bytes.
//!
//! Small frames are read ahead, many with one call, and given out as slices of one buffer; a big one is read
//! into a buffer of its own. What was read of a frame when its buffer ended is moved to the next buffer, so
//! that bytes move once more at most, and of big frames only the few in front.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Limits;
use super::budget::{Charge, FIRST_CHARGE_BYTES, MemoryBudget};
use super::end::End;
use super::pace::Pace;
use crate::env::Clock;
use crate::env::time::Deadline;
use crate::protocol::frame::PREFIX_BYTES;

/// Bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// A frame up to this size gets its whole buffer as soon as its length is known, so that the usual batch is
/// read into place. A bigger one gets twice what has arrived, again and again. Also the most that is read
/// ahead.
const TRUSTED_BYTES: usize = 128 * 1024;

/// The same for a connection whose last frame was as big: it mostly sends such. What it may hold without
/// having sent it is bounded by this and by the budget.
const TRUSTED_BYTES_MAX: usize = (1 << 20) + 4096;

/// How many frames like the last one a buffer is made for.
const FRAMES_AHEAD: usize = 8;

/// A request as it came, without its length.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Holds the memory of `bytes`, to be kept as long as they.
    pub(super) charge: Charge,
}

/// What came of waiting for a frame.
pub(super) enum Arrival {
    /// A whole one.
    Frame(Frame),
    /// None began before the deadline.
    Quiet,
}

/// What was read and not given out.
struct Unread {
    bytes: Bytes,
    /// Holds the memory of the buffer that `bytes` are the end of.
    charge: Arc<Charge>,
}

/// Reads one connection.
pub(super) struct FrameReader<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a dyn Clock,
    pub(super) budget: &'a Arc<MemoryBudget>,
    /// At least a byte of a further frame. An idle connection holds no buffer.
    unread: Option<Unread>,
    /// Bytes that a buffer should have while the next frame's length is unknown.
    ahead_bytes: usize,
    /// Up to this size a frame gets its whole buffer at once.
    trusted_bytes: usize,
}

impl<'a> FrameReader<'a> {
    pub(super) fn new(
        stream: &'a TcpStream,
        limits: &'a Limits,
        clock: &'a dyn Clock,
        budget: &'a Arc<MemoryBudget>,
    ) -> FrameReader<'a> {
        FrameReader {
            stream,
            limits,
            clock,
            budget,
            unread: None,
            ahead_bytes: FIRST_CHARGE_BYTES,
            trusted_bytes: TRUSTED_BYTES,
        }
    }

    /// Whether bytes of a further request have been read.
    pub(super) fn has_begun(&self) -> bool {
        self.unread.is_some()
    }

    /// Waits for the next frame; for its first byte until `quiet` has passed.
    pub(super) async fn next(&mut self, quiet: &mut Deadline) -> Result<Arrival, End> {
        if self.unread.is_none() {
            tokio::select! {
                biased;
                unread = self.first_bytes() => self.unread = Some(unread?),
                () = quiet.passed() => return Ok(Arrival::Quiet),
            }
        }
        loop {
            let unread = self.unread.take().expect("something was read");
            match self.frame_end(&unread.bytes)?.filter(|end| *end <= unread.bytes.len()) {
                Some(end) => return Ok(Arrival::Frame(self.split_frame(unread, end))),
                None => self.unread = Some(self.complete(unread).await?),
            }
        }
    }

    /// Takes the first frame, which ends at `end`, out of what was read; the rest stays.
    fn split_frame(&mut self, unread: Unread, end: usize) -> Frame {
        let Unread { mut bytes, charge } = unread;
        let mut frame = bytes.split_to(end);
        let _length = frame.split_to(LENGTH_BYTES);
        self.ahead_bytes = ahead_bytes(end);
        self.trusted_bytes = trusted_bytes(end);
        let frame = Frame { bytes: frame, charge: Charge::within(charge.clone()) };
        if !bytes.is_empty() {
            self.unread = Some(Unread { bytes, charge });
        }
        frame
    }

    /// Where the frame ends that `bytes` begin with, once they tell its length.
    fn frame_end(&self, bytes: &[u8]) -> Result<Option<usize>, End> {
        if bytes.len() < LENGTH_BYTES {
            return Ok(None);
        }
        Ok(Some(LENGTH_BYTES + frame_length(bytes, self.limits.request_bytes_max)?))
    }

    /// Waits for the first bytes of a frame. The socket is not read before there is a charge for them; that
    /// the client closed it is seen without one.
    async fn first_bytes(&self) -> Result<Unread, End> {
        loop {
            self.stream.readable().await.map_err(End::Socket)?;
            let mut charge = match self.budget.try_begin() {
                Some(charge) => charge,
                None if self.stream.peek(&mut [0]).await.map_err(End::Socket)? == 0 => {
                    return Err(End::Closed);
                }
                None => self.budget.begin().await,
            };
            let more = self.ahead_bytes - FIRST_CHARGE_BYTES;
            let room = if charge.try_grow(more as u64) { self.ahead_bytes } else { FIRST_CHARGE_BYTES };
            let mut buffer = Vec::with_capacity(room);
            match receive(self.stream, &mut buffer) {
                Ok(0) => return Err(End::Closed),
                Ok(_) => return Ok(Unread { bytes: buffer.into(), charge: Arc::new(charge) }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(End::Socket(error)),
            }
        }
    }

    /// Reads what is missing of a frame that has begun, into a new buffer.
    async fn complete(&self, part: Unread) -> Result<Unread, End> {
        let mut pace = Pace::new(self.limits.request_timeout, self.limits.bytes_per_second_min);
        // Of a buffer whose other frames are in work only what is charged beyond it is new. It is held until
        // there is a charge for the next one: so whoever waits here can be the one that goes beyond the
        // budget.
        let mut charge = Arc::try_unwrap(part.charge).unwrap_or_else(Charge::within);
        let mut buffer = Vec::new();
        let capacity = capacity_for(part.bytes.len(), self.frame_end(&part.bytes)?, self.trusted_bytes);
        charge.grow_to(capacity as u64).await;
        let ahead = self.ahead_bytes.saturating_sub(capacity);
        buffer.reserve_exact(if charge.try_grow(ahead as u64) { capacity + ahead } else { capacity });
        buffer.extend_from_slice(&part.bytes);
        drop(part.bytes);
        charge.leave_buffer();
        loop {
            let end = self.frame_end(&buffer)?;
            if end.is_some_and(|end| end <= buffer.len()) {
                return Ok(Unread { bytes: buffer.into(), charge: Arc::new(charge) });
            }
            let capacity = capacity_for(buffer.len(), end, self.trusted_bytes);
            // Not before it is full: a slow sender would have it moved with every packet.
            if buffer.len() == buffer.capacity() || buffer.capacity() < capacity.min(self.trusted_bytes) {
                charge.grow_to(capacity as u64).await;
                buffer.reserve_exact(capacity - buffer.len());
            }
            self.read(&mut buffer, &mut pace).await?;
        }
    }

    /// Reads once into the room there is, waiting for bytes if need be.
    async fn read(&self, buffer: &mut Vec<u8>, pace: &mut Pace) -> Result<(), End> {
        loop {
            match receive(self.stream, buffer) {
                Ok(0) => return Err(End::ClosedInRequest),
                Ok(count) => {
                    pace.moved(count as u64);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(End::Socket(error)),
            }
            let waited = pace.wait(self.clock, self.stream.readable()).await;
            waited.map_err(|error| End::of_request(error, buffer.len() as u64))?;
        }
    }
}

/// What a buffer must hold that has `length` bytes of a frame, more than it has; `end` is the frame's, if
/// known, `trusted` the size up to which it gets all it needs.
fn capacity_for(length: usize, end: Option<usize>, trusted: usize) -> usize {
    end.map_or(FIRST_CHARGE_BYTES, |end| end.min((length * 2).max(trusted)))
}

/// Up to which size a frame is trusted to come, after one of `end` bytes.
fn trusted_bytes(end: usize) -> usize {
    end.clamp(TRUSTED_BYTES, TRUSTED_BYTES_MAX)
}

/// What to read at once, after a frame of `end` bytes: several like it; of a big one its beginning, so that
/// little of the next is moved.
fn ahead_bytes(end: usize) -> usize {
    let several = end.saturating_mul(FRAMES_AHEAD);
    if several > 2 * TRUSTED_BYTES {
        FIRST_CHARGE_BYTES
    } else {
        several.clamp(FIRST_CHARGE_BYTES, TRUSTED_BYTES)
    }
}

/// Reads once into the spare room of `buffer`, of which there is some; gives how much came, 0 at the end.
fn receive(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let (before, room) = (buffer.len(), buffer.capacity() - buffer.len());
    let received = stream.try_io(Interest::READABLE, || {
        let (_, count) = rustix::net::recv(stream, spare_capacity(buffer), RecvFlags::empty())?;
        // Less than there was room for: the socket is empty. Saying so here saves the call that would find
        // that out (epoll tells of what comes later).
        if 0 < count && count < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    match received {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && buffer.len() > before => {
            Ok(buffer.len() - before)
        }
        received => received,
    }
}

/// The length of the frame that `bytes` begin with, if it can be a frame of ours.
fn frame_length(bytes: &[u8], request_bytes_max: u32) -> Result<usize, End> {
    let prefix = bytes.first_chunk::<LENGTH_BYTES>().expect("the caller read the length");
    let length = i32::from_be_bytes(*prefix);
    match usize::try_from(length) {
        Ok(size) if size >= PREFIX_BYTES && size <= request_bytes_max as usize => Ok(size),
        _ => Err(End::Malformed(not_a_length(*prefix, length, request_bytes_max))),
    }
}

/// Guesses what a client meant whose first four bytes are no acceptable length.
fn not_a_length(prefix: [u8; LENGTH_BYTES], length: i32, request_bytes_max: u32) -> String {
    match &prefix {
        // A TLS record: handshake, version 3.x.
        [0x16, 0x03, ..] => "the client speaks TLS, but this listener is plaintext \
             (check the client's security.protocol)"
            .to_owned(),
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"DELE" | b"OPTI" | b"CONN" | b"PRI " => {
            "the client speaks HTTP, but this listener speaks the Kafka protocol".to_owned()
        }
        _ if length < 0 => format!("the request claims a negative length of {length} bytes"),
        _ if (length as usize) < PREFIX_BYTES => {
            format!("the request claims a length of {length} bytes, less than a header has")
        }
        _ => format!(
            "the request claims a length of {length} bytes; \
             at most {request_bytes_max} are allowed (socket.request.max.bytes)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_cannot_be_are_refused_with_words() {
        let check = |prefix: &[u8; 4], expected: &str| match frame_length(prefix, 1000) {
            Err(End::Malformed(words)) => assert!(words.contains(expected), "{prefix:?}: {words}"),
            other => panic!("{prefix:?}: {other:?}"),
        };
        check(b"\x16\x03\x01\x00", "TLS");
        check(b"\x16\x03\x03\x7a", "TLS");
        check(b"GET ", "HTTP");
        check(b"POST", "HTTP");
        check(b"\xff\xff\xff\xff", "negative length of -1 ");
        check(b"\x80\x00\x00\x00", "negative");
        check(b"\x00\x00\x00\x00", "less than a header");
        check(b"\x00\x00\x00\x07", "less than a header");
        check(b"\x00\x00\x03\xe9", "socket.request.max.bytes");
        check(b"\x7f\xff\xff\xff", "socket.request.max.bytes");
    }

    #[test]
    fn a_frame_gets_its_buffer_at_once_if_the_last_one_was_as_big() {
        const KIB: usize = 1024;
        for (last, arrived, end, expected) in [
            (100, 2, None, FIRST_CHARGE_BYTES),
            (100, 4 * KIB, Some(100 * KIB), 100 * KIB),
            (100, 4 * KIB, Some(1024 * KIB), 128 * KIB),
            (100, 128 * KIB, Some(1024 * KIB), 256 * KIB),
            (600 * KIB, 4 * KIB, Some(500 * KIB), 500 * KIB),
            (600 * KIB, 4 * KIB, Some(1024 * KIB), 600 * KIB),
            (50_000 * KIB, 4 * KIB, Some(1024 * KIB), 1024 * KIB),
            (50_000 * KIB, 4 * KIB, Some(50_000 * KIB), TRUSTED_BYTES_MAX),
        ] {
            let capacity = capacity_for(arrived, end, trusted_bytes(last));
            assert_eq!(capacity, expected, "{arrived} of {end:?} bytes after {last}");
        }
    }

    #[test]
    fn lengths_within_the_bounds_are_taken() {
        assert_eq!(frame_length(b"\x00\x00\x00\x08", 1000).unwrap(), 8);
        assert_eq!(frame_length(b"\x00\x00\x03\xe8", 1000).unwrap(), 1000);
    }
}
