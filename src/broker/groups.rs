//! Where groups live: `__consumer_offsets`, and the coordinators of its partitions.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::coordinators::{CoordinatorTopic, lanes};
use super::{Broker, TopicError};
use crate::config::{ConsumerOverrides, ServerConfig};
use crate::coordinator::{
    Asked, Beside, Coordinator, CoordinatorError, EndedTransaction, GroupAsk, Surroundings, TransactionPass,
    World, WriteRules,
};
use crate::env::Env;
use crate::group::{
    Assignor, Caller, DeletedTopic, GroupOverrides, GroupRecord, GroupReply, GroupRequest, GroupSettings,
    GroupShard, MigrationPolicy,
};
use crate::metadata::{GroupConfigs, TopicImage};
use crate::model::{Timestamp, TopicPartition};
use crate::partition::{Storage, TransactionMarker};
use crate::protocol::batch::{Attributes, CompressionType};

/// The topic that holds groups and their offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The coordinators of all groups.
pub(super) struct Groups(Coordinator<GroupShard>);

impl Groups {
    pub(super) fn new(
        env: &Env,
        storage: &Arc<Storage>,
        config: &ServerConfig,
        broker: Weak<Broker>,
    ) -> Groups {
        let settings = Mutex::new(Newest {
            config: Arc::new(config.clone()),
            overrides: Arc::default(),
            settings: Arc::new(group_settings(config, &GroupConfigs::new())),
        });
        let world = GroupWorld { broker, settings };
        Groups(Coordinator::new(env.clone(), storage.clone(), world, lanes()))
    }

    /// Offsets of a topic go with it: another one of that name must not inherit them.
    pub(super) fn topic_deleted(&self, topic: &TopicImage, deleted_at: Timestamp) {
        let (name, topic_id) = (topic.name.clone(), topic.topic_id);
        self.0.notify(&[DeletedTopic { name, topic_id, deleted_at }].into());
    }

    pub(super) fn close(&self) {
        self.0.close();
    }

    /// Ends a producer's transaction in a partition that holds groups, as [`Coordinator::end_transaction`].
    pub(super) fn end_transaction(
        &self,
        partition: TopicPartition,
        marker: TransactionMarker,
        beside: Beside,
    ) -> Result<impl Future<Output = EndedTransaction> + use<>, CoordinatorError> {
        self.0.end_transaction(partition, marker, beside)
    }
}

/// What shards of groups are told of the broker.
struct GroupWorld {
    broker: Weak<Broker>,
    settings: Mutex<Newest>,
}

/// The newest settings, and what they were computed from.
struct Newest {
    config: Arc<ServerConfig>,
    overrides: Arc<GroupConfigs>,
    settings: Arc<GroupSettings>,
}

impl GroupWorld {
    fn settings(&self, config: &Arc<ServerConfig>, overrides: &Arc<GroupConfigs>) -> Arc<GroupSettings> {
        let mut newest = self.settings.lock();
        if !Arc::ptr_eq(&newest.config, config) || !Arc::ptr_eq(&newest.overrides, overrides) {
            let settings = Arc::new(group_settings(config, overrides));
            *newest = Newest { config: config.clone(), overrides: overrides.clone(), settings };
        }
        newest.settings.clone()
    }
}

impl World<GroupShard> for GroupWorld {
    fn perform(&self, _: TopicPartition, effect: Infallible) {
        match effect {}
    }

    fn look(&self) -> Option<Surroundings<GroupSettings>> {
        let broker = self.broker.upgrade()?;
        let (image, config) = (broker.image(), broker.config());
        let groups = &config.groups;
        let rules = WriteRules {
            // Kafka's numbers of codecs are those of batches.
            compression: Attributes(groups.topic_codec.into()).compression().unwrap_or(CompressionType::None),
            batch_bytes_max: broker.batch_bytes_max(&image, OFFSETS_TOPIC),
            timeout: groups.commit_timeout,
            load_bytes: groups.load_bytes.into(),
            expiry_interval: groups.retention_check_interval,
        };
        let settings = self.settings(&config, image.group_configs());
        Some(Surroundings { settings, image, rules })
    }
}

fn group_settings(config: &ServerConfig, overrides: &GroupConfigs) -> GroupSettings {
    let groups = &config.groups;
    // Names that `config` has checked.
    let assignors = groups.consumer.assignors.iter().filter_map(|name| Assignor::from_name(name));
    let policies = MigrationPolicy::ALL.into_iter();
    let policy = policies.into_iter().find(|(_, name)| *name == groups.consumer.migration_policy);
    GroupSettings {
        group_min_session_timeout: groups.session_timeout_min,
        group_max_session_timeout: groups.session_timeout_max,
        group_initial_rebalance_delay: groups.initial_rebalance_delay,
        group_max_size: groups.members_max,
        offset_metadata_max_bytes: groups.metadata_bytes_max,
        offsets_retention: groups.offsets_retention,
        consumer_group_session_timeout: groups.consumer.session_timeout,
        consumer_group_heartbeat_interval: groups.consumer.heartbeat_interval,
        consumer_group_assignment_interval: groups.consumer.assignment_interval,
        consumer_group_max_size: groups.consumer.members_max,
        consumer_assignors: assignors.collect(),
        migration_policy: policy.map(|(policy, _)| policy).unwrap_or_default(),
        broker_rack: config.rack.as_deref().map(Into::into),
        overrides: group_overrides(config, overrides),
        ..GroupSettings::default()
    }
}

/// Of the groups that have any that count here.
fn group_overrides(config: &ServerConfig, stored: &GroupConfigs) -> BTreeMap<Arc<str>, GroupOverrides> {
    let overrides = stored.iter().map(|(group_id, stored)| {
        let set = ConsumerOverrides::effective(stored, &config.settings);
        let overrides = GroupOverrides {
            consumer_session_timeout: set.session_timeout,
            consumer_heartbeat_interval: set.heartbeat_interval,
            consumer_assignment_interval: set.assignment_interval,
        };
        (group_id.clone(), overrides)
    });
    overrides.filter(|(_, overrides)| *overrides != GroupOverrides::default()).collect()
}

impl Broker {
    /// Makes the topic that holds groups, unless it exists.
    pub async fn ensure_offsets_topic(&self) -> Result<Arc<TopicImage>, TopicError> {
        let config = self.config();
        self.ensure_coordinator_topic(CoordinatorTopic {
            name: OFFSETS_TOPIC,
            partitions: config.groups.topic_partitions,
            replication_factor: config.groups.topic_replication_factor,
            compression: "producer",
            segment_bytes: config.groups.topic_segment_bytes,
        })
        .await
    }

    /// Runs the coordinators of all partitions that are open. Does nothing for those that run.
    pub(super) fn lead_groups(&self) {
        self.lead(&self.groups.0, OFFSETS_TOPIC);
    }

    /// The partition that holds a group; `None` before there is any.
    pub fn group_partition(&self, group_id: &str) -> Option<TopicPartition> {
        self.partition_of_key(OFFSETS_TOPIC, group_id)
    }

    /// Hands a request to a group's coordinator. Requests of one caller reach it in the order of these calls.
    pub fn ask_group(
        &self,
        group_id: &str,
        caller: Caller,
        request: GroupRequest,
    ) -> Result<Asked<GroupReply>, CoordinatorError> {
        let partition = self.group_partition(group_id).ok_or(CoordinatorError::NotCoordinator)?;
        self.groups.0.ask(partition, GroupAsk { caller, request, pass: None })
    }

    /// The same as part of a producer's transaction.
    pub fn ask_group_in_transaction(
        &self,
        partition: TopicPartition,
        caller: Caller,
        request: GroupRequest,
        pass: TransactionPass,
    ) -> Result<Asked<GroupReply>, CoordinatorError> {
        self.groups.0.ask(partition, GroupAsk { caller, request, pass: Some(pass) })
    }

    /// Shows each coordinator's groups as they are now, committed or not; none of those that are loading.
    pub fn look_at_groups(&self, look: impl FnMut(&GroupShard)) {
        self.groups.0.look_at_all(look);
    }

    /// What groups of a partition have committed, as records of its log. `None`: it is not loaded.
    ///
    /// The shard is held up for as long as it takes to copy them, which share their texts; a million are some
    /// tenths of a second.
    pub(super) fn committed_offsets(&self, partition: TopicPartition) -> Option<Vec<GroupRecord>> {
        self.groups.0.look(partition, |shard| {
            let mut records = Vec::new();
            shard.visit_offsets(&mut |record| records.push(record));
            records
        })
    }

    /// Rebalances of classic groups that came to their end, since the start.
    pub fn completed_rebalances(&self) -> u64 {
        self.groups.0.counted()
    }

    /// Hands a request to the coordinators of all groups that run here.
    pub fn ask_all_groups(
        &self,
        caller: &Caller,
        request: &GroupRequest,
    ) -> Vec<Result<Asked<GroupReply>, CoordinatorError>> {
        self.groups.0.ask_all(|| GroupAsk { caller: caller.clone(), request: request.clone(), pass: None })
    }
}
