use super::*;
use crate::env::Env;
use crate::env::simulated::SimulatedWorld;
use crate::model::{NodeId, Timestamp};
use crate::store::Operation;
use crate::store::simulated::SimulatedBucket;
use crate::tier::Nonce;

struct Case {
    world: SimulatedWorld,
    bucket: SimulatedBucket,
    owned: OwnedStore,
}

fn case() -> Case {
    let world = SimulatedWorld::new(1);
    let bucket = SimulatedBucket::new(world.clock.clone(), 1);
    let env: Env = world.env();
    let store = bucket.open(&env);
    let ownership = Arc::new(Ownership::new(store.clone(), env.clock));
    Case { world, bucket, owned: OwnedStore { store, ownership } }
}

fn owner(number: u64) -> Owner {
    let nonce = Nonce([number as u8; 16]);
    Owner { number, nonce, node_id: NodeId(1), since: Timestamp(5), cluster_id: format!("cluster {number}") }
}

async fn owned() -> Case {
    let case = case();
    assert_eq!(case.owned.ownership.create(&owner(1)).await, Ok(None));
    case.owned.ownership.confirmed(1);
    case
}

async fn writes(store: &OwnedStore) -> [Result<(), StoreError>; 3] {
    let body = Bytes::from_static(b"x");
    [
        store.put("a/b", vec![body.clone()]).await,
        store.create("a/c", body).await.map(|_| ()),
        store.delete(&["a/d".to_owned()]).await,
    ]
}

#[tokio::test]
async fn nothing_is_written_before_it_is_known_whose_the_bucket_is() {
    let Case { bucket, owned, .. } = case();
    for result in writes(&owned).await {
        assert!(result.is_err_and(|error| error.is_transient()));
    }
    assert_eq!(bucket.keys(), Vec::<String>::new());
    assert_eq!(owned.ownership.highest().await, Ok(None));
}

#[tokio::test]
async fn an_answer_counts_for_ten_seconds_and_one_is_needed() {
    let Case { world, bucket, owned } = owned().await;
    for result in writes(&owned).await {
        assert_eq!(result, Ok(()));
    }
    assert_eq!(bucket.requests(Operation::Get), 1, "one answer for all");
    world.clock.advance(OWNERSHIP_AGE_MAX - Duration::from_millis(1));
    assert_eq!(owned.ownership.check().await, Ok(()));
    assert_eq!(bucket.requests(Operation::Get), 1);
    world.clock.advance(Duration::from_millis(1));
    let puts = bucket.requests(Operation::Put);
    bucket.set_away(true);
    for result in writes(&owned).await {
        assert!(result.is_err_and(|error| error.is_transient()), "no answer, no write");
    }
    assert_eq!(bucket.requests(Operation::Put), puts, "not even asked for");
    bucket.set_away(false);
    assert_eq!(owned.ownership.check().await, Ok(()));
}

#[tokio::test]
async fn whoever_was_followed_writes_nothing_more() {
    let Case { world, bucket, owned } = owned().await;
    assert_eq!(owned.ownership.check().await, Ok(()));
    assert_eq!(create_owner(&*owned.store, &owner(2)).await, Ok(None));
    assert_eq!(create_owner(&*owned.store, &owner(3)).await, Ok(None));
    world.clock.advance(OWNERSHIP_AGE_MAX);
    for result in writes(&owned).await {
        let Err(StoreError::Denied(why)) = result else { panic!("{result:?}") };
        assert!(why.contains("taken over by owner 2: node 1 of cluster cluster 2"), "{why}");
    }
    assert!(bucket.keys().iter().all(|key| key.starts_with("owner/")), "{:?}", bucket.keys());
    assert!(owned.ownership.lost().await.contains("this broker was owner 1"));
    assert_eq!(owned.ownership.highest().await.unwrap().unwrap(), owner(3));
    // For good: also where the object is gone again.
    bucket.remove_object(&Owner::key_of(2));
    assert!(owned.ownership.check().await.is_err());
}

#[tokio::test]
async fn a_number_is_taken_once() {
    let Case { owned, .. } = owned().await;
    let other = Owner { nonce: Nonce([7; 16]), ..owner(1) };
    assert_eq!(owned.ownership.create(&other).await, Ok(Some(owner(1))));
    assert_eq!(owned.ownership.create(&owner(1)).await, Ok(None), "one's own may be asked for again");
}

#[tokio::test]
async fn a_damaged_owner_is_an_error_and_not_nobody() {
    let Case { bucket, owned, .. } = owned().await;
    bucket.set_object(&Owner::key_of(1), "something else");
    assert!(owned.ownership.highest().await.is_err_and(|error| error.is_damage()));
    bucket.set_object("owner/1.owner", "another's");
    bucket.remove_object(&Owner::key_of(1));
    assert_eq!(owned.ownership.highest().await, Ok(None), "keys of another spelling are none of ours");
}
