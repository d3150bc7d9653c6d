//! Manual assignments of partitions to brokers, of which there is one.

use kafka_protocol::messages::BrokerId;

/// Checks the brokers that a client names for one partition, in the order and the words of Kafka 4.3: they
/// must be this broker alone, which is the one replica that a partition is shown to have.
pub(super) fn check(node_id: i32, brokers: &[BrokerId]) -> Result<(), String> {
    if brokers.is_empty() {
        return Err("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted: Vec<i32> = brokers.iter().map(|broker| broker.0).collect();
    sorted.sort_unstable();
    let mut previous = None;
    for broker in sorted {
        if broker != node_id {
            return Err(format!(
                "The manual partition assignment includes broker {broker}, but no such broker is registered."
            ));
        }
        if previous == Some(broker) {
            return Err(format!(
                "The manual partition assignment includes the broker {broker} more than once."
            ));
        }
        previous = Some(broker);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
