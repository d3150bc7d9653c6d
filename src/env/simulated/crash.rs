//! What survives: a power cut loses unsynced changes, a killed process loses nothing that it wrote.

use super::disk::{Change, Disk, FileState, SECTOR_BYTES, index};
use super::random;

/// What a power cut does to the changes that no sync covered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashPlan {
    /// All are lost: the strictest disk.
    DropUnsynced,
    /// All are kept: the kernel had written everything back in time.
    KeepUnsynced,
    /// Each is kept, lost or torn at 512 bytes, in no order, as the seed decides.
    Random(u64),
}

impl CrashPlan {
    /// The two extremes and `count` seeded plans between them, for tests that try every plan.
    pub fn all(seed: u64, count: u64) -> Vec<CrashPlan> {
        let random = (0..count).map(|index| CrashPlan::Random(seed.wrapping_add(index)));
        [CrashPlan::DropUnsynced, CrashPlan::KeepUnsynced].into_iter().chain(random).collect()
    }
}

/// How likely a change survives, in quarters; drawn once per crash so that the extremes come up too.
struct Odds {
    quarters: u64,
    state: u64,
}

impl Odds {
    fn new(plan: CrashPlan) -> Odds {
        match plan {
            CrashPlan::DropUnsynced => Odds { quarters: 0, state: 0 },
            CrashPlan::KeepUnsynced => Odds { quarters: 4, state: 0 },
            CrashPlan::Random(seed) => {
                let mut state = seed;
                Odds { quarters: random::below(&mut state, 5), state }
            }
        }
    }

    fn survives(&mut self) -> bool {
        random::below(&mut self.state, 4) < self.quarters
    }

    /// One change in four is torn, unless the odds leave no doubt.
    fn tears(&mut self) -> bool {
        (1..4).contains(&self.quarters) && random::below(&mut self.state, 4) == 0
    }
}

/// The disk after a power cut.
pub(super) fn power_cut(disk: &Disk, plan: CrashPlan) -> Disk {
    let mut odds = Odds::new(plan);
    let mut after = copy(disk);
    for edits in std::mem::take(&mut after.unsynced_edits) {
        if odds.survives() {
            after.harden(&edits);
        }
    }
    for directory in after.directories.values_mut() {
        directory.live = directory.durable.clone();
    }
    for file in after.files.values_mut() {
        lose_unsynced(file, &mut odds);
    }
    after
}

/// The disk after the process was killed: the page cache lives on, and what was not synced still is not.
pub(super) fn kill(disk: &Disk) -> Disk {
    copy(disk)
}

/// What a failed sync does to a file: dirty pages become clean, whether or not the disk took them.
pub(super) fn fail_sync(file: &mut FileState, random: &mut u64) {
    let mut odds = Odds::new(CrashPlan::Random(random::next(random)));
    for change in std::mem::take(&mut file.unsynced) {
        survive(&change, &mut file.durable, &mut odds);
    }
}

fn lose_unsynced(file: &mut FileState, odds: &mut Odds) {
    for change in std::mem::take(&mut file.unsynced) {
        survive(&change, &mut file.durable, odds);
    }
    file.live = file.durable.clone();
}

fn survive(change: &Change, durable: &mut Vec<u8>, odds: &mut Odds) {
    match change {
        Change::Write { offset, bytes } if odds.tears() => {
            for (offset, bytes) in sectors(*offset, bytes) {
                if odds.survives() {
                    Change::Write { offset, bytes: bytes.to_vec() }.apply(durable);
                }
            }
        }
        change if odds.survives() => change.apply(durable),
        _ => {}
    }
}

/// A write cut at the file's sector boundaries.
pub(super) fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let position = offset + at as u64;
        let room = index(SECTOR_BYTES - position % SECTOR_BYTES);
        let piece = &bytes[at..bytes.len().min(at + room)];
        at += piece.len();
        (!piece.is_empty()).then_some((position, piece))
    })
}

/// A disk of its own with the same content, healthy again: no locks, no faults, no crash ahead.
fn copy(disk: &Disk) -> Disk {
    let mut after = Disk::new(disk.random);
    after.files.clone_from(&disk.files);
    after.directories.clone_from(&disk.directories);
    after.unsynced_edits.clone_from(&disk.unsynced_edits);
    after.next_inode = disk.next_inode;
    after.capacity_bytes = disk.capacity_bytes;
    after
}
