//! Reads on a thread that must not wait for a disk.

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, ReadWriteFlags};

thread_local! {
    /// How many reads this thread may still make in haste; `None`: it has time.
    static READS_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Runs `work`, in which no file of the system makes this thread wait: a read of what is not in the page
/// cache, an opening, and every read after `reads_max` fail with `WouldBlock`. `work` must change nothing.
pub fn without_waiting<T>(reads_max: u32, work: impl FnOnce() -> T) -> T {
    /// A panic, too, gives the thread its time back.
    struct Restore(Option<u32>);
    impl Drop for Restore {
        fn drop(&mut self) {
            READS_LEFT.set(self.0);
        }
    }
    let _restore = Restore(READS_LEFT.replace(Some(reads_max)));
    work()
}

/// Whether this thread must not wait.
pub(super) fn in_haste() -> bool {
    READS_LEFT.get().is_some()
}

/// Whether the byte at `offset` lies in the page cache. What cannot be asked counts as not.
pub fn is_cached(file: BorrowedFd<'_>, offset: u64) -> bool {
    read_without_waiting(file, &mut [0], offset) == Ok(1)
}

/// Reads what lies in the page cache at `offset`: perhaps less than there is room for. `WouldBlock` where
/// nothing lies there, or where the file system cannot tell.
pub(super) fn read_cached(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let left = READS_LEFT.get().and_then(|left| left.checked_sub(1)).ok_or(io::ErrorKind::WouldBlock)?;
    READS_LEFT.set(Some(left));
    read_without_waiting(file, buffer, offset).map_err(|error| match error {
        Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR => io::ErrorKind::WouldBlock.into(),
        other => other.into(),
    })
}

fn read_without_waiting(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT)
}
