//! A network between a broker and an S3 server that knows requests, and fails as networks and stores do.
//!
//! **Owns** connections, and which requests meet a fault. **Does not own** the server. **Invariants**: one
//! request a connection; without a fault, requests and answers pass as they are; each fault that struck is
//! counted, so that whoever asked for it can tell that it was met.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::spawn;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::net::sockopt::set_socket_linger;

use crate::accepting::Accepting;
use crate::proxy::wait;

const HEAD_BYTES_MAX: usize = 64 << 10;
/// Of a request or an answer: no segment here is larger.
const BODY_BYTES_MAX: u64 = 256 << 20;
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// For one read or write.
const IO_DEADLINE: Duration = Duration::from_secs(60);
/// Requests that object stores answer with the bytes of an object.
pub const READS: &[&str] = &["GET"];
/// Requests that change something.
pub const WRITES: &[&str] = &["PUT", "POST", "DELETE"];
/// Any request.
pub const ALL: &[&str] = &["GET", "HEAD", "PUT", "POST", "DELETE"];

/// What goes wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Answered with that status, S3's word for it and a message; nothing is done.
    Refused(u16, &'static str),
    /// The connection is reset before anything is read.
    Away,
    /// The connection is reset in the middle of the request's body; nothing is done.
    CutRequest,
    /// The connection is reset in the middle of the answer's body.
    CutAnswer,
    /// Done, and the connection is reset where the answer would come.
    LostAnswer,
    /// Done, and the answer comes after so long.
    Late(Duration),
    /// The answer's body ends early, and its length says that this is all.
    Truncated,
    /// A byte in the middle of the answer's body is another one.
    Corrupted,
}

/// Which requests meet which fault.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// What goes wrong.
    pub fault: Fault,
    /// With requests of these methods.
    pub methods: &'static [&'static str],
    /// With each of so many of them; 1 is with all.
    pub every: u64,
}

/// The network.
pub struct Faults {
    accepting: Accepting,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    strike: Mutex<Option<Strike>>,
    /// Requests that the strike in force may concern.
    concerned: AtomicU64,
    struck: AtomicU64,
}

impl Faults {
    /// Listens on a port of its choice.
    pub fn start(server: SocketAddr) -> Result<Faults> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let shared = Arc::new(Shared {
            server,
            strike: Mutex::default(),
            concerned: AtomicU64::default(),
            struck: AtomicU64::default(),
        });
        let serving = Arc::clone(&shared);
        let accepting = Accepting::start(listener, move |client| {
            let serving = Arc::clone(&serving);
            // A client that goes away ends its connection and nothing else.
            spawn(move || drop(serving.serve(client)));
        })?;
        Ok(Faults { accepting, shared })
    }

    /// Where the broker connects.
    pub fn address(&self) -> SocketAddr {
        self.accepting.address()
    }

    /// From now on requests meet this, instead of what they met before. What is late already comes in its
    /// time.
    pub fn strike(&self, strike: Option<Strike>) {
        self.shared.struck.store(0, Ordering::Relaxed);
        *self.shared.strike.lock().unwrap_or_else(PoisonError::into_inner) = strike;
    }

    /// How many requests met the fault that is in force.
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// The fault that this request meets, if any; without a method, before it is read.
    fn take(&self, method: Option<&str>) -> Option<Fault> {
        let strike = *self.strike.lock().unwrap_or_else(PoisonError::into_inner);
        let strike = strike.filter(|strike| match method {
            None => strike.fault == Fault::Away,
            Some(method) => strike.methods.contains(&method),
        })?;
        let place = self.concerned.fetch_add(1, Ordering::Relaxed);
        if !place.is_multiple_of(strike.every) {
            return None;
        }
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(strike.fault)
    }

    fn serve(&self, mut client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(IO_DEADLINE))?;
        client.set_write_timeout(Some(IO_DEADLINE))?;
        if self.take(None).is_some() {
            return reset(&client);
        }
        let (head, mut body) = read_head(&mut client)?;
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        let fault = self.take(Some(&method));
        let length = header(&head, "content-length").map_or(Ok(0), str::parse::<u64>)?;
        ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
        let wanted = if fault == Some(Fault::CutRequest) { length / 2 } else { length };
        let missing = wanted.saturating_sub(body.len() as u64);
        ensure!((&mut client).take(missing).read_to_end(&mut body)? as u64 == missing, "a short body");
        if fault == Some(Fault::CutRequest) {
            return reset(&client);
        }
        if let Some(Fault::Refused(status, code)) = fault {
            return Ok(client.write_all(refusal(status, code, &method).as_bytes())?);
        }
        let answer = self.pass_on(&head, &body)?;
        match fault {
            Some(Fault::LostAnswer) => return reset(&client),
            Some(Fault::Late(time)) => wait(time),
            _ => {}
        }
        let (answer, is_cut) = altered(answer, fault);
        client.write_all(&answer)?;
        if is_cut { reset(&client) } else { Ok(()) }
    }

    /// Head and body to the server; its answer as it is.
    fn pass_on(&self, head: &str, body: &[u8]) -> Result<Vec<u8>> {
        let (request_line, headers) = head.split_once("\r\n").context("a request line")?;
        let mut server = TcpStream::connect_timeout(&self.server, CONNECT_DEADLINE)?;
        server.set_nodelay(true)?;
        server.set_read_timeout(Some(IO_DEADLINE))?;
        write!(server, "{request_line}\r\nConnection: close\r\n{headers}")?;
        server.write_all(body)?;
        let mut answer = Vec::new();
        server.take(BODY_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Ends the connection in the middle of what is said.
fn reset(stream: &TcpStream) -> Result<()> {
    Ok(set_socket_linger(stream, Some(Duration::ZERO))?)
}

/// A head with the empty line at its end, and what came behind it.
fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(end) = end_of_head(&bytes) {
            let body = bytes.split_off(end);
            return Ok((String::from_utf8(bytes)?, body));
        }
        ensure!(bytes.len() < HEAD_BYTES_MAX, "a head without an end");
        match stream.read(&mut piece)? {
            0 => bail!("the connection ended"),
            count => bytes.extend(&piece[..count]),
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|place| place + 4)
}

/// The value of a header, named in lower case.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// S3's way to say no.
fn refusal(status: u16, code: &str, method: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>the fault of this test</Message></Error>");
    // An answer to HEAD has none.
    let body = if method == "HEAD" { "" } else { &body };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Refused\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// The answer with its fault, and whether the connection is reset behind it.
fn altered(mut answer: Vec<u8>, fault: Option<Fault>) -> (Vec<u8>, bool) {
    let Some(body_at) = end_of_head(&answer) else { return (answer, false) };
    let middle = body_at + (answer.len() - body_at) / 2;
    match fault {
        Some(Fault::Corrupted) => {
            if let Some(byte) = answer.get_mut(middle) {
                *byte ^= 0x55;
            }
            (answer, false)
        }
        Some(Fault::CutAnswer) => {
            answer.truncate(middle);
            (answer, true)
        }
        Some(Fault::Truncated) => (shortened(&answer, body_at, middle), false),
        _ => (answer, false),
    }
}

/// The answer up to `end`, with the length of that.
fn shortened(answer: &[u8], body_at: usize, end: usize) -> Vec<u8> {
    let head = String::from_utf8_lossy(&answer[..body_at]);
    let lines = head.trim_end().lines().filter(|line| !line.to_lowercase().starts_with("content-length:"));
    let mut short: String = lines.map(|line| format!("{line}\r\n")).collect();
    short += &format!("Content-Length: {}\r\n\r\n", end - body_at);
    let mut short = short.into_bytes();
    short.extend(&answer[body_at..end]);
    short
}

#[cfg(test)]
mod tests;
