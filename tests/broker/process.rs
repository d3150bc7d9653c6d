//! Starts and stops the `highwater` program.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use highwater::env::{Files, RealFiles};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::eventually::eventually;

/// Longest wait for anything a process does here; all of it takes a fraction of a second.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A broker on ports of its own choice. Killed when dropped.
pub struct Process {
    child: Child,
    listeners: Value,
}

/// What `highwater` is started with: no variable of ours, ports free, data in `log_dir`.
pub fn command(log_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(["serve", "--override", "listeners=PLAINTEXT://127.0.0.1:0"]);
    command.args(["--override", "highwater.admin.listener=http://127.0.0.1:0"]);
    command.arg("--override").arg(format!("log.dirs={}", log_dir.display()));
    command
}

/// Runs it to its end; exit code and log.
pub fn run_to_end(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().expect("the program can be started");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// What `listeners.json` says, if it is there.
pub fn listeners_file(log_dir: &Path) -> Option<Value> {
    let bytes = RealFiles.read(&log_dir.join("listeners.json"), 1 << 16).ok()?;
    Some(serde_json::from_slice(&bytes).expect("it is replaced whole"))
}

impl Process {
    /// Waits until it serves.
    pub fn start(log_dir: &Path) -> Process {
        Process::start_with(log_dir, &[])
    }

    /// The same, with more settings as `key=value`.
    pub fn start_with(log_dir: &Path, overrides: &[&str]) -> Process {
        // What a killed process left behind names ports that are closed.
        let _ = RealFiles.remove_file(&log_dir.join("listeners.json"));
        let mut command = command(log_dir);
        for pair in overrides {
            command.args(["--override", pair]);
        }
        let mut child = command.spawn().expect("the program can be started");
        let listeners = eventually(DEADLINE, "listeners.json", || {
            assert_eq!(child.try_wait().expect("it is our child"), None, "it ended before it served");
            listeners_file(log_dir)
        });
        Process { child, listeners }
    }

    fn port(&self, pointer: &str) -> u16 {
        let port = self.listeners.pointer(pointer).and_then(Value::as_u64);
        port.and_then(|port| port.try_into().ok()).expect("listeners.json names the port")
    }

    /// A connection to the first listener.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port("/listeners/0/port"))).expect("it listens")
    }

    /// A response of the admin listener, with its head.
    pub fn http_get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port("/admin/port"))).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("it answers");
        response
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child and not waited for");
    }

    /// Waits for its end; exit code and log.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = eventually(DEADLINE, "the end of the process", || {
            self.child.try_wait().expect("it is our child")
        });
        let mut log = String::new();
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        stderr.read_to_string(&mut log).expect("log lines are text");
        (status.code(), log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
