use super::super::definitions::BROKER;
use super::*;
use crate::env::RealFiles;

fn load(pairs: &[(&str, &str)]) -> Result<ServerConfig, String> {
    let overrides: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let loaded = ServerConfig::load(&RealFiles, None, std::iter::empty(), &overrides);
    loaded.map(|(config, _)| config).map_err(|error| error.to_string())
}

#[test]
fn without_anything_one_node_serves_on_9092() {
    let config = ServerConfig::defaults();
    assert_eq!(config.node_id, NodeId(1));
    assert_eq!(config.log_dir, PathBuf::from("./data"));
    assert_eq!(config.admin, Some(AdminListener { host: Host::Named("127.0.0.1".to_owned()), port: 9644 }));
    assert_eq!(config.wal.sync, SyncMode::Fsync);
    assert_eq!(config.sockets.request_memory_bytes, 128 << 20);
    assert_eq!(config.sockets.idle_max, Some(Duration::from_mins(10)));
    let [listener] = config.listeners.as_slice() else { panic!("one listener") };
    assert_eq!((listener.name.as_str(), &listener.host, listener.port), ("PLAINTEXT", &Host::All, 9092));
    assert_eq!((&listener.advertised.host, listener.advertised.port), (&None, None));
}

#[test]
fn keys_that_must_agree() {
    for (pairs, message) in [
        (
            &[("node.id", "1"), ("broker.id", "2")][..],
            "broker.id=2 (--override) cannot be used: node.id is 1",
        ),
        (&[("log.dirs", "/a,/b")], "log.dirs=/a,/b (--override) cannot be used: exactly one directory"),
        (&[("log.dir", "/a,/b")], "log.dir=/a,/b (--override) cannot be used: exactly one directory"),
        (&[("process.roles", "controller")], "can only be a broker"),
        (&[("authorizer.class.name", "x.Y")], "every topic would be open"),
        (
            &[("listeners", "PLAINTEXT://:1,PLAINTEXT://:2")],
            "listeners=PLAINTEXT://:1,PLAINTEXT://:2 (--override)",
        ),
        (&[("inter.broker.listener.name", "B")], "must be the name of one of the listeners"),
        (
            &[("highwater.wal.file.bytes", "1073741824")],
            "at least twice highwater.wal.file.bytes, which is 1073741824",
        ),
        (&[("highwater.admin.listener", "https://:1")], "must begin with http://"),
        (&[("highwater.admin.listener", "9644")], "name://host:port"),
        (&[("highwater.tier.default.enable", "true")], "there is no highwater.tier.store"),
        (&[("highwater.tier.cache.bytes", "67108863")], "0 or at least 67108864"),
        (&[("highwater.cluster.id", "a b")], "letters, digits, dashes and underscores"),
    ] {
        let refused = load(pairs).expect_err("they do not agree");
        assert!(refused.contains(message), "{pairs:?}: {refused}");
    }
}

#[test]
fn older_names_and_special_values() {
    assert_eq!(load(&[("broker.id", "7")]).expect("good").node_id, NodeId(7));
    assert_eq!(load(&[("node.id", "7"), ("broker.id", "7")]).expect("good").node_id, NodeId(7));
    assert_eq!(load(&[("log.dir", "/a")]).expect("good").log_dir, PathBuf::from("/a"));
    assert_eq!(load(&[("log.dir", "/a"), ("log.dirs", "/b")]).expect("good").log_dir, PathBuf::from("/b"));
    assert_eq!(load(&[("highwater.admin.listener", "")]).expect("good").admin, None);
    let cache = |pairs| load(pairs).expect("good").tier.cache_directory;
    assert_eq!(cache(&[("log.dirs", "/a")]), PathBuf::from("/a/tier-cache"));
    assert_eq!(cache(&[("highwater.tier.cache.directory", "/c")]), PathBuf::from("/c"));
    assert_eq!(load(&[("connections.max.idle.ms", "-1")]).expect("good").sockets.idle_max, None);
    assert_eq!(load(&[("socket.send.buffer.bytes", "-1")]).expect("good").sockets.send_buffer_bytes, None);
    let memory = |pairs| load(pairs).expect("good").sockets.request_memory_bytes;
    assert_eq!(memory(&[("queued.max.request.bytes", "200000000")]), 200_000_000);
    assert_eq!(memory(&[("queued.max.request.bytes", "1"), ("socket.request.max.bytes", "50")]), 50);
}

/// The broker's environment in the compose files that the apache/kafka image is documented with.
#[test]
fn a_compose_file_for_the_apache_kafka_image_works() {
    let environment = [
        ("KAFKA_NODE_ID", "1"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        (
            "KAFKA_LISTENERS",
            "CONTROLLER://localhost:29093,PLAINTEXT_HOST://0.0.0.0:9092,PLAINTEXT://0.0.0.0:19092",
        ),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://broker:19092"),
        (
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
        ),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "PLAINTEXT"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:29093"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
        ("KAFKA_LOG_DIRS", "/tmp/kraft-combined-logs"),
        ("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw"),
        ("PATH", "/bin"),
    ];
    let without_listeners = environment.iter().filter(|(name, _)| *name != "KAFKA_LISTENERS");
    let all: Vec<_> = environment.iter().collect();
    for variables in [all, without_listeners.collect()] {
        let variables = variables.into_iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (config, warnings) =
            ServerConfig::load(&RealFiles, None, variables, &[]).expect("it works unchanged");
        let mut listeners: Vec<_> = config
            .listeners
            .iter()
            .map(|l| (l.name.as_str(), l.port, l.advertised.host.as_deref(), l.advertised.port))
            .collect();
        listeners.sort_unstable();
        assert_eq!(
            listeners,
            [
                ("PLAINTEXT", 19092, Some("broker"), Some(19092)),
                ("PLAINTEXT_HOST", 9092, Some("localhost"), Some(9092)),
            ]
        );
        assert_eq!(config.cluster_id.as_deref(), Some("4L6g3nShT-eMCtK--X86sw"));
        let unknown = warnings.iter().filter(|warning| matches!(warning, Warning::UnknownKey { .. }));
        assert_eq!(unknown.count(), 0, "{warnings:?}");
    }
}

#[test]
fn a_file_is_read_and_the_annotated_example_is_good() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/server.properties");
    let (_, warnings) = ServerConfig::load(&RealFiles, Some(Path::new(example)), std::iter::empty(), &[])
        .expect("a good example");
    assert_eq!(warnings, []);
    let absent = ServerConfig::load(&RealFiles, Some(Path::new("/not/there")), std::iter::empty(), &[]);
    let message = absent.expect_err("it is not there").to_string();
    assert!(message.starts_with("cannot read the configuration file /not/there: "), "{message}");
}

/// Whatever single value the table allows, typing it does not panic.
#[test]
fn every_allowed_extreme_is_typed_or_refused() {
    for definition in BROKER {
        for text in ["-2", "-1", "0", "1", "2147483647", "9223372036854775807", "", "x", "true", "1.0"] {
            let _ = load(&[(definition.name, text)]);
        }
    }
}
