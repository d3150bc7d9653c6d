//! The program of the floor for fetches: it sends extents of files, and looks nothing up.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use compat::raw_producer;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::server::{CONNECTIONS_MAX, LOOK_INTERVAL, Server, frame};

/// Kafka's default, and Highwater's.
const SEND_BUFFER_BYTES: usize = 102_400;
/// A request is smaller.
const REQUEST_BYTES_MAX: usize = 4096;
/// Records of a batch.
const PER_BATCH: usize = 64;
/// A batch's base offset, which its checksum does not cover.
const BASE_OFFSET_BYTES: usize = 8;

/// Writes a file for each partition, so many records in all, and serves them.
pub fn start(folder: &Path, topic: &str, partitions: u32, records: u64, record_bytes: u32) -> Result<Server> {
    let value = vec![b'x'; record_bytes as usize];
    let batch = raw_producer::batch(&[(None, &value[..]); PER_BATCH], 1);
    let batches = records / u64::from(partitions) / PER_BATCH as u64;
    let files = (0..partitions).map(|partition| {
        let path = folder.join(format!("segment-{partition}"));
        let mut file = BufWriter::new(File::create(&path)?);
        for number in 0..batches {
            file.write_all(&(number * PER_BATCH as u64).to_be_bytes())?;
            file.write_all(&batch[BASE_OFFSET_BYTES..])?;
        }
        file.flush()?;
        Ok(File::open(path)?)
    });
    let files = files.collect::<Result<Vec<File>>>()?;
    let (topic, batch_bytes) = (topic.to_owned(), batch.len() as u64);
    Server::spawn(move |listener, stopping| {
        rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
        let connections = Vec::new();
        Sending { listener, stopping, files, topic, batch_bytes, batches, connections }.run()
    })
}

struct Sending {
    listener: TcpListener,
    stopping: Arc<AtomicBool>,
    files: Vec<File>,
    topic: String,
    batch_bytes: u64,
    /// Of each file.
    batches: u64,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// What is to be sent before the extent.
    head: Vec<u8>,
    /// Which file, from where, how much.
    extent: (usize, u64, usize),
    closed: bool,
}

/// What is asked for.
struct Asked {
    partition: usize,
    offset: u64,
    bytes_max: u64,
}

impl Sending {
    fn run(&mut self) -> Result<()> {
        while !self.stopping.load(Ordering::Acquire) {
            let mut sockets = vec![PollFd::new(&self.listener, PollFlags::IN)];
            sockets.extend(self.connections.iter().map(|one| {
                let wanted = if one.owes() { PollFlags::OUT } else { PollFlags::IN };
                PollFd::new(&one.stream, wanted)
            }));
            poll(&mut sockets, Some(&LOOK_INTERVAL))?;
            let ready: Vec<bool> = sockets.iter().map(|socket| !socket.revents().is_empty()).collect();
            if ready[0] {
                self.accept()?;
            }
            for (connection, _) in (0..).zip(&ready[1..]).filter(|(_, ready)| **ready) {
                self.serve(connection)?;
            }
            self.connections.retain(|connection| !connection.closed);
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        let (stream, _) = self.listener.accept()?;
        ensure!(self.connections.len() < CONNECTIONS_MAX, "more than {CONNECTIONS_MAX} connections");
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let (received, head) = (Vec::new(), Vec::new());
        self.connections.push(Connection { stream, received, head, extent: (0, 0, 0), closed: false });
        Ok(())
    }

    fn serve(&mut self, connection: usize) -> Result<()> {
        let connection = &mut self.connections[connection];
        if !connection.owes() {
            connection.receive()?;
            let Some(request) = frame(&connection.received)? else { return Ok(()) };
            let taken = request.len();
            let asked = asked(request, &self.topic)?;
            let first = (asked.offset / PER_BATCH as u64).min(self.batches);
            let count = (asked.bytes_max / self.batch_bytes).max(1).min(self.batches - first);
            let bytes = usize::try_from(count * self.batch_bytes)?;
            let end = self.batches * PER_BATCH as u64;
            connection.received.drain(..taken);
            connection.head = head(&self.topic, &asked, end, bytes);
            connection.extent = (asked.partition, first * self.batch_bytes, bytes);
        }
        connection.send(&self.files)
    }
}

impl Connection {
    fn owes(&self) -> bool {
        !self.head.is_empty() || self.extent.2 > 0
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; REQUEST_BYTES_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => self.received.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Sends until nothing is owed or the socket takes no more.
    fn send(&mut self, files: &[File]) -> Result<()> {
        while self.owes() {
            let sent = if self.head.is_empty() {
                let (file, mut offset, bytes) = self.extent;
                rustix::fs::sendfile(&self.stream, &files[file], Some(&mut offset), bytes)
            } else {
                rustix::net::send(&self.stream, &self.head, SendFlags::NOSIGNAL | SendFlags::MORE)
            };
            match sent {
                Ok(0) => anyhow::bail!("a file is shorter than it was"),
                Ok(count) if self.head.is_empty() => {
                    self.extent.1 += count as u64;
                    self.extent.2 -= count;
                }
                Ok(count) => drop(self.head.drain(..count)),
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Reads a request of `raw::fetch`.
fn asked(request: &[u8], topic: &str) -> Result<Asked> {
    // Length, key, version, correlation id, no client id; replica, wait, two limits, isolation, session, its
    // epoch; one topic, its name, one partition.
    let index_at = 4 + 2 + 2 + 4 + 2 + 4 * 4 + 1 + 2 * 4 + 4 + 2 + topic.len() + 4;
    // The leader's epoch lies between; the log's start offset behind.
    let fields = request.get(index_at..index_at + 28).context("a short request")?;
    let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|byte| fields[at + byte]));
    Ok(Asked {
        partition: number(0) as usize,
        offset: u64::from(number(8)) << 32 | u64::from(number(12)),
        bytes_max: number(24).into(),
    })
}

/// The answer up to its records, length first.
fn head(topic: &str, asked: &Asked, end: u64, bytes: usize) -> Vec<u8> {
    // Correlation id, throttling, no error, no session.
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    body.extend(1_u32.to_be_bytes());
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_u32.to_be_bytes());
    body.extend((asked.partition as u32).to_be_bytes());
    body.extend([0; 2]);
    body.extend(end.to_be_bytes());
    body.extend(end.to_be_bytes());
    // The log's start, no aborted transactions, no preferred replica.
    body.extend([0; 8]);
    body.extend([0; 4]);
    body.extend((-1_i32).to_be_bytes());
    body.extend((bytes as u32).to_be_bytes());
    let mut head = ((body.len() + bytes) as u32).to_be_bytes().to_vec();
    head.extend(body);
    head
}
