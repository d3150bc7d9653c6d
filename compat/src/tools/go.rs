//! Our Go clients, built with the modules that `go.sum` names; and MinIO.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{BUILD_DEADLINE, INSTALL_DEADLINE, cache, package_dir, programs};
use crate::process::run;

/// A folder with one program for each folder of `go/` that holds one.
pub fn build(cache: &Path) -> Result<PathBuf> {
    programs::find_or_install("go", "golang-go")?;
    let folder = package_dir().join("go");
    let sources = cache::files_in(&folder, &["go", "mod", "sum"])?;
    cache::once(cache, &cache::name_for("go-clients", &sources)?, |built| {
        println!("building the Go clients");
        let mut command = Command::new("go");
        command.args(["build", "-buildvcs=false", "-trimpath", "-o"]);
        // With a slash at the end it is a folder, although there is none yet.
        command.arg(format!("{}/", built.display())).arg("./...").current_dir(&folder);
        run(command, b"", INSTALL_DEADLINE)?.success()?;
        Ok(())
    })
    .context("the Go clients do not build")
}

/// The last commit of MinIO's repository: its releases have names that Go knows no versions by.
const MINIO: &str = "v0.0.0-20260212201848-7aac2a2c5b7c";

/// The program, with the modules that its own `go.mod` names.
pub fn build_minio(cache: &Path) -> Result<PathBuf> {
    programs::find_or_install("go", "golang-go")?;
    let folder = cache::once(cache, &format!("minio-{MINIO}"), |built| {
        println!("building MinIO, once: some minutes");
        let mut command = Command::new("nice");
        command.args(["-n", "10", "go", "install", "-buildvcs=false", "-trimpath"]);
        command.arg(format!("github.com/minio/minio@{MINIO}")).env("GOBIN", built);
        run(command, b"", BUILD_DEADLINE)?.success()?;
        Ok(())
    });
    Ok(folder.context("MinIO does not build")?.join("minio"))
}
