//! Replies into a socket: vectored writes of what lies in memory, `sendfile` of what lies in files.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::Limits;
use super::end::End;
use super::file_extent;
use super::pace::Pace;
use crate::env::{Clock, FileExtent};
use crate::handlers::Reply;
use crate::protocol::Piece;

/// Parts handed to one vectored write.
const SLICES_MAX: usize = 64;

/// A part of what is to be sent, in order.
enum Part {
    /// The length in front of a reply, or what is left of it.
    Length([u8; 4], usize),
    Bytes(Bytes),
    File(FileExtent),
}

impl Part {
    /// What of it lies in memory.
    fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Part::Length(bytes, sent) => Some(&bytes[*sent..]),
            Part::Bytes(bytes) => Some(bytes),
            Part::File(_) => None,
        }
    }
}

/// Writes one connection.
pub(super) struct ReplyWriter<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a dyn Clock,
    pub(super) cold_reads: &'a Arc<Semaphore>,
    parts: VecDeque<Part>,
}

impl<'a> ReplyWriter<'a> {
    pub(super) fn new(
        stream: &'a TcpStream,
        limits: &'a Limits,
        clock: &'a dyn Clock,
        cold_reads: &'a Arc<Semaphore>,
    ) -> ReplyWriter<'a> {
        ReplyWriter { stream, limits, clock, cold_reads, parts: VecDeque::new() }
    }

    /// Whether a further reply fits into the write that is being prepared.
    pub(super) fn has_room(&self) -> bool {
        self.parts.len() < SLICES_MAX
    }

    /// Takes a reply to be sent by the next `flush`. `Err` if it says that the connection ends here.
    pub(super) fn add(&mut self, reply: Reply) -> Result<(), End> {
        match reply {
            Reply::None => Ok(()),
            Reply::Message(bytes) => {
                self.add_length(bytes.len() as u64)?;
                self.parts.push_back(Part::Bytes(bytes));
                Ok(())
            }
            Reply::Pieces(pieces) => {
                self.add_length(pieces.iter().map(Piece::length).sum())?;
                for piece in pieces.into_iter().filter(|piece| piece.length() > 0) {
                    self.parts.push_back(match piece {
                        Piece::Bytes(bytes) => Part::Bytes(bytes),
                        Piece::File(extent) => Part::File(extent),
                    });
                }
                Ok(())
            }
            Reply::Close(reason) => Err(End::Handler(reason)),
            Reply::Pending(_) | Reply::Waiting(_) => Err(End::Reply("it is still pending".to_owned())),
        }
    }

    fn add_length(&mut self, length: u64) -> Result<(), End> {
        let Ok(length) = i32::try_from(length) else {
            return Err(End::Reply(format!("it has {length} bytes, more than a frame can have")));
        };
        self.parts.push_back(Part::Length(length.to_be_bytes(), 0));
        Ok(())
    }

    /// Sends all that was added; gives its size in bytes.
    pub(super) async fn flush(&mut self) -> Result<u64, End> {
        let mut pace = Pace::new(self.limits.reply_timeout, self.limits.bytes_per_second_min);
        while let Some(first) = self.parts.front() {
            let written = match first {
                Part::File(extent) => match self.send_file(extent) {
                    Some(written) => written,
                    None => {
                        self.load_first().await?;
                        continue;
                    }
                },
                _ => self.write_from_memory(),
            };
            match written {
                Ok(0) => {
                    return Err(End::Reply("a file ended before the extent that was to be sent".to_owned()));
                }
                Ok(count) => {
                    self.sent(count);
                    pace.moved(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let waited = pace.wait(self.clock, self.stream.writable()).await;
                    waited.map_err(|error| End::of_reply(error, pace.moved_bytes()))?;
                }
                Err(error) => return Err(End::Socket(error)),
            }
        }
        // An idle connection holds no buffer.
        self.parts = VecDeque::new();
        Ok(pace.moved_bytes())
    }

    /// Writes as many of the first parts as lie in memory.
    fn write_from_memory(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(self.parts.iter().map_while(Part::in_memory)) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        // With more to come the kernel need not send a short packet first.
        let more = if count < self.parts.len() { SendFlags::MORE } else { SendFlags::empty() };
        self.stream.try_io(Interest::WRITABLE, || {
            let mut ancillary = SendAncillaryBuffer::default();
            let flags = SendFlags::NOSIGNAL | more;
            Ok(rustix::net::sendmsg(self.stream, &slices[..count], &mut ancillary, flags)?)
        })
    }

    /// Sends from a file what is known to be in the page cache; `None` if nothing is.
    fn send_file(&self, extent: &FileExtent) -> Option<io::Result<usize>> {
        let file = extent.file.descriptor()?;
        let length = file_extent::warm_bytes(file, extent.offset, extent.length);
        (length > 0).then(|| file_extent::send(self.stream, file, extent.offset, length))
    }

    /// Puts bytes that were read from the disk in front of what is left of the first extent.
    async fn load_first(&mut self) -> Result<(), End> {
        let Some(Part::File(extent)) = self.parts.front() else { return Ok(()) };
        let bytes = file_extent::read_cold(self.cold_reads, extent).await;
        let bytes = bytes.map_err(|error| End::Reply(format!("a segment cannot be read: {error}")))?;
        self.skip_in_file(bytes.len() as u64);
        self.parts.push_front(Part::Bytes(bytes));
        Ok(())
    }

    /// Forgets `count` bytes of the first parts.
    fn sent(&mut self, mut count: usize) {
        while count > 0 {
            let first = self.parts.front_mut().expect("no more is sent than there was");
            let Some(left) = first.in_memory().map(<[u8]>::len) else {
                return self.skip_in_file(count as u64);
            };
            if left <= count {
                self.parts.pop_front();
                count -= left;
                continue;
            }
            match first {
                Part::Length(_, sent) => *sent += count,
                Part::Bytes(bytes) => bytes.advance(count),
                Part::File(_) => unreachable!("it lies in memory"),
            }
            count = 0;
        }
        // Empty parts would be written as nothing for ever.
        while self.parts.front().and_then(Part::in_memory).is_some_and(<[u8]>::is_empty) {
            self.parts.pop_front();
        }
    }

    /// Forgets `count` bytes of the extent that is the first part.
    fn skip_in_file(&mut self, count: u64) {
        let Some(Part::File(extent)) = self.parts.front_mut() else { return };
        extent.offset += count;
        extent.length -= count;
        if extent.length == 0 {
            self.parts.pop_front();
        }
    }
}
