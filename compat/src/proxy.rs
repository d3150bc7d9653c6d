//! A network between clients and the broker that knows frames, and holds some of them for a while.
//!
//! **Owns** connections, and which frames are late. **Does not own** addresses: the broker must advertise the
//! proxy's. **Invariants**: bytes are never changed, lost or reordered within a connection: what follows a
//! late frame on its connection is late too. What a client sent arrives even if the client has gone, as it
//! does in networks; if the broker has gone, the connection ends with it, and what was held is lost.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{park_timeout, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::accepting::Accepting;

/// The key of EndTxn.
pub const END_TXN: i16 = 26;

/// No frame of a client here is longer.
const FRAME_BYTES_MAX: usize = 16 << 20;
/// Of a request: key, version, correlation id.
const REQUEST_HEAD_BYTES: usize = 8;
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// Which way a late frame goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// To the broker.
    Request,
    /// To the client.
    Answer,
}

/// What is held.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// Requests with this key.
    pub api_key: i16,
    /// They, or their answers.
    pub way: Way,
    /// How long.
    pub time: Duration,
    /// How many: so many of the next ones.
    pub count: u32,
}

/// By key and way.
pub type HeldCounts = BTreeMap<(i16, Way), u64>;

/// The network.
pub struct Proxy {
    accepting: Accepting,
    shared: Arc<Shared>,
}

struct Shared {
    broker: SocketAddr,
    hold: Mutex<Option<Hold>>,
    held_counts: Mutex<HeldCounts>,
    under_way: AtomicU64,
}

impl Proxy {
    /// Listens on `port`, for a broker that need not be there yet.
    pub fn start(port: u16, broker: SocketAddr) -> Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let shared = Arc::new(Shared {
            broker,
            hold: Mutex::default(),
            held_counts: Mutex::default(),
            under_way: AtomicU64::default(),
        });
        let joining = Arc::clone(&shared);
        // A broker that is not there: the client's connection ends.
        let accepting = Accepting::start(listener, move |client| drop(join(client, &joining)))?;
        Ok(Proxy { accepting, shared })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.accepting.address()
    }

    /// Where it connects in turn.
    pub fn broker(&self) -> SocketAddr {
        self.shared.broker
    }

    /// Holds these frames, instead of what was held before. What is held already comes in its time.
    pub fn hold(&self, hold: Option<Hold>) {
        *self.shared.held() = hold;
    }

    /// How many frames are held now.
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::Acquire)
    }

    /// How many frames were late and arrived, of each kind that was.
    pub fn held_counts(&self) -> HeldCounts {
        self.shared.held_counts().clone()
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_counts(&self) -> MutexGuard<'_, HeldCounts> {
        self.held_counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request of this kind, or its answer, is to be late.
    fn take(&self, api_key: i16) -> Option<Hold> {
        let mut held = self.held();
        let hold = held.as_mut().filter(|hold| hold.api_key == api_key)?;
        hold.count = hold.count.checked_sub(1)?;
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Some(*hold)
    }

    /// A frame that was held has gone, and arrived or not.
    fn let_go(&self, hold: Hold, has_arrived: bool) {
        if has_arrived {
            *self.held_counts().entry((hold.api_key, hold.way)).or_default() += 1;
        }
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What both directions of a connection know.
#[derive(Default)]
struct Late {
    /// Answers that are to be held, by correlation id.
    answers: Mutex<HashMap<[u8; 4], Hold>>,
    /// The broker has ended the connection.
    is_over: AtomicBool,
}

impl Late {
    fn answers(&self) -> MutexGuard<'_, HashMap<[u8; 4], Hold>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join(client: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    let broker = TcpStream::connect_timeout(&shared.broker, CONNECT_DEADLINE)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let late = Arc::<Late>::default();
    let (to_client, from_broker) = (client.try_clone()?, broker.try_clone()?);
    let asked = Arc::clone(&late);
    let (asking, answering) = (Arc::clone(shared), Arc::clone(shared));
    spawn(move || drop(pass_requests(client, broker, &asking, &asked)));
    spawn(move || drop(pass_answers(from_broker, to_client, &answering, &late)));
    Ok(())
}

fn pass_requests(mut client: TcpStream, mut broker: TcpStream, shared: &Shared, late: &Late) -> Result<()> {
    let passed = loop {
        let Some(frame) = next_frame(&mut client, REQUEST_HEAD_BYTES)? else { break Ok(()) };
        let api_key = i16::from_be_bytes([frame[4], frame[5]]);
        let hold = shared.take(api_key);
        match hold {
            Some(Hold { way: Way::Request, time, .. }) => wait(time),
            Some(hold) => drop(late.answers().insert(frame[8..12].try_into()?, hold)),
            None => {}
        }
        let is_over = late.is_over.load(Ordering::Acquire);
        let written = broker.write_all(&frame);
        if let Some(hold) = hold.filter(|hold| hold.way == Way::Request) {
            shared.let_go(hold, written.is_ok() && !is_over);
        }
        if let Err(error) = written {
            break Err(error.into());
        }
    };
    // Nothing more will come; the answer to what came may still be under way.
    drop(broker.shutdown(Shutdown::Write));
    passed
}

fn pass_answers(mut broker: TcpStream, mut client: TcpStream, shared: &Shared, late: &Late) -> Result<()> {
    let mut client_is_there = true;
    while let Ok(Some(frame)) = next_frame(&mut broker, size_of::<i32>()) {
        let correlation_id: [u8; 4] = frame[4..8].try_into()?;
        let held = late.answers().remove(&correlation_id);
        if let Some(hold) = held {
            wait(hold.time);
        }
        // The broker may go on until the last frame has come, whether or not somebody hears it.
        client_is_there = client_is_there && client.write_all(&frame).is_ok();
        if let Some(hold) = held {
            shared.let_go(hold, client_is_there);
        }
    }
    late.is_over.store(true, Ordering::Release);
    // Answers that will not come any more.
    late.answers().drain().for_each(|(_, hold)| shared.let_go(hold, false));
    drop(client.shutdown(Shutdown::Both));
    Ok(())
}

/// The next frame with its length; none at the end.
fn next_frame(from: &mut TcpStream, bytes_min: usize) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let bytes = usize::try_from(i32::from_be_bytes(length)).context("a negative length")?;
    ensure!((bytes_min..=FRAME_BYTES_MAX).contains(&bytes), "a frame of {bytes} bytes");
    let mut frame = vec![0; 4 + bytes];
    frame[..4].copy_from_slice(&length);
    from.read_exact(&mut frame[4..])?;
    Ok(Some(frame))
}

/// Lets a time pass, as networks do.
pub(crate) fn wait(time: Duration) {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker that answers every frame with its correlation id, and tells what came.
    fn echo() -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let told = Arc::clone(&heard);
        spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, told) = (stream.unwrap(), Arc::clone(&told));
                spawn(move || {
                    while let Ok(Some(frame)) = next_frame(&mut stream, REQUEST_HEAD_BYTES) {
                        told.lock().unwrap().push(frame.clone());
                        let answer = [&[0, 0, 0, 4], &frame[8..12]].concat();
                        drop(stream.write_all(&answer));
                    }
                });
            }
        });
        (address, heard)
    }

    fn request(api_key: u8, number: u8) -> Vec<u8> {
        vec![0, 0, 0, 9, 0, api_key, 0, 0, 0, 0, 0, number, 77]
    }

    fn answered(stream: &mut TcpStream, number: u8) -> Duration {
        let start = Instant::now();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0, 0, 0, 4, 0, 0, 0, number]);
        start.elapsed()
    }

    const TIME: Duration = Duration::from_millis(200);

    #[test]
    fn frames_of_one_kind_are_late_and_all_others_are_not() {
        let (broker, _) = echo();
        let proxy = Proxy::start(0, broker).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        for way in [Way::Request, Way::Answer] {
            proxy.hold(Some(Hold { api_key: 26, way, time: TIME, count: 1 }));
            let held = || proxy.held_counts().get(&(26, way)).copied().unwrap_or_default();
            let before = held();
            for (api_key, number, is_late) in [(24, 1, false), (26, 2, true), (26, 3, false)] {
                stream.write_all(&request(api_key, number)).unwrap();
                assert_eq!(answered(&mut stream, number) >= TIME, is_late, "{way:?} {number}");
            }
            assert_eq!(held(), before + 1);
        }
    }

    #[test]
    fn a_late_frame_outlives_its_client() {
        let (broker, heard) = echo();
        let proxy = Proxy::start(0, broker).unwrap();
        proxy.hold(Some(Hold { api_key: 26, way: Way::Request, time: TIME, count: 1 }));
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(&request(26, 1)).unwrap();
        drop(stream);
        let came = || Ok((heard.lock().unwrap().len() == 1).then_some(()));
        crate::wait::eventually(CONNECT_DEADLINE, "the frame", came).unwrap();
        assert_eq!(heard.lock().unwrap()[0], request(26, 1));
    }
}
