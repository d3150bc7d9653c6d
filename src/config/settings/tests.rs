use super::*;

fn layers(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Layers {
    let mut layers = Layers::default();
    layers.file("server.properties", file).expect("well formed");
    layers.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    for (key, value) in flags {
        layers.flag(key, value);
    }
    layers
}

#[test]
fn the_higher_layer_wins_and_is_remembered() {
    let in_file = Origin::File { path: "server.properties".to_owned(), line: 1 };
    let in_environment = Origin::Environment("KAFKA_NUM_PARTITIONS".to_owned());
    let file = "num.partitions=2";
    let environment = &[("KAFKA_NUM_PARTITIONS", "3")];
    for (layers, value, origin) in [
        (layers("", &[], &[]), 1, Origin::Default),
        (layers(file, &[], &[]), 2, in_file.clone()),
        (
            layers("num.partitions=7\nnum.partitions=2", &[], &[]),
            2,
            Origin::File { path: "server.properties".to_owned(), line: 2 },
        ),
        (layers(file, environment, &[]), 3, in_environment),
        (layers(file, environment, &[("num.partitions", "4")]), 4, Origin::Flag),
        (layers(file, environment, &[("num.partitions", "4"), ("num.partitions", "5")]), 5, Origin::Flag),
    ] {
        let (settings, warnings) = layers.resolve().expect("good values");
        assert_eq!(settings.number("num.partitions"), value);
        assert_eq!(settings.origin("num.partitions"), origin);
        assert_eq!(warnings, []);
    }
    let _ = in_file;
}

#[test]
fn a_bad_value_names_key_value_origin_and_bound() {
    for (layers, message) in [
        (
            layers("num.partitions=0", &[], &[]),
            "num.partitions=0 (server.properties, line 1) cannot be used: Value must be at least 1",
        ),
        (
            layers("", &[("HIGHWATER_WAL_SYNC", "never")], &[]),
            "highwater.wal.sync=never (environment variable HIGHWATER_WAL_SYNC) cannot be used: \
             String must be one of: fsync, os",
        ),
        (
            layers("", &[], &[("delete.topic.enable", "1")]),
            "delete.topic.enable=1 (--override) cannot be used: Expected value to be either true or false",
        ),
    ] {
        assert_eq!(layers.resolve().map_err(|error| error.to_string()), Err(message.to_owned()));
    }
}

#[test]
fn a_value_that_lost_is_not_looked_at() {
    let (settings, _) =
        layers("num.partitions=none", &[], &[("num.partitions", "4")]).resolve().expect("4 is good");
    assert_eq!(settings.number("num.partitions"), 4);
}

#[test]
fn keys_without_effect_are_said_once_and_unknown_ones_get_a_hint() {
    let file = "num.io.threads=8\nnum.network.threads=3\nsasl.jaas.config=secret\n\
                log.retension.ms=5\nwhat.is.this=1";
    let (_, warnings) = layers(file, &[], &[]).resolve().expect("good values");
    let said: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        said,
        [
            "unknown key log.retension.ms (server.properties, line 4) is ignored; \
             did you mean log.retention.ms?",
            "unknown key what.is.this (server.properties, line 5) is ignored; \
             config/reference.properties lists every key",
            "ignored, because TLS, SASL, access control and quotas are not served yet: sasl.jaas.config",
            "ignored, because it tunes a part of Kafka that this broker does not have: \
             num.io.threads, num.network.threads",
        ]
    );
}

#[test]
fn a_malformed_file_is_refused_by_its_line() {
    let error = Layers::default().file("a.properties", "x=1\ny=\\u0").expect_err("half an escape");
    let message = "cannot read the configuration file a.properties: \
                   line 2: \\u must be followed by four hexadecimal digits";
    assert_eq!(error.to_string(), message);
}

#[test]
fn no_key_is_both_in_the_table_and_without_effect() {
    for definition in BROKER {
        assert_eq!(no_effect::reason(definition.name), None, "{}", definition.name);
    }
    let mut names: Vec<_> =
        BROKER.iter().map(|definition| definition.name).chain(no_effect::names()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a key is listed twice");
}
