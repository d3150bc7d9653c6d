use kafka_protocol::messages::ApiKey;

use super::*;

#[test]
fn the_table_agrees_with_the_codec_crate() {
    for row in SERVED {
        let key = ApiKey::try_from(row.key).expect("known to the crate");
        let carried = key.valid_versions();
        // The range it names is the response's; these requests end one earlier (version 6 of InitProducerId,
        // KIP-939, is unstable in Kafka).
        let newest = if [8, 9, 22].contains(&row.key) { carried.max - 1 } else { carried.max };
        assert_eq!(row.served, carried.min..=newest, "{}", row.name);
        assert_eq!(format!("{key:?}"), row.name);
        for version in row.served.clone() {
            assert_eq!(
                request_header_version(row.key, version),
                Some(key.request_header_version(version)),
                "{} {version}",
                row.name
            );
            assert_eq!(
                response_header_version(row.key, version),
                Some(key.response_header_version(version)),
                "{} {version}",
                row.name
            );
        }
    }
}

#[test]
fn the_table_is_ascending_and_advertises_what_it_serves() {
    assert!(SERVED.is_sorted_by(|a, b| a.key < b.key));
    for row in SERVED {
        assert!(row.advertised.start() <= row.served.start() && row.advertised.end() == row.served.end());
    }
}

#[test]
fn trap_8_produce_is_advertised_from_0_and_served_from_3() {
    let produce = find(0).expect("Produce is served");
    assert_eq!((produce.advertised.clone(), produce.served.clone()), (0..=13, 3..=13));
    assert!(!is_served(0, 2) && is_served(0, 3) && is_served(0, 13) && !is_served(0, 14));
}

#[test]
fn keys_that_are_not_served_have_no_header_version() {
    for key in [-1, 4, 5, 6, 7, 52, 93, i16::MAX] {
        assert_eq!((find(key), request_header_version(key, 0)), (None, None));
    }
}
