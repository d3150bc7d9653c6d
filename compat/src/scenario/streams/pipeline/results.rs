//! What the sink must have seen, and in which order.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};

/// As in the program.
const SENSORS: u32 = 64;

/// Each reading of each sensor once and in order, from both tasks.
pub fn check(lines: &[String], readings: u32) -> Result<()> {
    // By topic and sensor, how many results there were.
    let mut seen: HashMap<(&str, u32), u32> = HashMap::new();
    for line in lines {
        let (topic, sensor, value) = parse(line).with_context(|| format!("no result: {line:?}"))?;
        let count = seen.entry((topic, sensor)).or_default();
        let wanted = match topic {
            "converted" => fahrenheit(u64::from(sensor + SENSORS * *count)),
            "counted" => u64::from(*count + 1),
            _ => bail!("a result from nowhere: {line}"),
        };
        ensure!(value == wanted, "result {count} of sensor {sensor} in {topic} is {value}, not {wanted}");
        *count += 1;
    }
    for topic in ["converted", "counted"] {
        for sensor in 0..SENSORS {
            let (seen, sent) = (seen.get(&(topic, sensor)).copied().unwrap_or(0), sent(sensor, readings));
            ensure!(seen == sent, "{seen} results in {topic} of {sent} readings of sensor {sensor}");
        }
    }
    Ok(())
}

/// `TOPIC PARTITION sensor-SENSOR VALUE`
fn parse(line: &str) -> Option<(&str, u32, u64)> {
    let mut words = line.split(' ');
    let (topic, _partition) = (words.next()?, words.next()?);
    let sensor = words.next()?.strip_prefix("sensor-")?.parse().ok()?;
    Some((topic, sensor, words.next()?.parse().ok()?))
}

/// How many of the readings 0, 1, ... are this sensor's.
fn sent(sensor: u32, readings: u32) -> u32 {
    readings / SENSORS + u32::from(sensor < readings % SENSORS)
}

fn fahrenheit(celsius: u64) -> u64 {
    celsius * 9 / 5 + 32_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_repetition_and_disorder_are_found_in_either_task() {
        let sound = || {
            let converted = (0..SENSORS + 1)
                .map(|n| format!("converted 0 sensor-{} {}", n % SENSORS, fahrenheit(n.into())));
            let counted =
                (0..SENSORS + 1).map(|n| format!("counted 1 sensor-{} {}", n % SENSORS, n / SENSORS + 1));
            converted.chain(counted).collect::<Vec<_>>()
        };
        check(&sound(), SENSORS + 1).expect("as it should be");
        let count = sound().len();
        for place in 0..count {
            let mut lost = sound();
            lost.remove(place);
            assert!(check(&lost, SENSORS + 1).is_err(), "{place} is missing");
            let mut repeated = sound();
            repeated.push(repeated[place].clone());
            assert!(check(&repeated, SENSORS + 1).is_err(), "{place} is there twice");
        }
        // Of sensor 0, which alone has two.
        for first in [0, count / 2] {
            let mut disorder = sound();
            disorder.swap(first, first + SENSORS as usize);
            assert!(check(&disorder, SENSORS + 1).is_err(), "{first} came late");
        }
        assert!(check(&["elsewhere 0 sensor-0 1".to_owned()], 0).is_err());
    }
}
