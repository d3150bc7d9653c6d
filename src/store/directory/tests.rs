use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;

use super::super::backend::Backend;
use super::super::client::Client;
use super::super::simulated::SimulatedBucket;
use super::super::tests::conforms;
use super::super::{Created, NoObserver, ObjectStore, StoreError};
use super::{Directory, OPERATIONS_MAX, READS_MAX};
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::env::{Env, Files, OpenMode, RealFiles, files};

fn store(env: &Env, root: &Path) -> Arc<dyn ObjectStore> {
    let directory = Directory::open(env, root).unwrap();
    Arc::new(Client::new(directory, SimulatedBucket::quick(), env.clone(), Arc::new(NoObserver)))
}

#[tokio::test]
async fn a_directory_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let env = Env::real();
    conforms(&store(&env, directory.path()), &env, 3_500_000).await;
    assert!(env.files.list(&directory.path().join(".staging")).unwrap().is_empty());
}

/// A commit of the log waits behind them in the disk's queue.
#[tokio::test]
async fn few_pieces_are_read_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(&Env::real(), folder.path()).unwrap();
    directory.put("a", &[Bytes::from(vec![7; 600 << 10])]).await.unwrap();
    let others = directory.0.reads.acquire_many(READS_MAX as u32).await.unwrap();
    let mut body = directory.get("a", None).await.unwrap().chunks;
    let reading = tokio::spawn(async move { (body.next().await.unwrap().unwrap(), body) });
    for _ in 0..50 {
        assert_eq!(directory.head("a").await, Ok(600 << 10));
    }
    assert!(!reading.is_finished());
    drop(others);
    let (piece, rest) = reading.await.unwrap();
    assert_eq!(piece, vec![7; 256 << 10]);
    let rest: Vec<_> = rest.map(|piece| piece.unwrap().len()).collect().await;
    assert_eq!(rest, [256 << 10, 88 << 10]);
    assert_eq!(directory.0.reads.available_permits(), READS_MAX);
}

/// A mount that hangs: whoever asks gives up, the thread does not come back, and there are others to be had.
#[test]
fn what_hangs_keeps_few_threads() {
    let threads = OPERATIONS_MAX + 1;
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(threads).build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Env::real(), folder.path()).unwrap();
        let (release, hung) = std::sync::mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let askers: Vec<_> = (0..threads)
            .map(|_| {
                let (directory, hung) = (directory.clone(), Arc::clone(&hung));
                tokio::spawn(async move {
                    directory.blocking(move |_| Ok(_ = hung.lock().recv())).await.unwrap();
                })
            })
            .collect();
        while directory.0.operations.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for asker in askers {
            asker.abort();
            assert!(asker.await.unwrap_err().is_cancelled());
        }
        assert_eq!(directory.0.operations.available_permits(), 0, "who asked has gone, and they hang");
        assert_eq!(tokio::task::spawn_blocking(|| 7).await.unwrap(), 7, "others get a thread");
        drop(release);
        assert_eq!(directory.head("a").await, Err(StoreError::NotFound("a".to_owned())));
    });
}

/// What is hot stays in the page cache beside what is copied and what is read again.
#[tokio::test]
async fn its_pages_leave_the_page_cache() {
    const BYTES: u64 = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(&Env::real(), folder.path()).unwrap();
    let body = Bytes::from(vec![7; BYTES as usize]);
    directory.put("whole", std::slice::from_ref(&body)).await.unwrap();
    let upload = directory.begin_parts("parts").await.unwrap();
    let part = directory.put_part(&upload, 0, std::slice::from_ref(&body)).await.unwrap();
    directory.complete_parts(&upload, &[part]).await.unwrap();
    let cached = |key: &str| {
        let file = RealFiles.open(&directory.0.tree.path(key), OpenMode::Read).unwrap();
        let pages = (0..BYTES).step_by(64 << 10);
        pages.filter(|offset| files::is_cached(file.descriptor().unwrap(), *offset)).count()
    };
    let control = RealFiles.open(&directory.0.tree.path("control"), OpenMode::Create).unwrap();
    control.write_all_at(&body, 0).unwrap();
    assert_eq!(cached("control"), 64, "what is written is in the cache");
    // The kernel keeps a page that somebody else holds just then.
    assert!(cached("whole") < 8 && cached("parts") < 8, "{} and {}", cached("whole"), cached("parts"));
    let pieces = directory.get("whole", None).await.unwrap().chunks;
    assert_eq!(
        pieces.map(|piece| piece.unwrap().len() as u64).collect::<Vec<_>>().await.iter().sum::<u64>(),
        BYTES
    );
    assert!(cached("whole") < 8, "{}", cached("whole"));
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "thousands of objects at once, where a put each would sync each"
)]
async fn pages_follow_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&Env::real(), directory.path());
    let mut expected = Vec::new();
    for number in 0..2_500 {
        // Names of which one is the beginning of the other, and folders beside objects of the same letters.
        let key = format!("a/{}/{}", number % 7, number / 7);
        std::fs::create_dir_all(directory.path().join(&key).parent().unwrap()).unwrap();
        std::fs::write(directory.path().join(&key), b"x").unwrap();
        expected.push(key);
    }
    let (mut listing, mut found) = (store.list("a"), Vec::new());
    let mut pages = 0;
    while let Some(page) = listing.next_page().await.unwrap() {
        pages += 1;
        found.extend(page.into_iter().map(|object| object.key));
    }
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!((pages, found), (3, expected));
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = Directory::open(&Env::real(), &directory.path().join("x")).err().unwrap();
    assert!(matches!(&error, StoreError::Denied(why) if why.contains("create it")), "{error}");
}

/// What is written in the run that a power cut ends, in the order of its answers.
async fn write(store: &dyn ObjectStore) -> Vec<(String, Bytes)> {
    let mut answered = Vec::new();
    for number in 0..3_u8 {
        let body = Bytes::from(vec![number; 700]);
        let key = format!("topics/{number}/a");
        if store.put(&key, vec![body.clone()]).await.is_ok() {
            answered.push((key, body.clone()));
        }
        let key = format!("topics/{number}/b");
        if store.create(&key, body.clone()).await == Ok(Created::Mine) {
            answered.push((key, body));
        }
    }
    let (sender, mut parts) = tokio::sync::mpsc::channel(2);
    let body = Bytes::from(vec![7; (1 << 20) + 10]);
    sender.send(Ok(body.clone())).await.unwrap();
    drop(sender);
    if store.put_large("topics/3/large", body.len() as u64, &mut parts).await.is_ok() {
        answered.push(("topics/3/large".to_owned(), body));
    }
    answered
}

/// A power cut at every operation: what was answered is there, and nothing is there in part.
#[tokio::test]
async fn after_a_power_cut_what_was_answered_is_there() {
    let root = Path::new("/bucket");
    let world_at = |crash_at: Option<u64>| {
        let world = SimulatedWorld::new(11);
        world.files.create_dir_all(root).unwrap();
        world.files.sync_dir(Path::new("/")).unwrap();
        let store = store(&world.env(), root);
        if let Some(operation) = crash_at {
            world.files.crash_at(operation);
        }
        (world, store)
    };
    let (world, whole) = world_at(None);
    assert_eq!(write(&*whole).await.len(), 7);
    let operations = world.files.operations();
    assert!(operations > 30, "{operations}");
    for crash_at in 3..operations {
        let (world, store_before) = world_at(Some(crash_at));
        let answered = write(&*store_before).await;
        for plan in CrashPlan::all(crash_at, 3) {
            let after = world.after_crash(plan);
            // A directory that came to nothing is made again by whoever starts.
            after.files.create_dir_all(root).unwrap();
            let store_after = store(&after.env(), root);
            for (key, body) in &answered {
                let there = store_after.get(key, None).await.map(|body| body.whole(2 << 20));
                let there = there.unwrap_or_else(|error| panic!("{crash_at} {plan:?}: {error}")).await;
                assert!(there.unwrap() == *body, "{key} at {crash_at} {plan:?}");
            }
            whole_or_absent(&*store_after).await;
        }
        // Killed there, and started again: what the second one is told is there must not go with the power.
        let killed = world.after_kill();
        let answered = write(&*store(&killed.env(), root)).await;
        assert_eq!(answered.len(), 7, "{crash_at}");
        let after = killed.after_crash(CrashPlan::DropUnsynced);
        let store_after = store(&after.env(), root);
        for (key, body) in &answered {
            let size = store_after.size(key).await.unwrap();
            assert_eq!(size, Some(body.len() as u64), "{key} killed at {crash_at}");
        }
    }
}

async fn whole_or_absent(store: &dyn ObjectStore) {
    let mut listing = store.list("topics");
    while let Some(page) = listing.next_page().await.unwrap() {
        for object in page {
            let expected = if object.key.ends_with("large") { (1 << 20) + 10 } else { 700 };
            assert_eq!(object.bytes, expected, "{}", object.key);
        }
    }
}

/// A name that is seen and could not be synced is no answer.
#[tokio::test]
async fn after_a_failed_sync_nothing_is_said_to_be_there() {
    let root = Path::new("/bucket");
    let world = SimulatedWorld::new(1);
    world.files.create_dir_all(root).unwrap();
    let store = store(&world.env(), root);
    store.put("a/b", vec![]).await.unwrap();
    world.files.inject(Fault::new(Operation::SyncDirectory, "/bucket/a", 0));
    let unknown = store.create("a/c", Bytes::from_static(b"x")).await;
    assert!(matches!(unknown, Err(StoreError::Denied(_))), "{unknown:?}");
    assert!(matches!(store.size("a/b").await, Err(StoreError::Denied(_))));
}
