//! The program of the floor.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// How far each request goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// Received and answered.
    Answer,
    /// Its batch's checksum is verified.
    Check,
    /// What came together is written past the page cache and synced, before it is answered.
    Commit,
    /// Batches are written to a file of their partition, too, which nobody syncs.
    Keep,
    /// The same past the page cache: whoever reads them asks the disk.
    KeepPast,
}

/// Room of the write-ahead log, written once before and over and over then.
const LOG_BYTES: usize = 64 << 20;
/// What comes together at most: a multiple of a block.
const GROUP_BYTES_MAX: usize = 32 << 20;
/// What is written past the page cache at a time, of one partition.
const PIECE_BYTES: usize = 1 << 20;
const BLOCK_BYTES: usize = 4096;
/// Read from a connection at once.
const READ_BYTES: usize = 256 << 10;
/// A request with a batch is not larger.
const FRAME_BYTES_MAX: usize = 2 << 20;
pub const CONNECTIONS_MAX: usize = 64;
/// How often the thread looks whether it is to end.
pub const LOOK_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// From a batch's begin: its checksum, and what that covers.
const CHECKSUM_AT: usize = 17;
const COVERED_AT: usize = 21;

/// A thread that serves.
pub struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Server {
    /// Listens on a free port of the loopback. `topic` is what requests and answers name.
    pub fn start(step: Step, folder: &Path, topic: &str) -> Result<Server> {
        let log = (step >= Step::Commit).then(|| Log::create(&folder.join("wal"))).transpose()?;
        let (folder, answer, batch_at) = (folder.to_owned(), answer(topic), batch_at(topic));
        Server::spawn(move |listener, stopping| {
            let (connections, group) = (Vec::new(), Aligned::new(GROUP_BYTES_MAX));
            Serving { step, listener, stopping, connections, log, folder, answer, batch_at, group }.run()
        })
    }

    /// Has a thread of its own serve whoever connects to a free port of the loopback, until it is to stop.
    pub fn spawn(
        serve: impl FnOnce(TcpListener, Arc<AtomicBool>) -> Result<()> + Send + 'static,
    ) -> Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let told = stopping.clone();
        let thread =
            std::thread::Builder::new().name("floor".to_owned()).spawn(move || serve(listener, told))?;
        Ok(Server { address, stopping, thread })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and gives the error that ended it before.
    pub fn stop(self) -> Result<()> {
        self.stopping.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the server panicked"))?
    }
}

/// Where a request of `compat::raw_producer` has its batch.
fn batch_at(topic: &str) -> usize {
    // Length, key, version, correlation id, two names that are null, acks, timeout, one topic, its name, one
    // partition, its index, the length of its records.
    4 + 2 + 2 + 4 + 2 + 2 + 2 + 4 + 4 + 2 + topic.len() + 4 + 4 + 4
}

/// The answer of version 3: no error, offset 0.
fn answer(topic: &str) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 1];
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend([0, 0, 0, 1]);
    // Index, error code, offset, append time, throttling.
    body.extend([0; 4 + 2 + 8 + 8 + 4]);
    let mut answer = (body.len() as u32).to_be_bytes().to_vec();
    answer.extend(body);
    answer
}

struct Connection {
    stream: TcpStream,
    segment: Option<Segment>,
    received: Vec<u8>,
    filled: usize,
    /// Where in the group its batches of this round lie.
    batches: Vec<Range<usize>>,
    answers: usize,
    closed: bool,
}

struct Serving {
    step: Step,
    listener: TcpListener,
    stopping: Arc<AtomicBool>,
    connections: Vec<Connection>,
    log: Option<Log>,
    folder: PathBuf,
    answer: Vec<u8>,
    batch_at: usize,
    /// What is committed together: all that is there when it is looked at.
    group: Aligned,
}

impl Serving {
    fn run(&mut self) -> Result<()> {
        while !self.stopping.load(Ordering::Acquire) {
            let ready = self.wait()?;
            if ready[0] {
                self.accept()?;
            }
            for (connection, ready) in (0..).zip(&ready[1..]) {
                if *ready {
                    self.receive(connection)?;
                }
            }
            self.finish_round()?;
            self.connections.retain(|connection| !connection.closed);
        }
        Ok(())
    }

    /// Which sockets have something, the listener's first.
    fn wait(&self) -> Result<Vec<bool>> {
        let mut sockets = vec![PollFd::new(&self.listener, PollFlags::IN)];
        sockets.extend(self.connections.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)));
        poll(&mut sockets, Some(&LOOK_INTERVAL))?;
        Ok(sockets.iter().map(|socket| !socket.revents().is_empty()).collect())
    }

    fn accept(&mut self) -> Result<()> {
        let (stream, _) = self.listener.accept()?;
        ensure!(self.connections.len() < CONNECTIONS_MAX, "more than {CONNECTIONS_MAX} connections");
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let path = self.folder.join(format!("segment-{}", self.connections.len()));
        let segment = match self.step {
            Step::Answer | Step::Check | Step::Commit => None,
            Step::Keep => Some(Segment::Cached(Appended { file: File::create(path)?, bytes: 0 })),
            Step::KeepPast => {
                let file = past_the_page_cache().create(true).truncate(true).open(path)?;
                Some(Segment::Past(Appended { file, bytes: 0 }, Aligned::new(PIECE_BYTES)))
            }
        };
        self.connections.push(Connection {
            stream,
            segment,
            received: vec![0; FRAME_BYTES_MAX],
            filled: 0,
            batches: Vec::new(),
            answers: 0,
            closed: false,
        });
        Ok(())
    }

    /// Takes what a connection has.
    fn receive(&mut self, connection: usize) -> Result<()> {
        let connection = &mut self.connections[connection];
        let until = (connection.filled + READ_BYTES).min(connection.received.len());
        match connection.stream.read(&mut connection.received[connection.filled..until]) {
            Ok(0) => connection.closed = true,
            Ok(count) => connection.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut taken = 0;
        while let Some(frame) = frame(&connection.received[taken..connection.filled])? {
            let batch = frame.get(self.batch_at..).context("a request without a batch")?;
            if self.step >= Step::Check {
                check(batch)?;
            }
            if self.step >= Step::Commit {
                connection.batches.push(self.group.push(batch)?);
            }
            connection.answers += 1;
            taken += frame.len();
        }
        connection.received.copy_within(taken..connection.filled, 0);
        connection.filled -= taken;
        Ok(())
    }

    /// Commits what was taken, then answers, then keeps.
    fn finish_round(&mut self) -> Result<()> {
        if let Some(log) = &mut self.log
            && self.group.filled > 0
        {
            log.commit(&self.group)?;
        }
        for connection in self.connections.iter_mut().filter(|connection| connection.answers > 0) {
            let answers = self.answer.repeat(connection.answers);
            connection.stream.write_all(&answers)?;
            connection.answers = 0;
            if let Some(segment) = &mut connection.segment {
                for batch in connection.batches.drain(..) {
                    segment.append(self.group.bytes(&batch))?;
                }
            }
            connection.batches.clear();
        }
        self.group.filled = 0;
        Ok(())
    }
}

/// The first whole frame, with its length.
pub fn frame(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let Some(length) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize + 4;
    ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    Ok(bytes.get(..length))
}

fn check(batch: &[u8]) -> Result<()> {
    let checksum = batch.get(CHECKSUM_AT..COVERED_AT).context("a short batch")?;
    ensure!(checksum == crc32c::crc32c(&batch[COVERED_AT..]).to_be_bytes(), "a damaged batch");
    Ok(())
}

/// A partition's file.
enum Segment {
    Cached(Appended),
    /// With the piece that is not full yet.
    Past(Appended, Aligned),
}

struct Appended {
    file: File,
    bytes: u64,
}

impl Appended {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, self.bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Segment {
    fn append(&mut self, mut batch: &[u8]) -> Result<()> {
        let (file, piece) = match self {
            Segment::Cached(file) => return file.append(batch),
            Segment::Past(file, piece) => (file, piece),
        };
        while !batch.is_empty() {
            let (now, later) = batch.split_at(batch.len().min(PIECE_BYTES - piece.filled));
            piece.push(now)?;
            batch = later;
            if piece.filled == PIECE_BYTES {
                file.append(piece.bytes(&(0..PIECE_BYTES)))?;
                piece.filled = 0;
            }
        }
        Ok(())
    }
}

fn past_the_page_cache() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::DIRECT.bits().cast_signed());
    options
}

/// Memory from a block's begin on, so that the one copy into it is the last.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
    filled: usize,
}

impl Aligned {
    fn new(bytes: usize) -> Aligned {
        let memory = vec![0; bytes + BLOCK_BYTES];
        let address = memory.as_ptr() as usize;
        Aligned { start: address.next_multiple_of(BLOCK_BYTES) - address, memory, filled: 0 }
    }

    fn push(&mut self, batch: &[u8]) -> Result<Range<usize>> {
        let range = self.filled..self.filled + batch.len();
        let room = self.memory.len() - BLOCK_BYTES;
        ensure!(range.end <= room, "{} bytes where {room} have room", range.end);
        self.memory[self.start..][range.clone()].copy_from_slice(batch);
        self.filled = range.end;
        Ok(range)
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.memory[self.start..][range.clone()]
    }
}

/// A file that is written over and over, past the page cache.
struct Log {
    file: File,
    at: usize,
}

impl Log {
    fn create(path: &Path) -> Result<Log> {
        File::create(path)?.write_all(&vec![7; LOG_BYTES])?;
        let file = past_the_page_cache().open(path)?;
        file.sync_all()?;
        Ok(Log { file, at: 0 })
    }

    fn commit(&mut self, group: &Aligned) -> Result<()> {
        let whole = group.filled.next_multiple_of(BLOCK_BYTES);
        if self.at + whole > LOG_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(group.bytes(&(0..whole)), self.at as u64)?;
        self.file.sync_data()?;
        self.at += whole;
        Ok(())
    }
}
