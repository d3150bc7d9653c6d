use super::*;

const DEFAULT_MAP: &str = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn resolve(listeners: &str, advertised: &str, map: &str) -> Result<Vec<Listener>, WrongListener> {
    let settings = ListenerSettings {
        listeners: list(listeners),
        advertised: list(advertised),
        protocol_map: map.to_owned(),
        controller_names: list("CONTROLLER"),
    };
    settings.resolve()
}

/// One line per listener: name, where it listens, what it tells.
fn shown(listeners: &[Listener]) -> String {
    let line = |listener: &Listener| {
        let AdvertisedListener { host, port } = &listener.advertised;
        let host = host.as_deref().unwrap_or("*");
        let port = port.map_or("*".to_owned(), |port| port.to_string());
        format!("{} {:?} {} -> {host} {port}", listener.name, listener.host, listener.port)
    };
    listeners.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn listeners_are_understood() {
    for (listeners, advertised, expected) in [
        ("PLAINTEXT://:9092", "", "PLAINTEXT All 9092 -> * *"),
        ("PLAINTEXT://0.0.0.0:9092", "", "PLAINTEXT AllIpv4 9092 -> * *"),
        ("PLAINTEXT://[::]:9092", "", "PLAINTEXT All 9092 -> * *"),
        ("plaintext://localhost:0", "", "PLAINTEXT Named(\"localhost\") 0 -> localhost *"),
        ("PLAINTEXT://[::1]:9092", "", "PLAINTEXT Named(\"::1\") 9092 -> ::1 *"),
        (
            "PLAINTEXT://:9092",
            "PLAINTEXT://kafka.example.com:19092",
            "PLAINTEXT All 9092 -> kafka.example.com 19092",
        ),
        ("PLAINTEXT://:9092", "PLAINTEXT://:19092", "PLAINTEXT All 9092 -> * 19092"),
        ("PLAINTEXT://:0", "PLAINTEXT://localhost:0", "PLAINTEXT All 0 -> localhost *"),
        (
            "PLAINTEXT://:9092,CONTROLLER://:9093",
            "PLAINTEXT://a:1,CONTROLLER://b:2",
            "PLAINTEXT All 9092 -> a 1",
        ),
        (
            "PLAINTEXT_HOST://:29092,PLAINTEXT://b:19092",
            "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://b:19092",
            "PLAINTEXT_HOST All 29092 -> localhost 9092; PLAINTEXT Named(\"b\") 19092 -> b 19092",
        ),
        (
            "PLAINTEXT://127.0.0.1:9092,PLAINTEXT_HOST://[::1]:9092",
            "",
            "PLAINTEXT Named(\"127.0.0.1\") 9092 -> 127.0.0.1 *; PLAINTEXT_HOST Named(\"::1\") 9092 -> ::1 *",
        ),
    ] {
        let map = "PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT";
        let resolved = resolve(listeners, advertised, map).expect(listeners);
        assert_eq!(shown(&resolved), expected, "{listeners} {advertised}");
    }
}

#[test]
fn wrong_ones_are_refused_with_key_and_reason() {
    for (listeners, advertised, map, key, part) in [
        ("9092", "", DEFAULT_MAP, LISTENERS, "name://host:port"),
        ("PLAINTEXT://9092", "", DEFAULT_MAP, LISTENERS, "name://host:port"),
        ("PLAINTEXT://:http", "", DEFAULT_MAP, LISTENERS, "from 0 to 65535"),
        ("PLAINTEXT://:70000", "", DEFAULT_MAP, LISTENERS, "from 0 to 65535"),
        ("PLAINTEXT://::1:9092", "", DEFAULT_MAP, LISTENERS, "in brackets"),
        ("PLAINTEXT://[::1:9092", "", DEFAULT_MAP, LISTENERS, "name://host:port"),
        ("PLAINTEXT://a b:9092", "", DEFAULT_MAP, LISTENERS, "name://host:port"),
        ("PLAINTEXT://:1,PLAINTEXT://:2", "", DEFAULT_MAP, LISTENERS, "given twice"),
        ("PLAINTEXT://:1,SSL://:1", "", DEFAULT_MAP, LISTENERS, "same port"),
        ("CONTROLLER://:9093", "", DEFAULT_MAP, LISTENERS, "only controller"),
        ("SSL://:9093", "", DEFAULT_MAP, LISTENERS, "not served yet"),
        ("HOME://:9093", "", DEFAULT_MAP, PROTOCOL_MAP, "no protocol is given for listener HOME"),
        ("PLAINTEXT://:1", "", "PLAINTEXT", PROTOCOL_MAP, "name:protocol"),
        ("PLAINTEXT://:1", "", "PLAINTEXT:HTTP", PROTOCOL_MAP, "name:protocol"),
        ("PLAINTEXT://:1", "PLAINTEXT://0.0.0.0:1", DEFAULT_MAP, ADVERTISED, "no address"),
        ("PLAINTEXT://:1", "PLAINTEXT://[::]:1", DEFAULT_MAP, ADVERTISED, "no address"),
        ("PLAINTEXT://:1", "EXTERNAL://a:1", DEFAULT_MAP, ADVERTISED, "EXTERNAL is not in listeners"),
    ] {
        let error = resolve(listeners, advertised, map).expect_err(listeners);
        assert_eq!(error.key, key, "{listeners} {advertised}");
        assert!(error.reason.contains(part), "{listeners} {advertised}: {}", error.reason);
    }
}

#[test]
fn listeners_are_derived_from_advertised_ones_as_the_image_does() {
    let derived = derived_from_advertised(&list("PLAINTEXT://broker:19092,PLAINTEXT_HOST://localhost:9092"));
    assert_eq!(derived, Some(list("PLAINTEXT://:19092,PLAINTEXT_HOST://:9092")));
    assert_eq!(derived_from_advertised(&list("")), None);
    assert_eq!(
        derived_from_advertised(&list("what")),
        None,
        "the error is then that of advertised.listeners"
    );
}
