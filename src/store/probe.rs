//! Whether a store keeps what everything stands on: of creates that race, one wins.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Created, ObjectStore, StoreError};
use crate::env::Random;

/// Creates that race for one key.
const RACERS: u8 = 6;

/// Makes some creates race, in the folder `probe`, and removes what they made. To be done at a start, before
/// anything is trusted to the store. `Denied` where the store does not keep it, or lets us not in.
pub async fn probe(store: &Arc<dyn ObjectStore>, random: &dyn Random) -> Result<(), StoreError> {
    let key = format!("probe/{}", random.uuid().simple());
    let body = |racer: u8| Bytes::from(format!("{} {racer}", random.uuid().simple()));
    let bodies: Vec<Bytes> = (0..RACERS).map(body).collect();
    let creates = bodies.iter().map(|body| store.create(&key, body.clone()));
    let results = join_all(creates).await;
    let judged = judge(&bodies, results);
    // Also of a race that went wrong.
    let removed = store.delete(std::slice::from_ref(&key)).await;
    judged.and(removed)
}

fn judge(bodies: &[Bytes], results: Vec<Result<Created, StoreError>>) -> Result<(), StoreError> {
    let results = results.into_iter().collect::<Result<Vec<Created>, StoreError>>()?;
    let winners: Vec<&Bytes> = bodies
        .iter()
        .zip(&results)
        .filter_map(|(body, created)| (*created == Created::Mine).then_some(body))
        .collect();
    let [winner] = winners[..] else {
        return Err(broken(&format!("of {RACERS} creates of one object {} succeeded", winners.len())));
    };
    let told_wrong =
        results.iter().any(|created| matches!(created, Created::Taken(there) if there != winner));
    match told_wrong {
        true => Err(broken("a create that lost was shown another object than the winner's")),
        false => Ok(()),
    }
}

fn broken(why: &str) -> StoreError {
    StoreError::Denied(format!(
        "{why}: this store does not create an object only if it is absent (If-None-Match), and what would be \
         kept there could be lost"
    ))
}
