use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::testing::{
    bucket, bucket_tier, bucket_tier_at, open_with, segments, small_config, tiered_topic,
};
use crate::broker::{Broker, TierOwnerError};
use crate::cluster::{Change, MetadataStore, Transaction};
use crate::env::simulated::{CrashPlan, SimulatedClock, SimulatedWorld};
use crate::env::{Env, time};
use crate::metadata::{TierOwner, keys};
use crate::model::{NodeId, Timestamp};
use crate::store::simulated::{Fault, SimulatedBucket, Strike};
use crate::store::{Operation, StoreError};
use crate::telemetry::Metrics;
use crate::tier::{Nonce, OWNERSHIP_AGE_MAX, Owner, TierError, create_owner};

/// The environment with a clock that stands still: for the tier alone.
fn still() -> (Env, Arc<SimulatedClock>) {
    let clock = Arc::new(SimulatedClock::default());
    (Env { clock: clock.clone(), ..Env::real() }, clock)
}

async fn open_at(directory: &Path, bucket: &SimulatedBucket, env: &Env) -> Arc<Broker> {
    let settings =
        [("highwater.tier.store", "file:///simulated"), ("remote.log.manager.task.interval.ms", "3600000")];
    open_with(directory, &settings, Some(bucket_tier_at(bucket, env).await))
}

async fn open(directory: &Path, bucket: &SimulatedBucket) -> Arc<Broker> {
    open_at(directory, bucket, &Env::real()).await
}

fn known(broker: &Broker) -> Option<TierOwner> {
    TierOwner::decode(&broker.metadata.get(keys::TIER_OWNER)?.value)
}

fn words(error: TierOwnerError) -> String {
    match error {
        TierOwnerError::Foreign(words) => words,
        other => panic!("{other:?}"),
    }
}

/// As a restore does.
async fn take_over(bucket: &SimulatedBucket, number: u64) {
    let owner = Owner {
        number,
        nonce: Nonce([8; 16]),
        node_id: NodeId(9),
        since: Timestamp(1),
        cluster_id: "another".to_owned(),
    };
    assert_eq!(create_owner(&*bucket.open(&Env::real()), &owner).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_nobodys_is_taken_and_known_again() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    for _ in 0..2 {
        let broker = open(directory.path(), &bucket).await;
        broker.own_tier().await.unwrap();
        assert_eq!(bucket.keys(), [Owner::key_of(1)]);
        let (known, object) = (known(&broker).unwrap(), bucket.object(&Owner::key_of(1)).unwrap());
        let owner = Owner::decode(&object, 1).unwrap();
        assert!(known.confirmed && owner.nonce.0 == *known.nonce.as_bytes());
        assert_eq!(owner.cluster_id, broker.cluster_id());
        broker.close().await.unwrap();
    }
}

/// Whatever the first request comes to, the next start finds itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_cut_off_leaves_nothing_that_it_does_not_know() {
    for fault in [Fault::Unavailable, Fault::LandsLate, Fault::Denied, Fault::Conflict] {
        let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
        bucket.strike(Strike::next(Operation::Create, fault).of(&Owner::key_of(1)).times(100));
        let broker = open(directory.path(), &bucket).await;
        // What lands late may be found there in time.
        let owns = broker.own_tier().await.is_ok();
        assert!(!owns || fault == Fault::LandsLate, "{fault:?}");
        assert_eq!(known(&broker).map(|known| known.confirmed), Some(owns), "{fault:?}");
        broker.close().await.unwrap();
        drop(broker);
        bucket.clear_faults();
        let broker = open(directory.path(), &bucket).await;
        broker.own_tier().await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(bucket.keys(), [Owner::key_of(1)]);
        broker.close().await.unwrap();
    }
}

/// A broker with `highwater.wal.sync=os` on a simulated disk.
async fn open_on(world: &SimulatedWorld, bucket: &SimulatedBucket) -> Arc<Broker> {
    let config = small_config(Path::new("/data"), [("highwater.tier.store", "file:///simulated")]);
    let (metrics, tier) = (Metrics::new(Timestamp(0), 100), bucket_tier(bucket).await);
    Broker::open_with(world.env(), config, metrics, Some(tier)).unwrap()
}

/// Also where nothing is promised of records: cut off anywhere, or just afterwards, the bucket is nobody's or
/// known as ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_the_first_start_leaves_no_bucket_that_nobody_knows() {
    for plan in CrashPlan::all(1, 1) {
        for point in 0.. {
            let (world, bucket) = (SimulatedWorld::new(point), bucket());
            let broker = open_on(&world, &bucket).await;
            world.files.crash_at(world.files.operations() + point);
            let owned = broker.own_tier().await;
            let is_over = !world.files.crashed();
            assert!(owned.is_ok() || !is_over, "{point}: {owned:?}");
            let left = world.after_crash(plan);
            let again = open_on(&left, &bucket).await;
            again.own_tier().await.unwrap_or_else(|error| panic!("{point}, {plan:?}: {error}"));
            assert_eq!(bucket.keys(), [Owner::key_of(1)]);
            again.close().await.unwrap();
            if is_over {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_bucket_is_refused_with_what_to_do() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    take_over(&bucket, 1).await;
    let broker = open(directory.path(), &bucket).await;
    let words = words(broker.own_tier().await.unwrap_err());
    assert!(words.contains("node 9 of cluster another") && words.contains("--take-over"), "{words}");
    assert_eq!(*broker.tier_lost().await, *words);
    broker.see_to_the_tier().await;
    assert_eq!(bucket.requests(Operation::Create), 1, "nothing is written, nor tried, but what took it over");
    assert_eq!(bucket.keys(), [Owner::key_of(1)]);
    broker.close().await.unwrap();
}

/// What nothing can be trusted to is not taken, and may be mended while the broker runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_not_taken() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &bucket).await;
    bucket.set_overwrites(true);
    let error = broker.own_tier().await.unwrap_err();
    let is_told = matches!(&error, TierOwnerError::Tier(TierError::Store(StoreError::Denied(why)))
        if why.contains("If-None-Match"));
    assert!(is_told, "{error:?}");
    assert_eq!(bucket.keys(), Vec::<String>::new());
    bucket.set_overwrites(false);
    broker.own_tier().await.unwrap();
    let creates = bucket.requests(Operation::Create);
    broker.own_tier().await.unwrap();
    assert_eq!(bucket.requests(Operation::Create), creates, "it is tried once");
    broker.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_followed_stops_and_does_not_start_again() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (env, clock) = still();
    let broker = open_at(directory.path(), &bucket, &env).await;
    broker.own_tier().await.unwrap();
    take_over(&bucket, 2).await;
    clock.advance(OWNERSHIP_AGE_MAX);
    let tiering = broker.tiering.as_ref().unwrap();
    tiering.ownership().check().await.unwrap_err();
    let why = time::timeout(Duration::from_secs(20), broker.tier_lost()).await.unwrap();
    assert!(why.contains("taken over by owner 2"), "{why}");
    broker.close().await.unwrap();
    drop(broker);
    let broker = open(directory.path(), &bucket).await;
    let creates = bucket.requests(Operation::Create);
    let words = words(broker.own_tier().await.unwrap_err());
    assert!(words.contains("was taken over") && words.contains("keep the directory"), "{words}");
    assert_eq!(bucket.requests(Operation::Create), creates, "nothing is written, nor tried");
    broker.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_is_no_other_one() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &bucket).await;
    bucket.set_away(true);
    let error = broker.own_tier().await.unwrap_err();
    assert!(matches!(&error, TierOwnerError::Tier(_)), "{error}");
    bucket.set_away(false);
    broker.own_tier().await.unwrap();
    broker.close().await.unwrap();
}

/// What was tiered before buckets had owners is not to be looked for in an empty one.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_what_was_tiered_is_not_taken() {
    let (directory, first, second) = (tempfile::tempdir().unwrap(), bucket(), bucket());
    let broker = open(directory.path(), &first).await;
    let partition = tiered_topic(&broker, "t").await;
    segments(&broker, &partition, 1).await;
    broker.see_to_the_tier().await;
    let forget = Change::Delete(keys::TIER_OWNER.to_owned());
    let forget = Transaction { compares: Vec::new(), changes: vec![forget] };
    broker.metadata.transact(forget).await.unwrap();
    first.remove_object(&Owner::key_of(1));
    broker.close().await.unwrap();
    drop((partition, broker));
    let broker = open(directory.path(), &second).await;
    let words = words(broker.own_tier().await.unwrap_err());
    assert!(words.contains("has no manifest of them"), "{words}");
    assert_eq!(second.keys(), Vec::<String>::new());
    broker.close().await.unwrap();
    drop(broker);
    let broker = open(directory.path(), &first).await;
    broker.own_tier().await.unwrap();
    assert!(first.keys().contains(&Owner::key_of(1)));
    broker.close().await.unwrap();
}

/// An empty bucket is taken instead of the former, as long as nothing is in that.
#[tokio::test(flavor = "multi_thread")]
async fn another_bucket_is_taken_where_nothing_is_in_the_former() {
    let (directory, first) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &first).await;
    broker.own_tier().await.unwrap();
    let before = known(&broker).unwrap();
    broker.close().await.unwrap();
    drop(broker);
    let second = bucket();
    let broker = open(directory.path(), &second).await;
    broker.own_tier().await.unwrap();
    assert_eq!(known(&broker).unwrap().nonce, before.nonce);
    assert_eq!(second.keys(), [Owner::key_of(1)]);
    broker.close().await.unwrap();
    drop(broker);
    // That was a mistake in the configuration.
    let broker = open(directory.path(), &first).await;
    broker.own_tier().await.unwrap();
    broker.close().await.unwrap();
}
