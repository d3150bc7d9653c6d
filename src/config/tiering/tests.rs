use super::super::topic_config::TopicOverrides;
use super::*;

const ENABLED: Before = Before { is_enabled: true, is_compacted: false };

fn topic(pairs: &[(&str, &str)]) -> TopicConfig {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    TopicConfig::effective(&TopicOverrides::stored(pairs.collect()), &Settings::default())
}

#[test]
fn minus_two_inherits_and_minus_one_sets_no_bound() {
    let week = Some(Duration::from_hours(168));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (pairs, age, bytes) in [
        (&[][..], week, None),
        (&[("retention.ms", "5000"), ("retention.bytes", "70")], seconds(5), Some(70)),
        (&[("retention.ms", "-1")], None, None),
        (&[("local.retention.ms", "1000"), ("local.retention.bytes", "9")], seconds(1), Some(9)),
        (&[("local.retention.ms", "-1"), ("local.retention.bytes", "-1")], None, None),
        (&[("local.retention.ms", "0"), ("local.retention.bytes", "0")], seconds(0), Some(0)),
    ] {
        let tiering = topic(pairs).tiering;
        assert_eq!((tiering.local_retention(), tiering.local_retention_bytes()), (age, bytes), "{pairs:?}");
    }
}

/// The words stand in Kafka's `LogConfig`.
#[test]
fn what_kafka_refuses_of_tiered_topics_is_refused_in_its_words() {
    const ON: (&str, &str) = ("remote.storage.enable", "true");
    const IDENTICAL_BYTES: &str = "When `remote.log.copy.disable` is set to true, the \
                                   `local.retention.bytes` and `retention.bytes` must be set to the \
                                   identical value because there will be no more logs copied to the remote \
                                   storage.";
    for (pairs, expected) in [
        (&[ON][..], None),
        (&[ON, ("cleanup.policy", "")], None),
        (&[ON, ("local.retention.ms", "604800000")], None),
        (
            &[ON, ("local.retention.ms", "604800001")],
            Some(
                "Invalid value 604800001 for configuration local.retention.ms: Value must not be more than \
                 retention.ms property value: 604800000",
            ),
        ),
        (
            &[ON, ("local.retention.ms", "-1")],
            Some(
                "Invalid value -1 for configuration local.retention.ms: Value must not be -1 as retention.ms \
                 value is set as 604800000.",
            ),
        ),
        (&[ON, ("local.retention.ms", "-1"), ("retention.ms", "-1")], None),
        (&[ON, ("local.retention.bytes", "-1")], None),
        (
            &[ON, ("local.retention.bytes", "-1"), ("retention.bytes", "100")],
            Some(
                "Invalid value -1 for configuration local.retention.bytes: Value must not be -1 as \
                 retention.bytes value is set as 100.",
            ),
        ),
        (&[ON, ("remote.log.copy.disable", "true")], None),
        (&[ON, ("remote.log.copy.disable", "true"), ("local.retention.bytes", "9")], Some(IDENTICAL_BYTES)),
        // Without tiering nobody minds.
        (&[("local.retention.ms", "-1"), ("cleanup.policy", "compact")], None),
    ] {
        let refused =
            check_topic(&topic(pairs), Before::default(), true).err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), expected, "{pairs:?}");
    }
    let refused = check_topic(&topic(&[ON]), ENABLED, false).unwrap_err().to_string();
    assert!(refused.starts_with("Tiered Storage functionality is disabled in the broker."), "{refused}");
}

#[test]
fn who_disables_says_that_what_was_copied_goes() {
    let off = [("remote.storage.enable", "false")];
    let deleting = [off[0], ("remote.log.delete.on.disable", "true")];
    let refused = check_topic(&topic(&off), ENABLED, true).unwrap_err().to_string();
    assert!(refused.starts_with("It is invalid to disable remote storage without deleting"), "{refused}");
    assert!(check_topic(&topic(&[]), ENABLED, true).is_err(), "to remove the key is to disable");
    assert_eq!(check_topic(&topic(&off), Before::default(), true), Ok(()));
    assert_eq!(check_topic(&topic(&deleting), ENABLED, true), Ok(()));
}

/// Kafka refuses the one and the other.
#[test]
fn a_compacted_topic_is_tiered_and_a_tiered_one_is_not_compacted() {
    let both = topic(&[("remote.storage.enable", "true"), ("cleanup.policy", "compact,delete")]);
    let plain = topic(&[("remote.storage.enable", "true")]);
    assert_eq!(check_topic(&both, Before::default(), true), Ok(()));
    let before = Before { is_enabled: true, is_compacted: true };
    assert_eq!((check_topic(&both, before, true), check_topic(&plain, before, true)), (Ok(()), Ok(())));
    let refused = check_topic(&both, ENABLED, true).unwrap_err().to_string();
    assert!(refused.contains("cannot become compacted"), "{refused}");
    let late = Before { is_enabled: false, is_compacted: false };
    assert_eq!(check_topic(&both, late, true), Ok(()), "nothing of it is in the tier yet");
}
