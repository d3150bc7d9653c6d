//! What a restored node begins with, put into the bucket before it exists: whoever is restored after it must
//! skip what it may have given out, also where it is lost before its own first catalogue.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RestoreError;
use super::ends::RestoredPartition;
use super::known::Known;
use crate::env::Env;
use crate::metadata::keys;
use crate::model::{Offset, TransactionResult};
use crate::store::ObjectStore;
use crate::tier::{
    CatalogueDraft, CatalogueKind, CatalogueStamp, CatalogueWriter, CataloguedPartition, Owner,
};

/// Puts a catalogue of the new owner's.
pub(super) async fn put(
    env: &Env,
    store: &Arc<dyn ObjectStore>,
    owner: &Owner,
    known: &Known,
    (metadata, partitions): (&BTreeMap<String, Vec<u8>>, &[RestoredPartition]),
) -> Result<(), RestoreError> {
    let mut writer = CatalogueWriter::new(store.clone(), env.random.clone());
    writer.open().await?;
    let mut draft = CatalogueDraft::default();
    for (key, value) in metadata.iter().filter(|(key, _)| *key != keys::TIER_OWNER) {
        writer.add(&mut draft, CatalogueKind::Metadata, key.as_bytes(), value).await?;
    }
    for partition in partitions {
        let key = CataloguedPartition::key(partition.id);
        writer.add(&mut draft, CatalogueKind::Partitions, &key, &catalogued(partition).encode()).await?;
    }
    // As they are: nobody has committed anything since.
    for chunk in &known.offsets {
        writer.keep(&mut draft, *chunk).await?;
    }
    let stamp = CatalogueStamp {
        owner: owner.number,
        taken_at: env.clock.now(),
        node_id: owner.node_id,
        cluster_id: owner.cluster_id.clone(),
    };
    writer.finish(draft, &stamp).await?;
    Ok(())
}

fn catalogued(partition: &RestoredPartition) -> CataloguedPartition {
    let aborted = partition.ended.iter().filter(|ended| ended.result == TransactionResult::Abort);
    let catalogued = CataloguedPartition {
        leader_epoch: partition.leader_epoch,
        log_start_offset: partition.log_start_offset,
        log_end_offset: partition.log_end_offset,
        remote_end_offset: partition.tier.map_or(Offset(0), |tier| tier.remote_end_offset),
        aborted: aborted.map(|ended| (ended.producer_id, ended.first_offset)).collect(),
        aborted_are_all: true,
    };
    catalogued.within_bounds()
}
