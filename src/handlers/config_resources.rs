//! What the requests about configurations share: types of resources, and how the two that alter them go about
//! it. Their checks, codes and words are Kafka 4.3's, measured.

use std::collections::{HashMap, HashSet};

use kafka_protocol::protocol::StrBytes;

use super::errors::KafkaError;
use super::exchange::Failure;
use super::{RequestContext, view};
use crate::broker::{ConfigAlteration, ConfigTarget, OPERATIONS_MAX};
use crate::config::{BrokerLevel, Operation, Operations};
use crate::metadata::validate_topic_name;
use crate::protocol::ErrorCode;

/// `resource_type` of topics.
pub(super) const TOPIC: i8 = 2;
/// `resource_type` of brokers.
pub(super) const BROKER: i8 = 4;
/// `resource_type` of a broker's loggers.
pub(super) const BROKER_LOGGER: i8 = 8;
/// `resource_type` of client metrics subscriptions (KIP-714).
pub(super) const CLIENT_METRICS: i8 = 16;
/// `resource_type` of groups (KIP-848).
pub(super) const GROUP: i8 = 32;

/// Resources of one request that are looked at, each of which may be answered with a sentence.
const RESOURCES_MAX: usize = 10_000;

/// `config_operation` by KIP-339.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// What is asked of one key; the legacy request can only set.
pub(super) struct AskedKey {
    pub(super) name: StrBytes,
    pub(super) operation: i8,
    pub(super) value: Option<StrBytes>,
}

impl AskedKey {
    pub(super) fn set(name: StrBytes, value: Option<StrBytes>) -> AskedKey {
        AskedKey { name, operation: SET, value }
    }
}

/// What is asked of one resource.
pub(super) struct Asked {
    pub(super) resource_type: i8,
    pub(super) resource_name: StrBytes,
    pub(super) keys: Vec<AskedKey>,
}

/// How the request asks.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Keys that are not named lose their values: the legacy request.
    pub(super) replace: bool,
    pub(super) validate_only: bool,
}

/// Alters what can be altered: an outcome for each resource, in order.
pub(super) async fn alter(
    context: &RequestContext,
    asked: &[Asked],
    manner: Manner,
) -> Vec<Result<(), Failure>> {
    let operations: usize = asked.iter().map(|resource| resource.keys.len()).sum();
    if asked.len() > RESOURCES_MAX || operations > OPERATIONS_MAX {
        // Without words: these would be longer than the request.
        return vec![Err(Failure::new(ErrorCode::PolicyViolation, "")); asked.len()];
    }
    let mut times: HashMap<(i8, &str), u32> = HashMap::new();
    asked.iter().for_each(|resource| *times.entry(resource.identity()).or_default() += 1);
    let planned: Vec<Result<Option<ConfigAlteration>, Failure>> = asked
        .iter()
        .map(|resource| match times[&resource.identity()] {
            1 => resource.plan(context, manner),
            _ => Err(Failure::new(ErrorCode::InvalidRequest, "Each resource must appear at most once.")),
        })
        .collect();
    let alterations: Vec<ConfigAlteration> = planned.iter().flatten().flatten().cloned().collect();
    let broker = context.broker.clone();
    let altered =
        view::to_the_end(async move { broker.alter_configs(&alterations, manner.validate_only).await });
    let mut altered = altered.await.into_iter();
    let outcome = |plan: Result<Option<ConfigAlteration>, Failure>| match plan? {
        Some(_) => altered.next().expect("an outcome for each").map_err(|error| error.failure()),
        None => Ok(()),
    };
    planned.into_iter().map(outcome).collect()
}

impl Asked {
    fn identity(&self) -> (i8, &str) {
        (self.resource_type, self.resource_name.as_str())
    }

    /// What is to be done; `None` if that is nothing.
    fn plan(&self, context: &RequestContext, manner: Manner) -> Result<Option<ConfigAlteration>, Failure> {
        self.check_keys()?;
        let target = match self.resource_type {
            TOPIC => ConfigTarget::Topic(self.topic()?),
            BROKER => ConfigTarget::Broker(self.broker_level(context)?),
            BROKER_LOGGER if !manner.replace => return self.check_logger(context).map(|()| None),
            GROUP => ConfigTarget::Group(self.group()?),
            CLIENT_METRICS => {
                let words = "Configurations of client metrics cannot be altered so far.";
                return Err(invalid(words));
            }
            unknown => return Err(invalid(format!("Unknown resource type {unknown}"))),
        };
        let operations = self.operations()?;
        Ok(Some(ConfigAlteration { target, operations, replace: manner.replace }))
    }

    fn check_keys(&self) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        if !self.keys.iter().all(|key| seen.insert(key.name.as_str())) {
            return Err(invalid("Error due to duplicate config keys"));
        }
        let is_null = |key: &&AskedKey| key.value.is_none() && key.operation != DELETE;
        let null: Vec<&str> = self.keys.iter().filter(is_null).map(|key| key.name.as_str()).collect();
        match null.as_slice() {
            [] => Ok(()),
            null => Err(invalid(format!("Null value not supported for : {}", null.join(", ")))),
        }
    }

    fn topic(&self) -> Result<String, Failure> {
        let name = self.resource_name.as_str();
        if name.is_empty() {
            return Err(invalid("Default topic resources are not allowed."));
        }
        let valid = validate_topic_name(name);
        valid.map_err(|error| Failure::new(ErrorCode::InvalidTopicException, error.to_string()))?;
        Ok(name.to_owned())
    }

    fn group(&self) -> Result<String, Failure> {
        match self.resource_name.as_str() {
            "" => Err(invalid("Default group resources are not allowed.")),
            name => Ok(name.to_owned()),
        }
    }

    fn broker_level(&self, context: &RequestContext) -> Result<BrokerLevel, Failure> {
        let (name, ours) = (self.resource_name.as_str(), context.broker.node_id().0);
        match name.parse::<i32>() {
            _ if name.is_empty() => Ok(BrokerLevel::ClusterDefault),
            Ok(id) if id == ours => Ok(BrokerLevel::Broker),
            Ok(_) => Err(invalid(format!("Unexpected broker id, expected {ours}, but received {name}"))),
            Err(_) => Err(invalid(format!("Node id must be an integer, but it is: {name}"))),
        }
    }

    /// There are no loggers with names here (KIP-412): `HIGHWATER_LOG` is read at the start.
    fn check_logger(&self, context: &RequestContext) -> Result<(), Failure> {
        let (name, ours) = (self.resource_name.as_str(), context.broker.node_id().0);
        match name.parse::<i32>() {
            Ok(id) if id == ours => {}
            Ok(id) => {
                return Err(invalid(format!("Unexpected node id. Expected {ours}, but received {id}")));
            }
            Err(_) => return Err(invalid(format!("Node id must be an integer, but it is: {name}"))),
        }
        let Some(key) = self.keys.first() else { return Ok(()) };
        let refuse = |operation| {
            let words = format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
            Err(invalid(words))
        };
        match key.operation {
            APPEND => refuse("APPEND"),
            SUBTRACT => refuse("SUBTRACT"),
            _ => {
                let words = format!("Logger {} does not exist!", key.name);
                Err(Failure::new(ErrorCode::InvalidConfig, words))
            }
        }
    }

    fn operations(&self) -> Result<Operations, Failure> {
        let operation = |key: &AskedKey| {
            let value = || key.value.as_deref().unwrap_or_default().to_owned();
            let operation = match key.operation {
                SET => Operation::Set(value()),
                DELETE => Operation::Delete,
                APPEND => Operation::Append(value()),
                SUBTRACT => Operation::Subtract(value()),
                unknown => return Err(invalid(format!("Unknown operations type {unknown}"))),
            };
            Ok((key.name.to_string(), operation))
        };
        self.keys.iter().map(operation).collect()
    }
}

fn invalid(words: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::InvalidRequest, words)
}

#[cfg(test)]
mod tests;
