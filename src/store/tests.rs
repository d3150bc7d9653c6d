mod create;
mod open;
mod requests;

use std::sync::Arc;

use super::simulated::{FaultRates, SimulatedBucket};
use super::{ObjectStore, StoreError, conformance, probe};
use crate::env::Env;
use crate::env::simulated::SimulatedWorld;

/// A bucket, a store over it, and their world.
struct Simulated {
    bucket: SimulatedBucket,
    store: Arc<dyn ObjectStore>,
    env: Env,
}

fn simulated(seed: u64) -> Simulated {
    let env = SimulatedWorld::new(seed).env();
    let bucket = SimulatedBucket::new(Arc::clone(&env.clock), seed);
    let store = bucket.open(&env);
    Simulated { bucket, store, env }
}

pub(super) async fn conforms(store: &Arc<dyn ObjectStore>, env: &Env, large_bytes: usize) {
    let checked = conformance::check(store, env.random.as_ref(), large_bytes).await;
    let failed: Vec<_> = checked.iter().filter(|checked| checked.result.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(checked.len() >= 10);
}

#[tokio::test]
async fn the_simulated_store_conforms() {
    let simulated = simulated(1);
    conforms(&simulated.store, &simulated.env, 3_500_000).await;
    assert_eq!(simulated.bucket.uploads_open(), 0);
}

#[tokio::test]
async fn it_conforms_under_faults() {
    for seed in 0..8 {
        let simulated = simulated(seed);
        simulated.bucket.set_rates(FaultRates::rough());
        println!("seed {seed}");
        conforms(&simulated.store, &simulated.env, 1_200_000).await;
    }
}

#[tokio::test]
async fn a_start_probes_and_leaves_nothing() {
    let simulated = simulated(5);
    for rates in [FaultRates::default(), FaultRates::rough()] {
        simulated.bucket.set_rates(rates);
        assert_eq!(probe(&simulated.store, simulated.env.random.as_ref()).await, Ok(()));
        assert_eq!(simulated.bucket.keys(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_store_that_overwrites_is_found_out() {
    let simulated = simulated(5);
    simulated.bucket.set_overwrites(true);
    let broken = probe(&simulated.store, simulated.env.random.as_ref()).await.unwrap_err();
    assert!(matches!(&broken, StoreError::Denied(why) if why.contains("If-None-Match")), "{broken}");
    let checked = conformance::check(&simulated.store, simulated.env.random.as_ref(), 100).await;
    let failed = checked.iter().filter(|checked| checked.result.is_err());
    assert!(failed.clone().any(|checked| checked.name.contains("race")), "{checked:#?}");
}
