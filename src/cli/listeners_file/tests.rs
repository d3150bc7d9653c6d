use super::*;
use crate::env::RealFiles;

const LISTENERS: &str = concat!(
    r#"{"listeners":[{"name":"PLAINTEXT","host":"::","port":9092},"#,
    r#"{"name":"HOME","host":"127.0.0.1","port":4000}]"#
);

#[test]
fn it_says_what_was_bound_and_goes_away() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let read = || {
        RealFiles
            .read(&directory.path().join(NAME), 1 << 16)
            .map(|b| String::from_utf8_lossy(&b).into_owned())
    };
    remove(&RealFiles, directory.path()).expect("nothing to remove is no error");
    let listeners = [("PLAINTEXT", "[::]:9092"), ("HOME", "127.0.0.1:4000")]
        .map(|(name, address)| (name, address.parse().expect("an address")));
    for (admin, expected) in [(Some("127.0.0.1:9644"), r#"{"host":"127.0.0.1","port":9644}"#), (None, "null")]
    {
        let admin = admin.map(|address| address.parse().expect("an address"));
        ListenersFile::new(listeners, admin).write(&RealFiles, directory.path()).expect("it can be written");
        assert_eq!(read().expect("it is there"), format!("{LISTENERS},\"admin\":{expected}}}\n"));
    }
    remove(&RealFiles, directory.path()).expect("it can be removed");
    assert!(read().is_err());
}
