//! Packages from npm, as a `package-lock.json` names them: our JavaScript clients', and Azurite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{INSTALL_DEADLINE, cache, package_dir, programs};
use crate::process::run;

/// A folder with our scripts and their `node_modules`.
pub fn install_clients(cache: &Path) -> Result<PathBuf> {
    install(cache, "js", "js-clients").context("kafkajs (npm) cannot be had")
}

/// A server of Azure's protocol: the script that starts its blobs.
pub fn install_azurite(cache: &Path) -> Result<PathBuf> {
    let folder = install(cache, "azurite", "azurite").context("Azurite (npm) cannot be had")?;
    Ok(folder.join("node_modules/azurite/dist/src/blob/main.js"))
}

/// What lies in a folder of ours, with its packages beside.
fn install(cache: &Path, ours: &str, kind: &str) -> Result<PathBuf> {
    programs::find_or_install("node", "nodejs")?;
    programs::find_or_install("npm", "npm")?;
    let sources = cache::files_in(&package_dir().join(ours), &["js", "json"])?;
    cache::once(cache, &cache::name_for(kind, &sources)?, |folder| {
        println!("installing {kind} through npm");
        fs::create_dir_all(folder)?;
        for source in &sources {
            fs::copy(source, folder.join(source.file_name().context("a file has a name")?))?;
        }
        let mut command = Command::new("npm");
        command.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]).current_dir(folder);
        run(command, b"", INSTALL_DEADLINE)?.success()?;
        Ok(())
    })
}
