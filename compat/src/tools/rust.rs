//! Our Rust clients of librdkafka: a crate outside of this workspace, built by this package's runs only; and
//! librdkafka's own load generator, an example of its sources, linked with the library that the crate built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{BUILD_DEADLINE, COMPILE_DEADLINE, cache, package_dir, programs};
use crate::process::run;

/// Our client.
pub const PROGRAM: &str = "rust-rdkafka";
/// Our member of a group.
pub const MEMBER: &str = "rust-rdkafka-member";
/// Our producer with transactions.
pub const TRANSACTIONS: &str = "rust-rdkafka-transactions";
/// Theirs.
pub const PERFORMANCE: &str = "rdkafka_performance";

/// A folder with all four programs; librdkafka's sources come with the crate and are compiled into them.
pub fn build(cache: &Path) -> Result<PathBuf> {
    programs::find_or_install("make", "make")?;
    programs::find_or_install("g++", "g++")?;
    let package = package_dir().join("rust-rdkafka");
    let sources = cache::files_in(&package, &["rs", "toml", "lock"])?;
    cache::once(cache, &cache::name_for("librdkafka", &sources)?, |built| {
        println!("building the newest librdkafka through cargo");
        let target = built.join("target");
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "--locked", "--release", "--manifest-path"]);
        command.arg(package.join("Cargo.toml")).arg("--target-dir").arg(&target);
        run(command, b"", BUILD_DEADLINE)?.success()?;
        compile_performance(&target.join("release/build"), &built.join(PERFORMANCE))?;
        for ours in [PROGRAM, MEMBER, TRANSACTIONS] {
            fs::rename(target.join("release").join(ours), built.join(ours))?;
        }
        Ok(fs::remove_dir_all(target)?)
    })
    .context("the client of librdkafka does not build")
}

/// Compiles the example against the static libraries among what the crates' build scripts made.
fn compile_performance(scripts: &Path, program: &Path) -> Result<()> {
    let librdkafka = made_by(scripts, "rdkafka-sys-", "src/librdkafka.a")?;
    let out = librdkafka.ancestors().nth(2).context("src lies in a folder")?;
    let mut command = Command::new("cc");
    command.arg("-O2").arg("-I").arg(out.join("src"));
    command.arg(out.join("examples/rdkafka_performance.c")).arg(&librdkafka);
    command.arg(made_by(scripts, "zstd-sys-", "libzstd.a")?);
    match made_by(scripts, "libz-sys-", "lib/libz.a") {
        Ok(zlib) => command.arg(zlib),
        // The crate found the system's.
        Err(_) => command.arg("-lz"),
    };
    command.args(["-lm", "-lpthread", "-ldl", "-lrt", "-o"]).arg(program);
    run(command, b"", COMPILE_DEADLINE)?.success()?;
    Ok(())
}

/// A file in the output folder of a crate's build script.
fn made_by(scripts: &Path, script: &str, file: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(scripts)? {
        let entry = entry?;
        let path = entry.path().join("out").join(file);
        if entry.file_name().to_string_lossy().starts_with(script) && path.is_file() {
            return Ok(path);
        }
    }
    anyhow::bail!("no {file} of {script}* in {}", scripts.display())
}
