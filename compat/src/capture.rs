//! A recorder between clients and a broker: it passes Kafka frames on, and writes each as a packet into a
//! file that tshark reads. So nothing needs the right to listen on a network device, and no packet is lost.
//!
//! The broker must advertise the recorder's address, or clients go past it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::broker::free_port;

/// The broker's port in the file.
pub const PORT: u16 = 9092;
/// Port of the first client in the file; the next ones follow.
const CLIENT_PORT_FIRST: u16 = 20_000;
const FRAME_BYTES_MAX: usize = 128 << 20;
/// Bytes of a frame in one packet; an IPv4 packet holds up to 64 KiB.
const PAYLOAD_BYTES_MAX: usize = 32 << 10;
const IP_HEADER_BYTES: usize = 20;
const TCP_HEADER_BYTES: usize = 20;
/// Packets begin with their IP header.
const LINKTYPE_RAW: u32 = 101;

/// A Kafka frame that went by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// Number of its last packet in the file, from 1: where tshark shows it.
    pub number: usize,
    /// Which request, or the reply to which.
    pub api_key: i16,
    /// In which version.
    pub api_version: i16,
    /// For a reply: the number of its request.
    pub reply_to: Option<usize>,
}

/// The recorder, listening.
pub struct Capture {
    listener: TcpListener,
    address: SocketAddr,
    recorded: Arc<Mutex<Recorded>>,
}

impl Capture {
    /// Takes a port and begins the file.
    pub fn start(path: &Path) -> Result<Capture> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()?))?;
        let address = listener.local_addr()?;
        let recorded = Arc::new(Mutex::new(Recorded::new(File::create(path)?)?));
        Ok(Capture { listener, address, recorded })
    }

    /// Where clients must come.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes on what comes from now on to `broker`, on threads that end with their connections.
    pub fn pass_to(&self, broker: SocketAddr) -> Result<()> {
        let listener = self.listener.try_clone()?;
        let recorded = self.recorded.clone();
        std::thread::spawn(move || {
            for (connection, client) in listener.incoming().enumerate() {
                // A client that finds no broker is told so by its connection's end.
                if let Ok(client) = client {
                    drop(pass(connection, client, broker, &recorded));
                }
            }
        });
        Ok(())
    }

    /// Ends the file: what passed so far.
    pub fn finish(self) -> Result<Vec<Passed>> {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.file.flush()?;
        Ok(std::mem::take(&mut recorded.passed))
    }
}

/// Starts the two directions of a connection.
fn pass(
    connection: usize,
    client: TcpStream,
    broker: SocketAddr,
    recorded: &Arc<Mutex<Recorded>>,
) -> Result<()> {
    let server = TcpStream::connect(broker)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ways =
        [(client.try_clone()?, server.try_clone()?, Direction::Request), (server, client, Direction::Reply)];
    for (mut from, mut to, direction) in ways {
        let recorded = recorded.clone();
        std::thread::spawn(move || {
            while let Ok(Some(frame)) = read_frame(&mut from) {
                let locked = recorded.lock();
                let noted =
                    locked.unwrap_or_else(PoisonError::into_inner).note(connection, direction, &frame);
                if noted.is_err() || to.write_all(&frame).is_err() {
                    break;
                }
            }
            // Already closed is what is wanted.
            drop(from.shutdown(Shutdown::Both));
            drop(to.shutdown(Shutdown::Both));
        });
    }
    Ok(())
}

/// The next frame with its length; `None` at the end of the connection.
fn read_frame(from: &mut TcpStream) -> Result<Option<Vec<u8>>> {
    let mut frame = vec![0; 4];
    if from.read_exact(&mut frame).is_err() {
        return Ok(None);
    }
    let length = usize::try_from(i32::from_be_bytes(frame[..].try_into()?))?;
    ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    frame.resize(4 + length, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(Some(frame))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Request,
    Reply,
}

/// The file, and what is in it.
struct Recorded {
    file: BufWriter<File>,
    packets: usize,
    passed: Vec<Passed>,
    /// Requests whose replies have not passed, by connection and correlation id.
    pending: HashMap<(usize, i32), Passed>,
    /// Bytes that went to and from the broker, by connection.
    sent: HashMap<usize, [u32; 2]>,
}

impl Recorded {
    fn new(file: File) -> Result<Recorded> {
        let mut file = BufWriter::new(file);
        // Magic, version 2.4, time zone and accuracy, longest packet, what packets begin with.
        file.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        file.write_all(&(1_u32 << 18).to_le_bytes())?;
        file.write_all(&LINKTYPE_RAW.to_le_bytes())?;
        let (pending, sent) = (HashMap::new(), HashMap::new());
        Ok(Recorded { file, packets: 0, passed: Vec::new(), pending, sent })
    }

    /// Writes a frame and remembers it.
    fn note(&mut self, connection: usize, direction: Direction, frame: &[u8]) -> Result<()> {
        for payload in frame.chunks(PAYLOAD_BYTES_MAX) {
            self.packet(connection, direction, payload)?;
        }
        let number = self.packets;
        let field = |at: usize| frame.get(at..at + 4).context("a frame without a header");
        let passed = match direction {
            Direction::Request => {
                let key_and_version = field(4)?;
                let api_key = i16::from_be_bytes(key_and_version[..2].try_into()?);
                let api_version = i16::from_be_bytes(key_and_version[2..].try_into()?);
                let passed = Passed { number, api_key, api_version, reply_to: None };
                self.pending.insert((connection, i32::from_be_bytes(field(8)?.try_into()?)), passed);
                passed
            }
            Direction::Reply => {
                let correlation_id = i32::from_be_bytes(field(4)?.try_into()?);
                let request = self.pending.remove(&(connection, correlation_id));
                let request = request.context("a reply to nothing")?;
                Passed { number, reply_to: Some(request.number), ..request }
            }
        };
        self.passed.push(passed);
        Ok(())
    }

    fn packet(&mut self, connection: usize, direction: Direction, payload: &[u8]) -> Result<()> {
        let sent = self.sent.entry(connection).or_default();
        let client = CLIENT_PORT_FIRST + u16::try_from(connection)?;
        let (ports, numbers) = match direction {
            Direction::Request => ([client, PORT], *sent),
            Direction::Reply => ([PORT, client], [sent[1], sent[0]]),
        };
        sent[usize::from(direction == Direction::Reply)] += u32::try_from(payload.len())?;
        let length = IP_HEADER_BYTES + TCP_HEADER_BYTES + payload.len();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        for word in [u32::try_from(now.as_secs())?, now.subsec_micros(), u32::try_from(length)?] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(&u32::try_from(length)?.to_le_bytes())?;
        self.file.write_all(&ip_header(u16::try_from(length)?))?;
        self.file.write_all(&tcp_header(ports, numbers))?;
        self.file.write_all(payload)?;
        self.packets += 1;
        Ok(())
    }
}

/// Version 4, protocol TCP, between loopback addresses. tshark does not look at the checksum.
fn ip_header(length: u16) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    header
}

/// Ports, sequence and acknowledgement numbers; flags PSH and ACK, the largest window.
fn tcp_header(ports: [u16; 2], numbers: [u32; 2]) -> Vec<u8> {
    let mut header = ports.map(u16::to_be_bytes).concat();
    header.extend(numbers.map(u32::to_be_bytes).concat());
    header.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    header
}
