//! Scenarios that need a network or a mount of their own: this program again, inside a namespace.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::run;
use crate::scenario::Context;

const DEADLINE: Duration = Duration::from_secs(300);

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
