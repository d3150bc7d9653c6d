use std::path::Path;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use super::failure::{Absent, failed};
use super::profile::{Profile, Section};
use crate::env::simulated::SimulatedWorld;
use crate::env::{Files, OpenMode};
use crate::store::StoreError;
use crate::store::open::Variables;

fn generic(text: &str) -> Error {
    Error::Generic { store: "S3", source: text.to_owned().into() }
}

/// How the client begins what it says.
const GENERIC: &str = "Generic S3 error: ";

fn answer(status: &str, code: &str) -> String {
    format!(
        "Error performing PUT http://s3/b/k in 3ms - Server returned non-2xx status code: {status}: \
         <?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>In words.</Message></Error>"
    )
}

#[test]
fn a_caller_is_told_what_to_do_and_a_person_why() {
    let status = |status: &str, code: &str| failed("k", Absent::Object, &generic(&answer(status, code)));
    let unavailable = |words: &str| StoreError::Unavailable(words.to_owned());
    let denied = |words: &str| StoreError::Denied(words.to_owned());
    assert_eq!(status("503 Service Unavailable", "SlowDown"), unavailable("503 SlowDown: In words."));
    assert_eq!(status("500 Internal", "InternalError"), unavailable("500 InternalError: In words."));
    assert_eq!(status("429 Too Many", "TooMany"), unavailable("429 TooMany: In words."));
    assert_eq!(status("400 Bad Request", "RequestTimeout"), unavailable("400 RequestTimeout: In words."));
    assert_eq!(status("400 Bad Request", "ExpiredToken"), denied("400 ExpiredToken: In words."));
    assert_eq!(status("501 Not Implemented", "NotImplemented"), denied("501 NotImplemented: In words."));
    assert!(matches!(status("416 Range", "InvalidRange"), StoreError::Corrupt { .. }));
    let behind = "Wanted range starting at 100000, but object was only 100000 bytes long";
    assert!(matches!(failed("k", Absent::Object, &generic(behind)), StoreError::Corrupt { .. }));
    let garbled = "Got invalid list response: ill-formed document: expected `</Key>`, but `</Kex>` was found";
    assert_eq!(failed("k", Absent::Bucket, &generic(garbled)), unavailable(&format!("{GENERIC}{garbled}")));
}

fn not_found(code: &str) -> Error {
    Error::NotFound { path: "k".to_owned(), source: answer("404 Not Found", code).into() }
}

#[test]
fn a_missing_bucket_is_no_missing_object() {
    let object = failed("k", Absent::Object, &not_found("NoSuchKey"));
    assert_eq!(object, StoreError::NotFound("k".to_owned()));
    for (absent, code) in [(Absent::Object, "NoSuchBucket"), (Absent::Bucket, "")] {
        let bucket = failed("k", absent, &not_found(code));
        assert!(matches!(&bucket, StoreError::Denied(why) if why.contains("no such bucket")), "{bucket}");
    }
}

#[test]
fn refusals_without_an_answer_say_why() {
    let denied = |text: &str| match failed("k", Absent::Object, &generic(text)) {
        StoreError::Denied(why) => why,
        other => panic!("{other}"),
    };
    assert!(denied("PUT http://169.254.169.254/latest/api/token").contains("no credentials are found"));
    assert!(denied("Received redirect without LOCATION").contains("highwater.tier.region"));
    assert!(denied("builder error: URL scheme is not allowed").contains("scheme"));
    let untrusted = "GET https://s3/b/k - client error (Connect): invalid peer certificate: UnknownIssuer";
    assert!(denied(untrusted).contains("UnknownIssuer"));
}

/// Addresses of objects stand in what went wrong on the way.
#[test]
fn words_of_an_address_say_nothing() {
    for url in ["https://acme-certificate.s3/redirect", "http://169.254.170.2/task"] {
        let refused = std::io::Error::other(format!("error sending request for url ({url})"));
        let source = Box::new(HttpError::new(HttpErrorKind::Connect, refused));
        let failed = failed("k", Absent::Object, &Error::Generic { store: "S3", source });
        assert!(matches!(&failed, StoreError::Unavailable(_)), "{failed}");
    }
}

const CREDENTIALS: &str = "
# keys
[default]
aws_access_key_id = D
aws_secret_access_key = d=d

[other]
aws_access_key_id=O
";
const CONFIG: &str = "
[default]
region = x
[profile other]
aws_secret_access_key = o
aws_session_token = t
aws_access_key_id = not this one
[profile sso]
sso_session = s
[sso]
aws_access_key_id = none
aws_secret_access_key = none
";

#[test]
fn profiles_are_read_from_both_files() {
    let read = |name: &str| {
        let mut section = Section::default();
        section.add(CREDENTIALS, name);
        let heading = if name == "default" { name.to_owned() } else { format!("profile {name}") };
        section.add(CONFIG, &heading);
        section.credential().map(|found| (found.key_id, found.secret_key, found.token))
    };
    assert_eq!(read("default"), Ok(("D".to_owned(), "d=d".to_owned(), None)));
    assert_eq!(read("other"), Ok(("O".to_owned(), "o".to_owned(), Some("t".to_owned()))));
    assert!(read("sso").unwrap_err().contains("sso_session"));
    assert!(read("none").unwrap_err().contains("neither"));
}

#[test]
fn a_profile_is_where_the_environment_says() {
    let world = SimulatedWorld::new(1);
    world.files.create_dir_all(Path::new("/home/.aws")).unwrap();
    let write = |path: &str, text: &str| {
        let file = world.files.open(Path::new(path), OpenMode::Create).unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
    };
    write("/home/.aws/credentials", CREDENTIALS);
    write("/elsewhere", "[default]\naws_access_key_id=E\naws_secret_access_key=e\n");
    let key_id = |variables: &[(&str, &str)]| {
        Profile::new(&world.env(), "default", &Variables::fixed(variables)).read().map(|found| found.key_id)
    };
    assert_eq!(key_id(&[("HOME", "/home")]), Ok("D".to_owned()));
    let elsewhere = [("HOME", "/home"), ("AWS_SHARED_CREDENTIALS_FILE", "/elsewhere")];
    assert_eq!(key_id(&elsewhere), Ok("E".to_owned()));
    assert!(key_id(&[("HOME", "/nowhere")]).is_err());
}
