use super::*;
use crate::case;

fn parsed(name: &str, printed: &str) -> Result<Figures> {
    figures(case::ALL.iter().find(|case| case.name == name).unwrap(), printed)
}

#[track_caller]
fn check(name: &str, printed: &str, expected: &[(&str, f64)]) {
    let found = parsed(name, printed).unwrap();
    for (figure, value) in expected {
        assert!((found[*figure] - value).abs() < 1e-6, "{figure}: {}", found[*figure]);
    }
}

#[test]
fn producer_performance_tells_its_last_line() {
    let printed = "\
10001 records sent, 9999.0 records/sec (9.76 MB/sec), 1.3 ms avg latency, 28.0 ms max latency.
400000 records sent, 9990.509017 records/sec (9.76 MB/sec), 2.64 ms avg latency, 241.00 ms max latency, \
1 ms 50th, 11 ms 95th, 44 ms 99th, 82 ms 99.9th.
350000 steady state records sent, 10000.285722 records/sec (9.77 MB/sec), 1.41 ms avg latency, 90.00 ms max \
latency, 1 ms 50th, 3 ms 95th, 9 ms 99th, 40 ms 99.9th.
";
    check(
        "c1",
        printed,
        &[
            ("records", 350_000.0),
            ("records_per_s", 10_000.285_722),
            ("throughput_mib_s", 9.77),
            ("mean_ms", 1.41),
            ("max_ms", 90.0),
            ("p50_ms", 1.0),
            ("p95_ms", 3.0),
            ("p99_ms", 9.0),
            ("p999_ms", 40.0),
        ],
    );
}

#[test]
fn rdkafka_performance_tells_its_last_row() {
    let produced = "\
% Sending 3000 messages of size 1024 bytes
|    elapsed |       msgs |      bytes |        rtt |         dr |     dr_m/s |    dr_MB/s |     dr_err |
|       1073 |       3000 |    3072000 |          0 |       2901 |       2702 |       2.77 |          0 |
|       2000 |       3000 |    3072000 |          7 |       2900 |       2332 |       2.39 |          0 |
";
    check(
        "a3",
        produced,
        &[("records", 2_900.0), ("records_per_s", 1_450.0), ("throughput_mib_s", 1.416_015_625)],
    );
    let consumed = "\
|    elapsed |       msgs |      bytes |        rtt |        m/s |       MB/s |     rx_err |     offset
|          0 |          0 |          0 |          0 |          0 |       0.00 |          0 |          0
|          2 |       1934 |    1980416 |          0 |     897864 |     919.41 |          0 |       1933
% Average application fetch latency: 261us
";
    check("d2", consumed, &[("records", 1_934.0), ("records_per_s", 967_000.0)]);
}

#[test]
fn our_own_clients_print_an_object() {
    check("r1", "a word\n{\"records\": 5, \"p50_ms\": 0.5}\n", &[("records", 5.0), ("p50_ms", 0.5)]);
}

#[test]
fn what_is_no_figure_is_refused() {
    for (name, printed) in [
        ("c1", "org.apache.kafka.common.errors.TimeoutException\n"),
        ("c1", "10 records sent, some records/sec (9.76 MB/sec), 1 ms 99.9th.\n"),
        ("r1", "error\n"),
        ("r1", "{\"records\": \n"),
        ("a3", "% nothing\n"),
        ("d2", "|    elapsed |       msgs |\n"),
    ] {
        assert!(parsed(name, printed).is_err(), "{name}: {printed}");
    }
}
