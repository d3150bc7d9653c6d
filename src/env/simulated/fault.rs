use std::io;

/// What a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// `open` with `OpenMode::Create`.
    Create,
    /// `write_all_at`: a random part of the bytes is written before the error.
    Write,
    /// `sync_data`: the dirty pages become clean, each of them on the disk or lost; the next sync succeeds.
    Sync,
    /// `set_len`.
    SetLength,
    /// `read_at`.
    Read,
    /// `rename`.
    Rename,
    /// `remove_file`, and every removal inside `remove_dir_all`.
    Remove,
    /// `create_dir_all`, for every directory that it creates.
    CreateDirectory,
    /// `sync_dir`.
    SyncDirectory,
}

/// An error to come. It strikes once.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it strikes.
    pub operation: Operation,
    /// Only paths that contain this; empty for all.
    pub path_contains: String,
    /// How many matching operations still succeed before it strikes.
    pub skip: u64,
    /// `EIO` is `Other`, `ENOSPC` is `StorageFull`.
    pub error: io::ErrorKind,
}

impl Fault {
    /// The sync number `skip` from now fails with an I/O error.
    pub fn sync(path_contains: &str, skip: u64) -> Fault {
        Fault::new(Operation::Sync, path_contains, skip)
    }

    /// That operation fails with an I/O error.
    pub fn new(operation: Operation, path_contains: &str, skip: u64) -> Fault {
        Fault { operation, path_contains: path_contains.to_owned(), skip, error: io::ErrorKind::Other }
    }

    /// The same fault with another error.
    pub fn with_error(self, error: io::ErrorKind) -> Fault {
        Fault { error, ..self }
    }
}
