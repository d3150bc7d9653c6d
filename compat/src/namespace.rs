//! Scenarios that need a network or a mount of their own: this program again, inside a namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::run;
use crate::scenario::Context;

const DEADLINE: Duration = Duration::from_secs(300);
const IP_DEADLINE: Duration = Duration::from_secs(60);
const MOUNT_DEADLINE: Duration = Duration::from_secs(60);

/// A file system of so many bytes in memory, `disk` in the folder: gone with the namespace.
pub fn small_disk(folder: &Path, bytes: u64) -> Result<PathBuf> {
    let disk = folder.join("disk");
    fs::create_dir_all(&disk)?;
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(&disk);
    run(mount, b"", MOUNT_DEADLINE)?.success()?;
    Ok(disk)
}

/// In a network of its own: one finds oneself.
pub fn loopback_up() -> Result<()> {
    let mut up = Command::new("ip");
    up.args(["link", "set", "lo", "up"]);
    run(up, b"", IP_DEADLINE)?.success()?;
    Ok(())
}

/// Runs the inner part of a scenario under `unshare <what>`; gives what it wrote into its transcript.
pub fn run_inside(context: &Context, what: &str, name: &str) -> Result<String> {
    let mut command = Command::new("unshare");
    command.arg(what);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg(std::env::current_exe()?).arg("inside").arg(name).arg(&context.folder);
    Ok(run(command, b"", DEADLINE)?.success()?.stdout)
}
