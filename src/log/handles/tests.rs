use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{FileKey, FileKind, HandleCache};
use crate::env::simulated::SimulatedWorld;
use crate::env::{File, Files, OpenMode};

struct Opener {
    world: SimulatedWorld,
    opened: AtomicU32,
}

impl Opener {
    fn new() -> Opener {
        let world = SimulatedWorld::new(1);
        world.files.open(Path::new("/file"), OpenMode::Create).unwrap();
        Opener { world, opened: AtomicU32::new(0) }
    }

    fn open(&self) -> io::Result<Arc<dyn File>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.world.files.open(Path::new("/file"), OpenMode::Write)
    }

    /// How many opens `act` needs.
    fn opens(&self, act: impl FnOnce()) -> u32 {
        let before = self.opened.load(Ordering::Relaxed);
        act();
        self.opened.load(Ordering::Relaxed) - before
    }
}

fn key(base_offset: i64) -> FileKey {
    FileKey { generation: 0, base_offset, kind: FileKind::Log }
}

#[test]
fn the_least_recently_used_handle_goes() {
    let (cache, opener) = (HandleCache::new(3), Opener::new());
    let get = |at| opener.opens(|| drop(cache.get(key(at), || opener.open()).unwrap()));
    assert_eq!([get(1), get(2), get(3), get(1)], [1, 1, 1, 0]);
    assert_eq!(get(4), 1, "2 goes");
    assert_eq!([get(1), get(3), get(4)], [0, 0, 0]);
    assert_eq!(get(2), 1);
    assert_eq!(cache.open_count(), 3);
}

#[test]
fn a_pinned_handle_stays() {
    let (cache, opener) = (HandleCache::new(2), Opener::new());
    let get = |at| opener.opens(|| drop(cache.get(key(at), || opener.open()).unwrap()));
    let first = cache.pin(key(1), || opener.open()).unwrap();
    let second = cache.pin(key(1), || opener.open()).unwrap();
    assert!(Arc::ptr_eq(&first.file, &second.file), "both pins hold one handle");
    (2..10).for_each(|at| assert_eq!(get(at), 1));
    assert_eq!(get(1), 0, "it was not closed");
    drop(first);
    (2..10).for_each(|at| assert!(get(at) <= 1));
    assert_eq!(get(1), 0, "one pin is left");
    drop(second);
    (2..10).for_each(|at| assert!(get(at) <= 1));
    assert_eq!(get(1), 1, "it was closed once unpinned");
    assert_eq!(cache.open_count(), 2);
}

#[test]
fn a_forgotten_handle_is_opened_again() {
    let (cache, opener) = (HandleCache::new(2), Opener::new());
    let get = |at| opener.opens(|| drop(cache.get(key(at), || opener.open()).unwrap()));
    let pinned = cache.pin(key(1), || opener.open()).unwrap();
    cache.forget(key(1));
    assert_eq!([get(1), get(2)], [1, 1]);
    drop(pinned);
    assert_eq!([get(3), get(4)], [1, 1], "a pin of the forgotten handle does not count for the new one");
    assert_eq!(cache.open_count(), 2);
}
