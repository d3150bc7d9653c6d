//! Our JavaScript client, beside the packages that `package-lock.json` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{INSTALL_DEADLINE, cache, package_dir, programs};
use crate::process::run;

/// A folder with our scripts and their `node_modules`.
pub fn install(cache: &Path) -> Result<PathBuf> {
    programs::find_or_install("node", "nodejs")?;
    programs::find_or_install("npm", "npm")?;
    let sources = cache::files_in(&package_dir().join("js"), &["js", "json"])?;
    cache::once(cache, &cache::name_for("js-clients", &sources)?, |folder| {
        println!("installing kafkajs through npm");
        fs::create_dir_all(folder)?;
        for source in &sources {
            fs::copy(source, folder.join(source.file_name().context("a file has a name")?))?;
        }
        let mut command = Command::new("npm");
        command.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]).current_dir(folder);
        run(command, b"", INSTALL_DEADLINE)?.success()?;
        Ok(())
    })
    .context("kafkajs (npm) cannot be had")
}
