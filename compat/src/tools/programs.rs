//! Programs that must be on the path, and what brings them.

use std::process::Command;

use anyhow::{Result, bail};

use super::INSTALL_DEADLINE;
use crate::process::run;

/// What every run needs, each with the Debian package that brings it.
const ALWAYS: [(&str, &str); 13] = [
    ("kcat", "kcat"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("script", "bsdutils"),
    ("java", "default-jdk-headless"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("python3", "python3-venv"),
    ("ip", "iproute2"),
    ("tshark", "tshark"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
];

/// Finds or installs what every run needs.
pub fn find_or_install_all() -> Result<()> {
    ALWAYS.iter().try_for_each(|(program, package)| find_or_install(program, package))
}

/// Finds a program, else installs the Debian package that brings it.
pub fn find_or_install(program: &str, package: &str) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !on_path("apt-get") {
        bail!("{program} is not on the path, and only root can install it (apt-get install {package})");
    }
    println!("installing {package}, which brings {program}");
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run(command, b"", INSTALL_DEADLINE)?.success()
    };
    let installed = apt(&["update"]).and_then(|_| apt(&["install", "--no-install-recommends", package]));
    if let Err(error) = installed {
        bail!("{program} cannot be had: {}", first_line(&error));
    }
    Ok(())
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn first_line(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
