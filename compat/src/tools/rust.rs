//! Our Rust client of librdkafka: a crate outside of this workspace, built by this package's runs only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{BUILD_DEADLINE, cache, package_dir, programs};
use crate::process::run;

const PROGRAM: &str = "rust-rdkafka";

/// The program; librdkafka's sources come with the crate and are compiled into it.
pub fn build(cache: &Path) -> Result<PathBuf> {
    programs::find_or_install("make", "make")?;
    programs::find_or_install("g++", "g++")?;
    let package = package_dir().join("rust-rdkafka");
    let sources = cache::files_in(&package, &["rs", "toml", "lock"])?;
    let folder = cache::once(cache, &cache::name_for(PROGRAM, &sources)?, |built| {
        println!("building the newest librdkafka through cargo");
        let target = built.join("target");
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "--locked", "--release", "--manifest-path"]);
        command.arg(package.join("Cargo.toml")).arg("--target-dir").arg(&target);
        run(command, b"", BUILD_DEADLINE)?.success()?;
        fs::rename(target.join("release").join(PROGRAM), built.join(PROGRAM))?;
        Ok(fs::remove_dir_all(target)?)
    })
    .context("the client of librdkafka does not build")?;
    Ok(folder.join(PROGRAM))
}
