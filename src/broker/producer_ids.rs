//! Producer ids, given out from blocks that are durable before their first id leaves.

use tokio::sync::Mutex;

use super::Broker;
use crate::cluster::{Change, Compare, MetadataError, MetadataStore, Transaction};
use crate::metadata::keys;
use crate::model::ProducerId;

/// Ids per block, as Kafka's `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`: a restart skips at most so many.
const BLOCK_SIZE: i64 = 1000;

#[derive(Default)]
pub(super) struct ProducerIds {
    block: Mutex<std::ops::Range<i64>>,
}

impl Broker {
    /// An id that no producer has had and none will have, across restarts.
    pub async fn allocate_producer_id(&self) -> Result<ProducerId, MetadataError> {
        let mut block = self.producer_ids.block.lock().await;
        if block.is_empty() {
            *block = self.claim_block().await?;
        }
        let id = block.start;
        block.start += 1;
        Ok(ProducerId(id))
    }

    /// Claims a block durably. Ids of a block whose claim was lost in a crash were never given out.
    async fn claim_block(&self) -> Result<std::ops::Range<i64>, MetadataError> {
        let key = keys::PRODUCER_IDS.to_owned();
        let current = self.metadata.get(&key);
        let start = current.as_ref().and_then(|current| keys::parse_number(&current.value)).unwrap_or(0);
        let compare = match current {
            Some(current) => Compare::Unchanged(key.clone(), current.revision),
            None => Compare::Absent(key.clone()),
        };
        let end = start + BLOCK_SIZE;
        let change = Change::Put(key, end.to_string().into_bytes());
        self.metadata.transact(Transaction { compares: vec![compare], changes: vec![change] }).await?;
        Ok(start..end)
    }
}
