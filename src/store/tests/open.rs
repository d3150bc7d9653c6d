//! Addresses, and what is refused before any request.

use std::sync::Arc;

use super::super::open::{Place, Variables};
use super::super::{NoObserver, StoreError, StoreOptions, open};
use crate::env::Env;

#[test]
fn addresses_are_taken_apart() {
    let s3 = |bucket: &str, prefix: &str| Place::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
    assert_eq!(Place::parse("s3://logs"), Ok(s3("logs", "")));
    assert_eq!(Place::parse("s3://logs/"), Ok(s3("logs", "")));
    assert_eq!(Place::parse("s3://logs/a/B-1_2.c/"), Ok(s3("logs", "a/B-1_2.c")));
    assert_eq!(Place::parse("file:///mnt/tier"), Ok(Place::Directory("/mnt/tier".to_owned())));
    let (b, p) = ("b".to_owned(), "p".to_owned());
    assert_eq!(Place::parse("gs://b/p"), Ok(Place::Google { bucket: b.clone(), prefix: p.clone() }));
    assert_eq!(Place::parse("az://b/p"), Ok(Place::Azure { container: b, prefix: p }));
    let buckets =
        ["s3://", "s3:///p", "s3://b:9000/p", "s3://k@b/p", "s3://b/../p", "s3://b//p", "s3://b/a b"];
    for wrong in
        buckets.into_iter().chain(["", "logs", "http://b/p", "file://", "file:///", "file://mnt/tier"])
    {
        assert!(matches!(Place::parse(wrong), Err(StoreError::Denied(_))), "{wrong}");
    }
}

fn refusal(change: impl FnOnce(&mut StoreOptions)) -> Option<String> {
    let mut options = StoreOptions::of("s3://logs/p");
    options.variables = Variables::fixed(&[("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    change(&mut options);
    match open(&options, &Env::real(), Arc::new(NoObserver)) {
        Ok(_) => None,
        Err(StoreError::Denied(why)) => Some(why),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn plain_http_wants_its_switch() {
    assert_eq!(refusal(|_| {}), None);
    assert_eq!(refusal(|options| options.endpoint = "https://minio:9000/".to_owned()), None);
    let refused = refusal(|options| options.endpoint = "http://minio:9000".to_owned());
    assert!(refused.unwrap().contains("highwater.tier.allow.http"));
    let allowed = |options: &mut StoreOptions| {
        options.endpoint = "http://minio:9000".to_owned();
        options.allow_http = true;
    };
    assert_eq!(refusal(allowed), None);
    // The environment gives an endpoint, but not the switch.
    let by_variable = |options: &mut StoreOptions| {
        options.variables = Variables::fixed(&[
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_ENDPOINT_URL", "http://minio:9000"),
            ("AWS_ALLOW_HTTP", "true"),
        ]);
    };
    assert!(refusal(by_variable).unwrap().contains("not encrypted"));
    assert!(refusal(|options| options.endpoint = "minio:9000".to_owned()).unwrap().contains("https://"));
}

#[test]
fn half_a_key_is_refused() {
    let half = |options: &mut StoreOptions| {
        options.variables = Variables::fixed(&[("AWS_ACCESS_KEY_ID", "k")]);
    };
    assert!(refusal(half).is_some());
}
