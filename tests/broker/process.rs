//! Starts and stops the `highwater` program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use highwater::env::{Files, RealFiles};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Client;
use crate::eventually::eventually;

/// Longest wait for anything a process does here; all of it takes a fraction of a second.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A broker on ports of its own choice. Killed when dropped.
pub struct Process {
    program: Program,
    listeners: Value,
}

/// The program, whether or not it comes to serve. Killed when dropped.
struct Program {
    child: Child,
    log: Log,
}

/// What a process writes, read as it comes: a full pipe would hold the process up.
struct Log {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Log {
    fn read(mut stderr: ChildStderr) -> Log {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = text.clone();
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                shared.lock().expect("no reader panics").push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Log { text, reader }
    }

    fn text(&self) -> String {
        self.text.lock().expect("no reader panics").clone()
    }
}

/// What `highwater` is started with: no variable of ours, ports free, data in `log_dir`, a small WAL that is
/// quickly made.
pub fn command(log_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.args(["serve", "--override", "listeners=PLAINTEXT://127.0.0.1:0"]);
    command.args(["--override", "highwater.admin.listener=http://127.0.0.1:0"]);
    command.args(["--override", "highwater.wal.file.bytes=8388608"]);
    command.args(["--override", "highwater.wal.capacity.bytes=33554432"]);
    command.arg("--override").arg(format!("log.dirs={}", log_dir.display()));
    command
}

/// Runs it to its end, which it must come to by itself; exit code and log.
pub fn run_to_end(command: &mut Command) -> (Option<i32>, String) {
    Program::spawn(command).end()
}

impl Program {
    fn spawn(command: &mut Command) -> Program {
        let mut child = command.spawn().expect("the program can be started");
        let log = Log::read(child.stderr.take().expect("it is piped"));
        Program { child, log }
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    fn end(&mut self) -> (Option<i32>, String) {
        let status = eventually(DEADLINE, "the end of the process", || self.has_ended());
        eventually(DEADLINE, "the end of its log", || self.log.reader.is_finished().then_some(()));
        (status.code(), self.log.text())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
        let mut program = Program::spawn(&mut command);
        let listeners = eventually(DEADLINE, "listeners.json", || {
            assert_eq!(program.has_ended(), None, "it ended before it served: {}", program.log.text());
            listeners_file(log_dir)
        });
        Process { program, listeners }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.program.log.text()
    }

    /// Waits until it has written that.
    pub fn wait_for_log(&self, words: &str) {
        eventually(DEADLINE, words, || self.log().contains(words).then_some(()));
    }

    fn port(&self, pointer: &str) -> u16 {
        let port = self.listeners.pointer(pointer).and_then(Value::as_u64);
        port.and_then(|port| port.try_into().ok()).expect("listeners.json names the port")
    }

    /// Where the first listener is.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port("/listeners/0/port")))
    }

    /// A connection to the first listener.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).expect("it listens")
    }

    /// A client of the first listener.
    pub fn client(&self) -> Client {
        Client::new(self.connect())
    }

    /// The number in a line of `/metrics`, which begins with `series` and a space.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.http_get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(value.parse().expect("a number"))
    }

    /// Waits until so many requests have come and are not answered.
    pub fn wait_for_requests_in_progress(&self, count: u32) {
        eventually(DEADLINE, "requests to be in progress", || {
            (self.metric("highwater_requests_in_progress")? == f64::from(count)).then_some(())
        });
    }

    /// Where the admin listener is, as `host:port`.
    pub fn admin(&self) -> String {
        format!("127.0.0.1:{}", self.port("/admin/port"))
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
        let pid = Pid::from_child(&self.program.child);
        kill_process(pid, signal).expect("it is our child and not waited for");
    }

    /// Waits for its end; exit code and log.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.program.end()
    }

    /// Ends it without any warning, as a crash does.
    pub fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.end().0, None, "it was killed");
    }

    /// Ends it as asked; its log.
    pub fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}
