//! Tests that measure their own process, in a process of their own: tests beside them would be counted.

/// Set for the process that measures.
const ALONE: &str = "HIGHWATER_TEST_ALONE";

/// Resident bytes of this process that are no file's: pages of its own program come in while it runs, and are
/// not what is measured.
#[expect(clippy::disallowed_methods, reason = "the kernel's account of this process, in a test")]
pub fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("every process has it");
    let kibibytes: usize =
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kibibytes * 1024
}

/// Bytes that this process had read from a disk, whatever for.
#[expect(clippy::disallowed_methods, reason = "the kernel's account of this process, in a test")]
pub fn read_from_disk_bytes() -> u64 {
    let account = std::fs::read_to_string("/proc/self/io").expect("Linux tells");
    let bytes = account.lines().find_map(|line| line.strip_prefix("read_bytes:"));
    bytes.and_then(|bytes| bytes.trim().parse().ok()).expect("a number")
}

/// Whether this process is the one that measures.
pub fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// What `test`, which stands in `module` (its `module_path!()`), prints in a process of its own.
pub fn alone(module: &str, test: &str) -> String {
    let (_crate, path) = module.split_once("::").expect("a path");
    let mut alone = std::process::Command::new(std::env::current_exe().expect("a test has a file"));
    let arguments = ["--exact", &format!("{path}::{test}"), "--nocapture"];
    let output = alone.args(arguments).env(ALONE, "1").output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}");
    printed
}
