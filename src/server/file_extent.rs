//! File extents to a socket, without ever making a network thread wait for the disk.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::env::FileExtent;
use crate::env::files::is_cached;

/// Bytes handed to one `sendfile`: what a socket with Kafka's send buffer takes of a file at once.
const SEND_BYTES: u64 = 256 * 1024;

/// About what the kernel reads ahead, so that first and last page tell of the rest.
const LOOK_BYTES: u64 = 128 * 1024;

/// Bytes of one cold read: enough to make the kernel read ahead, so that what follows is warm.
const COLD_READ_BYTES: u64 = 256 * 1024;

/// How many of the `length` bytes at `offset` can be sent at once, since they lie in the page cache. What
/// cannot be asked counts as cold.
pub(super) fn warm_bytes(file: BorrowedFd<'_>, offset: u64, length: u64) -> u64 {
    let length = length.min(SEND_BYTES);
    let mut warm = 0;
    while warm < length {
        let step = (length - warm).min(LOOK_BYTES);
        let is_warm = (warm > 0 || is_cached(file, offset)) && is_cached(file, offset + warm + step - 1);
        if !is_warm {
            break;
        }
        warm += step;
    }
    warm
}

/// Sends up to `length` bytes of the file; `WouldBlock` when the socket takes none.
pub(super) fn send(stream: &TcpStream, file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<usize> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    stream.try_io(Interest::WRITABLE, || {
        Ok(rustix::fs::sendfile(stream, file, Some(&mut offset.clone()), length)?)
    })
}

/// Reads the beginning of an extent on the pool for blocking work.
pub(super) async fn read_cold(cold_reads: &Arc<Semaphore>, extent: &FileExtent) -> io::Result<Bytes> {
    let permit = cold_reads.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (file, offset) = (extent.file.clone(), extent.offset);
    let length = usize::try_from(extent.length.min(COLD_READ_BYTES)).expect("a bounded number");
    let reading = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut buffer = vec![0; length];
        file.read_exact_at(&mut buffer, offset).map(|()| Bytes::from(buffer))
    });
    reading.await.map_err(io::Error::other)?
}
