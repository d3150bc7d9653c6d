use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use uuid::Uuid;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::directory::{BrokerDirectory, DirectoryError};
use super::durability::{Progress, StorageFailed};
use crate::env::simulated::SimulatedWorld;
use crate::env::{Files, OpenMode};
use crate::model::{NodeId, Offset, Timestamp, TopicId, TopicPartition};
use crate::wal::{Lsn, ReplayStart};

fn checkpoint(sequence: u64) -> Checkpoint {
    let topic_partition = TopicPartition { topic_id: TopicId(Uuid::from_u128(9)), partition: 3 };
    Checkpoint {
        sequence,
        replay_start: ReplayStart {
            wal_id: Uuid::from_u128(5),
            incarnation: 2,
            lsn: Lsn(8192),
            previous_crc: 77,
        },
        believed_now: Timestamp(1_700_000_000_000),
        metadata: b"catalogue".to_vec(),
        recovery_offsets: HashMap::from([(topic_partition, Offset(41))]),
    }
}

#[test]
fn a_checkpoint_is_read_back_from_either_copy() {
    let root = Path::new("/data");
    for damaged in ["checkpoint.0", "checkpoint.1"] {
        let world = SimulatedWorld::new(1);
        world.files.create_dir_all(root).unwrap();
        assert_eq!(Checkpoint::load(&world.files, root).unwrap(), None);
        checkpoint(7).store(&world.files, root).unwrap();
        world.files.flip_bit(&root.join(damaged), 20, 1).unwrap();
        assert_eq!(Checkpoint::load(&world.files, root).unwrap(), Some(checkpoint(7)));
    }
}

#[test]
fn the_newer_copy_wins_and_two_damaged_ones_refuse() {
    let (world, root) = (SimulatedWorld::new(1), Path::new("/data"));
    world.files.create_dir_all(root).unwrap();
    checkpoint(1).store(&world.files, root).unwrap();
    let old = world.files.read(&root.join("checkpoint.1"), 1 << 20).unwrap();
    checkpoint(2).store(&world.files, root).unwrap();
    world.files.replace(&root.join("checkpoint.1"), &old).unwrap();
    assert_eq!(Checkpoint::load(&world.files, root).unwrap(), Some(checkpoint(2)));
    for (name, bit) in [("checkpoint.0", 3), ("checkpoint.1", 4)] {
        world.files.flip_bit(&root.join(name), 30, bit).unwrap();
    }
    assert!(matches!(Checkpoint::load(&world.files, root), Err(CheckpointError::Damaged { .. })));
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_found() {
    let root = Path::new("/data");
    let world = SimulatedWorld::new(1);
    world.files.create_dir_all(root).unwrap();
    checkpoint(1).store(&world.files, root).unwrap();
    let length = world.files.read(&root.join("checkpoint.0"), 1 << 20).unwrap().len() as u64;
    for offset in 0..length {
        let world = SimulatedWorld::new(1);
        world.files.create_dir_all(root).unwrap();
        checkpoint(1).store(&world.files, root).unwrap();
        world.files.flip_bit(&root.join("checkpoint.0"), offset, 5).unwrap();
        world.files.flip_bit(&root.join("checkpoint.1"), offset, 5).unwrap();
        assert!(Checkpoint::load(&world.files, root).is_err(), "byte {offset}");
    }
}

#[test]
fn a_directory_keeps_its_cluster_and_refuses_others() {
    let (world, root) = (SimulatedWorld::new(1), Path::new("/data"));
    let env = world.env();
    let first = BrokerDirectory::open(&env, root, NodeId(1), None).unwrap();
    let cluster_id = first.cluster_id.clone();
    assert_eq!(cluster_id.len(), 22);
    assert!(matches!(BrokerDirectory::open(&env, root, NodeId(1), None), Err(DirectoryError::InUse(_))));
    drop(first);

    let again = BrokerDirectory::open(&env, root, NodeId(1), Some(&cluster_id)).unwrap();
    assert_eq!(again.cluster_id, cluster_id);
    drop(again);
    for (node_id, wanted, what) in [(2, None, "node"), (1, Some("AAAAAAAAAAAAAAAAAAAAAA"), "cluster")] {
        match BrokerDirectory::open(&env, root, NodeId(node_id), wanted) {
            Err(DirectoryError::Foreign { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {:?}", other.err()),
        }
    }
}

#[test]
fn a_newer_or_damaged_directory_is_refused_with_words() {
    let cases = [
        ("highwater.format.version=1\n", "highwater.format.version=2\n", "use the newer one"),
        ("highwater.format.version=1\n", "", "highwater.format.version is missing"),
        ("highwater.format.version=1\n", "highwater.format.version=x\n", "highwater.format.version=x"),
        ("cluster.id=", "cluster=", "cluster.id is missing"),
    ];
    for (from, to, words) in cases {
        let (world, root) = (SimulatedWorld::new(1), Path::new("/data"));
        drop(BrokerDirectory::open(&world.env(), root, NodeId(1), None).unwrap());
        let path = root.join("meta.properties");
        let text = String::from_utf8(world.files.read(&path, 1 << 16).unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        world.files.replace(&path, text.replace(from, to).as_bytes()).unwrap();
        let error =
            BrokerDirectory::open(&world.env(), root, NodeId(1), None).err().expect("refused").to_string();
        assert!(error.contains(words), "{error}");
        assert!(world.files.open(&path, OpenMode::Read).is_ok());
    }
}

#[tokio::test]
async fn who_waits_hears_of_progress_or_of_the_end() {
    let progress = Progress::starting_at(Lsn(10));
    assert_eq!(progress.passed(Lsn(9)).await, Ok(()));
    progress.advance(Lsn(20));
    progress.advance(Lsn(15));
    assert_eq!(progress.position(), Ok(Lsn(20)));
    assert_eq!(progress.passed(Lsn(19)).await, Ok(()));

    let failure = StorageFailed("the disk is gone".to_owned());
    let waiting = progress.passed(Lsn(20));
    let failing = async {
        progress.fail(&failure);
        progress.advance(Lsn(30));
    };
    assert_eq!(tokio::join!(waiting, failing).0, Err(failure.clone()));
    assert_eq!(progress.failed().await, failure);
}

#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_step_wakes_those_whose_entry_it_passes_and_nobody_else() {
    let progress = Progress::starting_at(Lsn(10));
    let [near, far, end] = [(); 3].map(|()| Arc::new(Wakes::default()));
    let [near_waker, far_waker, end_waker] = [&near, &far, &end].map(|wakes| Waker::from(wakes.clone()));
    let (mut near_future, mut far_future) = (pin!(progress.passed(Lsn(10))), pin!(progress.passed(Lsn(20))));
    let mut end_future = pin!(progress.failed());
    assert!(near_future.as_mut().poll(&mut Context::from_waker(&near_waker)).is_pending());
    assert!(far_future.as_mut().poll(&mut Context::from_waker(&far_waker)).is_pending());
    assert!(end_future.as_mut().poll(&mut Context::from_waker(&end_waker)).is_pending());

    progress.advance(Lsn(20));
    assert_eq!((near.count(), far.count(), end.count()), (1, 0, 0));
    assert_eq!(near_future.as_mut().poll(&mut Context::from_waker(&near_waker)), Poll::Ready(Ok(())));

    progress.fail(&StorageFailed("the disk is gone".to_owned()));
    assert_eq!((near.count(), far.count(), end.count()), (1, 1, 1));
    assert!(matches!(
        far_future.as_mut().poll(&mut Context::from_waker(&far_waker)),
        Poll::Ready(Err(StorageFailed(_)))
    ));
}

#[test]
fn who_waits_no_longer_is_forgotten_and_a_second_waker_replaces_the_first() {
    let progress = Progress::starting_at(Lsn(10));
    let [first, second] = [(); 2].map(|()| Arc::new(Wakes::default()));
    {
        let mut future = pin!(progress.passed(Lsn(10)));
        for wakes in [&first, &second, &second] {
            let waker = Waker::from(wakes.clone());
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(progress.waiting_count(), 1);
        }
        progress.advance(Lsn(11));
        assert_eq!((first.count(), second.count(), progress.waiting_count()), (0, 1, 0));
    }
    let waker = Waker::from(first.clone());
    let mut abandoned = Box::pin(progress.passed(Lsn(30)));
    assert!(abandoned.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(abandoned);
    assert_eq!(progress.waiting_count(), 0);
}
