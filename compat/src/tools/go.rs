//! Our Go clients, built with the modules that `go.sum` names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{INSTALL_DEADLINE, cache, package_dir, programs};
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
