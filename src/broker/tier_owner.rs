//! Whose the bucket is: made sure of before anything is written there, and looked at now and then (ADR 33).

use std::sync::{Arc, Weak};

use uuid::Uuid;

use super::Broker;
use crate::cluster::{Change, Compare, MetadataError, MetadataStore, Transaction, Versioned};
use crate::env::time;
use crate::metadata::{TierOwner, keys};
use crate::model::{Offset, Timestamp};
use crate::store::StoreError;
use crate::tier::{Nonce, OWNERSHIP_AGE_MAX, ObjectKey, Owner, Ownership, TierError};

/// Why nothing is written to the bucket.
#[derive(Debug, thiserror::Error)]
pub enum TierOwnerError {
    /// It is somebody else's, or another one than it was: the broker must not go on with it (exit 78).
    #[error("{0}")]
    Foreign(String),
    /// It did not answer, or not sensibly. Asked again later.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// What this broker is cannot be remembered.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl From<StoreError> for TierOwnerError {
    fn from(error: StoreError) -> TierOwnerError {
        TierOwnerError::Tier(error.into())
    }
}

/// Manifests that are looked for before a bucket that nobody owns is taken for the one that holds them.
const MANIFESTS_ASKED_MAX: usize = 16;

/// Said to whoever starts a broker on somebody else's bucket.
const WHAT_TO_DO: &str = "choose another highwater.tier.store or another prefix in it; or, if that node is \
                          lost for good, have an empty one take its place: highwater restore --from STORE \
                          --take-over";

/// Asks until the broker is gone, as often as an answer counts: also who writes nothing is to stop.
pub(super) async fn run(broker: Weak<Broker>) {
    loop {
        time::sleep(OWNERSHIP_AGE_MAX).await;
        let Some(broker) = broker.upgrade() else { return };
        let Some(tiering) = &broker.tiering else { return };
        let asked = match tiering.ownership().number() {
            Some(_) => tiering.ownership().check().await.map_err(TierOwnerError::from),
            None => broker.own_tier().await,
        };
        if let Err(error) = asked {
            tracing::debug!(%error, "whose the bucket is was not told; asked again");
        }
    }
}

impl Broker {
    /// Waits until the bucket is somebody else's; why. Without one for ever.
    pub async fn tier_lost(&self) -> Arc<str> {
        match &self.tiering {
            Some(tiering) => tiering.ownership().lost().await,
            None => std::future::pending().await,
        }
    }

    /// Makes sure that the bucket is this broker's; takes one that was nobody's. Does nothing once that is
    /// known.
    ///
    /// The order: who we are survives a power cut here, whatever `highwater.wal.sync` is
    /// ([`MetadataStore::transact`]), before the object is created there. A crash in between leaves an object
    /// that we know as ours by its nonce, or none. The other way round, or with a record that only a process
    /// that is killed leaves behind, the bucket could be nobody's for ever: its owner would not know itself.
    /// The store is tried ([`Ownership::probe`]) when the bucket is known to be nobody else's, since that
    /// writes there, and before the first object that must not be overwritten.
    pub async fn own_tier(&self) -> Result<(), TierOwnerError> {
        let Some(tiering) = &self.tiering else { return Ok(()) };
        let ownership = tiering.ownership();
        if ownership.number().is_some() {
            return Ok(());
        }
        // Two at once would draw two nonces for one number.
        let _one_at_a_time = tiering.owning.lock().await;
        let owned = self.settle_owner(ownership).await;
        if let Err(TierOwnerError::Foreign(why)) = &owned {
            ownership.lose(why);
        }
        owned
    }

    async fn settle_owner(&self, ownership: &Ownership) -> Result<(), TierOwnerError> {
        if ownership.number().is_some() {
            return Ok(());
        }
        let stored = self.metadata.get(keys::TIER_OWNER);
        let known = stored.as_ref().and_then(|stored| TierOwner::decode(&stored.value));
        let highest = ownership.highest().await?;
        let is_missing = highest.is_none() && !self.holds_manifests().await?;
        let ours = match (known, highest) {
            (Some(known), Some(highest)) => self.still_ours(ownership, known, highest).await?,
            (None, Some(highest)) => {
                return Err(TierOwnerError::Foreign(format!(
                    "the bucket of highwater.tier.store is not this broker's ({highest}): {WHAT_TO_DO}"
                )));
            }
            (Some(known), None) if known.confirmed && self.needs_bucket() => {
                return Err(TierOwnerError::Foreign(
                    "older records of this broker are in a bucket, and highwater.tier.store names another \
                     one, which nobody owns: configure it as it was"
                        .to_owned(),
                ));
            }
            // Nothing is written there yet of the records that this broker wrote before buckets had owners.
            (_, None) if is_missing => {
                return Err(TierOwnerError::Foreign(
                    "older records of this broker are in a bucket, and the one of highwater.tier.store has \
                     no manifest of them: configure it as it was"
                        .to_owned(),
                ));
            }
            // One that no crash left half done: the bucket is another one, and nothing is in the former.
            (Some(known), None) if !known.confirmed => known,
            (known, None) => {
                // By the name that it had where it was: one start on another store must not forget who we
                // are.
                let former = known.filter(|known| known.number == 1).map(|known| known.nonce);
                let nonce = former.unwrap_or_else(|| Uuid::from_bytes(Nonce::draw(&*self.env.random).0));
                TierOwner { number: 1, nonce, since_ms: self.env.clock.now().0, confirmed: false }
            }
        };
        self.remember_owner(stored, ours).await?;
        ownership.probe(&*self.env.random).await?;
        self.create_owner(ownership, ours).await?;
        if !ours.confirmed {
            let stored = self.metadata.get(keys::TIER_OWNER);
            self.remember_owner(stored, TierOwner { confirmed: true, ..ours }).await?;
        }
        ownership.confirmed(ours.number);
        Ok(ownership.check().await?)
    }

    /// Whether what this broker was is what the bucket says.
    async fn still_ours(
        &self,
        ownership: &Ownership,
        known: TierOwner,
        highest: Owner,
    ) -> Result<TierOwner, TierOwnerError> {
        let words = match ownership.owner(known.number).await? {
            Some(owner) if owner.nonce.0 != *known.nonce.as_bytes() => {
                format!("the bucket of highwater.tier.store is not this broker's ({highest}): {WHAT_TO_DO}")
            }
            Some(_) if highest.number > known.number => format!(
                "the bucket of highwater.tier.store was taken over ({highest}); this broker was owner {}. \
                 What is on its disk and was not in the bucket is nowhere else: keep the directory, and \
                 start no broker on it",
                known.number
            ),
            Some(_) => return Ok(known),
            None => format!(
                "the bucket of highwater.tier.store has {highest}, and not owner {}, which this broker is: \
                 it is another bucket. Configure it as it was",
                known.number
            ),
        };
        Err(TierOwnerError::Foreign(words))
    }

    /// Whether anything of this broker's is in the bucket that it knew.
    fn needs_bucket(&self) -> bool {
        !self.manifests_needed(1).is_empty()
    }

    /// Some manifests that hold.
    fn manifests_needed(&self, count_max: usize) -> Vec<ObjectKey> {
        let image = self.metadata.image();
        let in_tier = |id| {
            let record = image.tier(id).filter(|record| record.remote_end_offset > Offset(0))?;
            Some(ObjectKey::Root(id, record.manifest))
        };
        let ids = image.topics().flat_map(|topic| topic.topic_partitions());
        ids.filter_map(in_tier).take(count_max).collect()
    }

    /// Whether the bucket has what this broker has in one: any of some manifests, or there is none.
    async fn holds_manifests(&self) -> Result<bool, TierOwnerError> {
        let Some(tiering) = &self.tiering else { return Ok(true) };
        let needed = self.manifests_needed(MANIFESTS_ASKED_MAX);
        for key in &needed {
            if tiering.holds(&key.to_string()).await? {
                return Ok(true);
            }
        }
        Ok(needed.is_empty())
    }

    async fn create_owner(&self, ownership: &Ownership, ours: TierOwner) -> Result<(), TierOwnerError> {
        if ours.confirmed {
            return Ok(());
        }
        let owner = Owner {
            number: ours.number,
            nonce: Nonce(*ours.nonce.as_bytes()),
            node_id: self.node_id,
            since: Timestamp(ours.since_ms),
            cluster_id: self.cluster_id().to_owned(),
        };
        match ownership.create(&owner).await? {
            None => Ok(()),
            Some(taken) => Err(TierOwnerError::Foreign(format!(
                "somebody else took the bucket of highwater.tier.store at the same time ({taken}): \
                 {WHAT_TO_DO}"
            ))),
        }
    }

    /// Durably.
    async fn remember_owner(&self, stored: Option<Versioned>, ours: TierOwner) -> Result<(), MetadataError> {
        let (key, value) = (keys::TIER_OWNER.to_owned(), ours.encode());
        let compare = match stored {
            Some(stored) if stored.value == value => return Ok(()),
            Some(stored) => Compare::Unchanged(key.clone(), stored.revision),
            None => Compare::Absent(key.clone()),
        };
        let changes = vec![Change::Put(key, value)];
        self.metadata.transact(Transaction { compares: vec![compare], changes }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
