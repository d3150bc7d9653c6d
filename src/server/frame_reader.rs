//! Frames out of a socket: a length, then that many bytes, into one buffer that grows as they arrive.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;

use super::Limits;
use super::budget::{Charge, FIRST_CHARGE_BYTES, MemoryBudget};
use super::end::End;
use super::pace::Pace;
use crate::env::{Clock, time};
use crate::protocol::frame::PREFIX_BYTES;

/// Bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// A frame up to this size gets its whole buffer as soon as its length is known, so that the usual batch is
/// read into place. A bigger one gets twice what has arrived, again and again.
const TRUSTED_BYTES: usize = 128 * 1024;

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
    /// None began in the time given.
    Quiet,
}

/// Reads one connection.
pub(super) struct FrameReader<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a dyn Clock,
    pub(super) budget: &'a Arc<MemoryBudget>,
    /// What was read and not given out; without memory while there is none.
    buffer: BytesMut,
}

impl<'a> FrameReader<'a> {
    pub(super) fn new(
        stream: &'a TcpStream,
        limits: &'a Limits,
        clock: &'a dyn Clock,
        budget: &'a Arc<MemoryBudget>,
    ) -> FrameReader<'a> {
        FrameReader { stream, limits, clock, budget, buffer: BytesMut::new() }
    }

    /// Whether bytes of a further request have been read.
    pub(super) fn has_begun(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Waits for the next frame; for its first byte at most `quiet_max`.
    pub(super) async fn next(&mut self, quiet_max: Duration) -> Result<Arrival, End> {
        let charge = if self.has_begun() {
            self.budget.begin().await
        } else {
            // What is left of the last buffer may be pinned by the requests in it; an idle connection has
            // none.
            self.buffer = BytesMut::new();
            match time::timeout(quiet_max, self.first_bytes()).await {
                Ok(charge) => charge?,
                Err(time::Elapsed) => return Ok(Arrival::Quiet),
            }
        };
        self.rest(charge).await.map(Arrival::Frame)
    }

    /// Waits for the first bytes of a frame. The socket is not read before there is a charge for them; that
    /// the client closed it is seen without one.
    async fn first_bytes(&mut self) -> Result<Charge, End> {
        loop {
            if self.stream.peek(&mut [0]).await.map_err(End::Socket)? == 0 {
                return Err(End::Closed);
            }
            let charge = self.budget.begin().await;
            self.buffer.reserve(FIRST_CHARGE_BYTES);
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(End::Closed),
                Ok(_) => return Ok(charge),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.buffer = BytesMut::new(),
                Err(error) => return Err(End::Socket(error)),
            }
        }
    }

    /// Reads what is missing of a frame that has begun.
    async fn rest(&mut self, mut charge: Charge) -> Result<Frame, End> {
        let mut pace = Pace::new(self.limits.request_timeout, self.limits.bytes_per_second_min);
        while self.buffer.len() < LENGTH_BYTES {
            self.make_room(FIRST_CHARGE_BYTES);
            self.read(&mut pace).await?;
        }
        let length = frame_length(&self.buffer, self.limits.request_bytes_max)?;
        let end = LENGTH_BYTES + length;
        while self.buffer.len() < end {
            if self.buffer.len() == self.buffer.capacity() || self.buffer.capacity() < end.min(TRUSTED_BYTES)
            {
                let capacity = end.min((self.buffer.len() * 2).max(TRUSTED_BYTES));
                charge.grow((capacity - self.buffer.len()) as u64).await;
                self.make_room(capacity);
            }
            self.read(&mut pace).await?;
        }
        charge.shrink_to(end as u64);
        self.buffer.advance(LENGTH_BYTES);
        Ok(Frame { bytes: self.buffer.split_to(length).freeze(), charge })
    }

    /// Gives the buffer a capacity of exactly `capacity`, unless it has more. `BytesMut::reserve` would
    /// double.
    fn make_room(&mut self, capacity: usize) {
        if self.buffer.capacity() < capacity {
            let mut roomier = BytesMut::with_capacity(capacity);
            roomier.extend_from_slice(&self.buffer);
            self.buffer = roomier;
        }
    }

    /// Reads once into the room there is, waiting for bytes if need be.
    async fn read(&mut self, pace: &mut Pace) -> Result<(), End> {
        loop {
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(End::ClosedInRequest),
                Ok(count) => {
                    pace.moved(count as u64);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(End::Socket(error)),
            }
            let waited = pace.wait(self.clock, self.stream.readable()).await;
            waited.map_err(|error| End::of_request(error, self.buffer.len() as u64))?;
        }
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
    fn lengths_within_the_bounds_are_taken() {
        assert_eq!(frame_length(b"\x00\x00\x00\x08", 1000).unwrap(), 8);
        assert_eq!(frame_length(b"\x00\x00\x03\xe8", 1000).unwrap(), 1000);
    }
}
