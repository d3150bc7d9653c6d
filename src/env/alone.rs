//! Tests that measure their own process, in a process of their own: tests beside them would be counted.

/// Set for the process that measures.
const ALONE: &str = "HIGHWATER_TEST_ALONE";

/// Resident bytes of this process that are no file's: pages of its own program come in while it runs, and are
/// not what is measured.
pub fn resident_bytes() -> usize {
    account("status", "RssAnon:") as usize * 1024
}

/// Bytes that this process had read from a disk, whatever for.
pub fn read_from_disk_bytes() -> u64 {
    account("io", "read_bytes:")
}

/// A number in one of the kernel's files about this process.
#[expect(clippy::disallowed_methods, reason = "the kernel's account of this process, in a test")]
fn account(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).expect("Linux tells");
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("a number")
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
