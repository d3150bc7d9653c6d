//! A data directory, seen and damaged from outside.

#![expect(clippy::disallowed_methods, reason = "what the broker wrote is looked at behind its back")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files and folders directly in a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort_unstable();
    paths
}

/// Those of them whose name ends so.
pub fn entries_ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut paths = entries(folder);
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths
}

/// Names of the folders of a topic's partitions, those on their way out too.
pub fn partition_folders(log_dir: &Path, topic: &str) -> Vec<String> {
    let paths = entries(log_dir);
    let names = paths.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("{topic}-"))).collect()
}

/// Bytes of all files in a folder and below.
pub fn size_bytes(folder: &Path) -> u64 {
    // What goes away meanwhile has no size.
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |path: &Path| match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => size_bytes(path),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

pub fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file that can be written");
}

/// Copies the files of a folder that has only files.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for path in entries(from) {
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a file");
    }
}

pub fn remove(path: &Path) {
    fs::remove_file(path).expect("a file");
}

/// Turns the lowest bit of one byte.
pub fn flip_bit(path: &Path, at: usize) {
    let mut bytes = read(path);
    bytes[at] ^= 1;
    write(path, &bytes);
}

/// Every file and folder below a folder, with its content and the time of its last change.
pub fn times(folder: &Path) -> Vec<(PathBuf, Vec<u8>, (i64, i64))> {
    let changed = |path: &Path| {
        let found = fs::metadata(path).expect("it is there");
        (found.mtime(), found.mtime_nsec())
    };
    let mut all = vec![(folder.to_owned(), Vec::new(), changed(folder))];
    for path in entries(folder) {
        match path.is_dir() {
            true => all.extend(times(&path)),
            false => all.push((path.clone(), read(&path), changed(&path))),
        }
    }
    all
}

/// Where `needle` stands in `bytes`, the first time.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
