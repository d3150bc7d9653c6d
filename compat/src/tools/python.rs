//! Virtual environments through pip: one for each client, so that their versions do not meet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{INSTALL_DEADLINE, cache, package_dir};
use crate::process::run;

/// The Python of an environment with what `python/requirements/<client>.txt` names.
pub fn install(cache: &Path, client: &str) -> Result<PathBuf> {
    let requirements = package_dir().join(format!("python/requirements/{client}.txt"));
    // A virtual environment holds its own path, so it is made in place and marked when whole.
    let name = cache::name_for(&format!("venv-{client}"), std::slice::from_ref(&requirements))?;
    let venv = cache.join(name);
    let python = venv.join("bin/python");
    let mark = venv.join("complete");
    if mark.exists() {
        return Ok(python);
    }
    println!("installing {client} through pip");
    fill(&venv, &requirements).with_context(|| format!("{client} (pip) cannot be had"))?;
    fs::write(mark, b"")?;
    Ok(python)
}

fn fill(venv: &Path, requirements: &Path) -> Result<()> {
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(venv);
    run(create, b"", INSTALL_DEADLINE)?.success()?;
    let mut install = Command::new(venv.join("bin/python"));
    // Exactly what is listed: a dependency that the list has forgotten is an error, not a surprise.
    install.args(["-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-deps", "-r"]);
    install.arg(requirements);
    run(install, b"", INSTALL_DEADLINE)?.success()?;
    let mut check = Command::new(venv.join("bin/python"));
    check.args(["-m", "pip", "-q", "--disable-pip-version-check", "check"]);
    run(check, b"", INSTALL_DEADLINE)?.success()?;
    Ok(())
}

/// One of our scripts; it writes no compiled modules beside the sources.
pub fn command(python: &Path, script: &str) -> Command {
    let mut command = Command::new(python);
    command.args(["-u", "-B"]).arg(package_dir().join("python").join(script));
    command
}
