//! What a panic does to the process.

use std::panic::PanicHookInfo;

/// Logs every panic in one line.
///
/// It ends what it happened in: a connection's task closes that connection, and the others go on. A storage
/// thread catches its own (`partition`), since what it was doing is half done and nobody may go on from
/// there: that fails the storage, waiting producers are told, and the process ends with 74.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("without a name");
        let (what, place) = (message(panic), place(panic));
        tracing::error!(thread, place, "panic: {what}; this is a bug, please report it with this line");
    }));
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    panic.payload_as_str().unwrap_or("no message").to_owned()
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
