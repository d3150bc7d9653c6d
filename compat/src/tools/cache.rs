//! The folder for what was installed: each thing made once, under a name that tells what it was made from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::stream::{FNV_START, fnv1a};

/// `COMPAT_CACHE`, which outlives the clone; without it, a folder in the target folder.
pub fn folder() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("COMPAT_CACHE") {
        return Ok(PathBuf::from(path));
    }
    let program = std::env::current_exe()?;
    // <target>/<profile>/compat
    let target = program.ancestors().nth(2).context("this program does not lie in a target folder")?;
    Ok(target.join("compat-tools"))
}

/// Makes `<cache>/<name>` by `make`, once: it is made beside and renamed when whole, so that a run that was
/// ended half-way leaves nothing that looks complete.
pub fn once(cache: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let done = cache.join(name);
    if done.exists() {
        return Ok(done);
    }
    let partial = cache.join(format!("{name}.partial.{}", std::process::id()));
    make(&partial)?;
    match fs::rename(&partial, &done) {
        // Another run was quicker.
        Err(_) if done.exists() => fs::remove_dir_all(&partial)?,
        other => other?,
    }
    Ok(done)
}

/// `<kind>-<fingerprint>`: what was made from other files has another name.
pub fn name_for(kind: &str, made_from: &[PathBuf]) -> Result<String> {
    let fingerprint = made_from.iter().try_fold(FNV_START, |hash, file| {
        let contents = fs::read(file).with_context(|| file.display().to_string())?;
        Ok::<u64, anyhow::Error>(fnv1a(hash, &contents))
    })?;
    Ok(format!("{kind}-{fingerprint:016x}"))
}

/// The files with one of these extensions in a folder and in the folders right in it, sorted.
pub fn files_in(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            for inner in fs::read_dir(&path)? {
                found.push(inner?.path());
            }
        } else {
            found.push(path);
        }
    }
    let wanted = |path: &PathBuf| {
        path.is_file() && path.extension().is_some_and(|is| extensions.iter().any(|wanted| is == *wanted))
    };
    found.retain(wanted);
    found.sort_unstable();
    Ok(found)
}
