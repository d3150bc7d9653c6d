//! The broker under test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Prepared, Settings, probe};

/// Names the folder of another build than the one that users run: `debug`.
const PROFILE: &str = "COMPAT_PROFILE";

/// `<target>/<profile>/highwater`: the optimised one, unless `COMPAT_PROFILE` names another.
pub fn binary() -> Result<PathBuf> {
    let profile = std::env::var(PROFILE).unwrap_or_else(|_| "release".to_owned());
    // <target>/<profile>/compat
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("this program does not lie in a target folder")?;
    let binary = target.join(profile).join("highwater");
    ensure!(binary.is_file(), "{} is missing: make broker", binary.display());
    Ok(binary)
}

/// Chooses a free port.
pub(super) fn prepare(folder: &Path, settings: &Settings) -> Result<Prepared> {
    let log_dir = settings.log_dir.clone().unwrap_or_else(|| folder.join("data"));
    let log = folder.join("highwater.log");
    let bootstrap = format!("127.0.0.1:{}", probe::free_port()?);
    let server = command_line(&bootstrap, &log_dir, settings)?;
    Ok(Prepared { server, log, log_dir, bootstrap, stopped_code: 0 })
}

fn command_line(address: &str, log_dir: &Path, settings: &Settings) -> Result<Vec<String>> {
    let mut words = vec![binary()?.display().to_string(), "serve".to_owned()];
    let mut override_with = |key: &str, value: &str| {
        words.extend(["--override".to_owned(), format!("{key}={value}")]);
    };
    override_with("listeners", &format!("PLAINTEXT://{address}"));
    override_with("log.dirs", &log_dir.display().to_string());
    override_with("highwater.admin.listener", "http://127.0.0.1:0");
    for (key, value) in &settings.properties {
        override_with(key, value);
    }
    Ok(words)
}
