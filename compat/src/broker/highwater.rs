//! The broker under test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Prepared, Settings, probe};

/// The `highwater` beside this program: `<target>/<profile>/highwater`.
pub fn binary() -> Result<PathBuf> {
    let folder = std::env::current_exe()?.parent().context("a program lies in a folder")?.to_owned();
    let binary = folder.join("highwater");
    ensure!(binary.is_file(), "{} is missing: cargo build --bin highwater", binary.display());
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
