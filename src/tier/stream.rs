//! One GET of several blocks, whose body is taken no faster than its readers want.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::blocks::{BlockBody, BlockSource, Blocks};
use super::error::TierError;
use crate::env::time;

/// A stream that nobody has asked for so long is given up: its connection, and its room for blocks.
const IDLE: Duration = Duration::from_secs(10);

/// Blocks on their way, for all readers that are near to each other.
pub(super) struct Stream {
    pub source: Arc<BlockSource>,
    end: u32,
    state: Mutex<State>,
    /// A block has come, or no more will.
    moved: Notify,
    /// Somebody wants something.
    asked: Notify,
}

struct State {
    /// The block that comes next.
    next: u32,
    /// Blocks that were asked for, and how many readers wait for each. They are brought also when nobody does
    /// any more: whoever gave up comes again, and finds them in the cache.
    awaited: BTreeMap<u32, usize>,
    /// Blocks below it are brought if there is room.
    ahead: u32,
    /// Those that came, in order, and that no reader has passed.
    ready: VecDeque<Ready>,
    /// A reader has had the last one.
    is_passed: bool,
    /// It brings nothing more; with the reason, if it did not come to its end.
    over: Option<Result<(), TierError>>,
}

struct Ready {
    block: u32,
    bytes: Bytes,
    /// Without it, it is kept for those alone who wait for it, and stands on their account.
    room: Option<OwnedSemaphorePermit>,
}

/// A reader that waits for a block: on its account stands what came without room of its own.
struct Waiting<'a> {
    stream: &'a Stream,
    block: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.stream.state.lock();
        let Some(readers) = state.awaited.get_mut(&self.block) else { return };
        *readers -= 1;
        if *readers > 0 {
            return;
        }
        if state.next > self.block {
            state.awaited.remove(&self.block);
        }
        state.ready.retain(|ready| ready.block != self.block || ready.room.is_some());
        drop(state);
        self.stream.asked.notify_one();
    }
}

/// What a stream does next.
enum Step {
    Bring(Option<OwnedSemaphorePermit>),
    End,
}

impl State {
    /// The block, if it came. Those before it are let go: their reader has passed, or finds them in the
    /// cache.
    fn take(&mut self, block: u32, end: u32, window: u32) -> Option<Bytes> {
        let bytes = self.ready.iter().find(|ready| ready.block == block)?.bytes.clone();
        let is_kept = |ready: &Ready| ready.block > block || ready.block == block && ready.room.is_some();
        while self.ready.front().is_some_and(|ready| !is_kept(ready)) {
            self.ready.pop_front();
        }
        self.ahead = self.ahead.max(block.saturating_add(window));
        self.is_passed |= block + 1 == end;
        Some(bytes)
    }
}

impl Stream {
    /// Brings nothing before somebody asks.
    pub(super) fn new(source: Arc<BlockSource>, blocks: Range<u32>) -> Stream {
        let state = State {
            next: blocks.start,
            awaited: BTreeMap::new(),
            ahead: blocks.start,
            ready: VecDeque::new(),
            is_passed: false,
            over: None,
        };
        let (moved, asked) = (Notify::new(), Notify::new());
        Stream { source, end: blocks.end, state: Mutex::new(state), moved, asked }
    }

    /// Whether a reader of that block may wait for it here.
    pub(super) fn will_bring(&self, block: u32, join_max: u32) -> bool {
        let state = self.state.lock();
        let is_coming = block >= state.next && block < self.end && block - state.next <= join_max;
        state.over.is_none() && is_coming || state.ready.iter().any(|ready| ready.block == block)
    }

    /// The block, if it came already.
    pub(super) fn take_ready(&self, block: u32, window: u32) -> Option<Bytes> {
        let taken = self.state.lock().take(block, self.end, window)?;
        self.asked.notify_one();
        Some(taken)
    }

    /// Waits for the block; `None` if it has passed, or the stream has ended before it.
    pub(super) async fn take(&self, block: u32, window: u32) -> Result<Option<Bytes>, TierError> {
        let mut waiting = None;
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            // From here on no move is missed.
            moved.as_mut().enable();
            {
                let mut state = self.state.lock();
                if let Some(bytes) = state.take(block, self.end, window) {
                    self.asked.notify_one();
                    return Ok(Some(bytes));
                }
                if block < state.next || block >= self.end {
                    return Ok(None);
                }
                if let Some(over) = &state.over {
                    return over.clone().map(|()| None);
                }
                if waiting.is_none() {
                    *state.awaited.entry(block).or_default() += 1;
                    waiting = Some(Waiting { stream: self, block });
                }
                state.ahead = state.ahead.max(block.saturating_add(window));
            }
            self.asked.notify_one();
            moved.await;
        }
    }

    /// Blocks that came and wait for a reader.
    #[cfg(test)]
    pub(super) fn ready_blocks(&self) -> usize {
        self.state.lock().ready.len()
    }

    /// Brings blocks until the last, or until nobody asks any more.
    pub(super) async fn run(&self, blocks: &Blocks) {
        let result = self.bring_all(blocks).await;
        self.state.lock().over = Some(result);
        self.moved.notify_waiters();
        // What was read ahead is kept for its reader. Once that has had the last block, the cache has it.
        while !self.is_done() {
            if time::timeout(IDLE, self.asked.notified()).await.is_err() {
                break;
            }
        }
    }

    fn is_done(&self) -> bool {
        let state = self.state.lock();
        state.is_passed || state.ready.is_empty()
    }

    async fn bring_all(&self, blocks: &Blocks) -> Result<(), TierError> {
        let mut coming: Option<BlockBody> = None;
        loop {
            let Step::Bring(room) = self.step(blocks).await else { return Ok(()) };
            let block = self.state.lock().next;
            let bytes = blocks.fetch_next(&self.source, block..self.end, &mut coming).await?;
            {
                let mut state = self.state.lock();
                state.next = block + 1;
                // What others only passed on their way, or gave up, is in the cache.
                let is_awaited = state.awaited.get(&block).is_some_and(|readers| *readers > 0);
                if is_awaited || room.is_some() {
                    state.ready.push_back(Ready { block, bytes, room });
                }
                if !is_awaited {
                    state.awaited.remove(&block);
                }
            }
            self.moved.notify_waiters();
        }
    }

    async fn step(&self, blocks: &Blocks) -> Step {
        loop {
            {
                let state = self.state.lock();
                if state.next == self.end {
                    return Step::End;
                }
                let is_awaited = state.awaited.range(state.next..).next().is_some();
                if is_awaited || state.next < state.ahead {
                    let room = Arc::clone(&blocks.room_ahead).try_acquire_owned().ok();
                    if is_awaited || room.is_some() {
                        return Step::Bring(room);
                    }
                }
            }
            if time::timeout(IDLE, self.asked.notified()).await.is_err() {
                return Step::End;
            }
        }
    }
}
