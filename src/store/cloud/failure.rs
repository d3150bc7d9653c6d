//! What a cloud's answer means for who asked, in words for the person who has to look.

use std::error::Error as _;

use object_store::Error;
use object_store::client::HttpError;

use super::super::StoreError;

/// What a 404 says is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Absent {
    /// Nothing else can be: the request makes an object or lists them.
    Bucket,
    /// The object, unless the store says otherwise.
    Object,
}

/// Of an object that cannot be all there.
const SHORTER: &str = "it is shorter than the range that is asked for";
/// Longest message that is passed on.
const MESSAGE_CHARS_MAX: usize = 400;

pub(super) fn failed(key: &str, absent: Absent, error: &Error) -> StoreError {
    let text = chain(error);
    let status = status(&text);
    let code = between(&text, "<Code>", "</Code>").unwrap_or("");
    match error {
        Error::NotFound { .. } if absent == Absent::Bucket || code == "NoSuchBucket" => {
            let plain = plain(&text, status);
            StoreError::Denied(format!("there is no such bucket, or not for these credentials: {plain}"))
        }
        Error::NotFound { .. } => StoreError::NotFound(key.to_owned()),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            StoreError::Denied(plain(&text, status))
        }
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
            StoreError::Unavailable(plain(&text, status))
        }
        Error::Generic { .. } => by_status(key, error, &text, status, code),
        _ => StoreError::Denied(plain(&text, status)),
    }
}

fn by_status(key: &str, error: &Error, text: &str, status: Option<u16>, code: &str) -> StoreError {
    match status {
        Some(416) => StoreError::corrupt(key, SHORTER),
        // S3 says so of a body that did not come in time.
        Some(400) if code == "RequestTimeout" => StoreError::Unavailable(plain(text, status)),
        Some(408 | 425 | 429 | 500 | 502..=599) => StoreError::Unavailable(plain(text, status)),
        Some(200..=299) => StoreError::Unavailable(plain(text, status)),
        Some(_) => StoreError::Denied(plain(text, status)),
        None => without_answer(key, error, text),
    }
}

fn without_answer(key: &str, error: &Error, text: &str) -> StoreError {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["169.254.169.254", "metadata.google"]) {
        return StoreError::Denied(format!(
            "no credentials are found: none in the environment or a profile, and there is no instance \
             metadata service here ({})",
            plain(text, None)
        ));
    }
    // In the client's words: it came, and was no answer. Some of it was lost or changed on the way.
    if has(&["Got invalid "]) {
        return StoreError::Unavailable(plain(text, None));
    }
    // An answer that gives what there is of a range, as Azure's does, is read by the client, which says so.
    if has(&["Wanted range starting at"]) {
        return StoreError::corrupt(key, SHORTER);
    }
    if has(&["Received redirect"]) {
        let plain = plain(text, None);
        let message = format!("the bucket is in another region (highwater.tier.region): {plain}");
        return StoreError::Denied(message);
    }
    if has(&["invalid peer certificate", "scheme is not allowed"]) || !is_network(error) {
        return StoreError::Denied(plain(text, None));
    }
    StoreError::Unavailable(plain(text, None))
}

/// Whether it went wrong on the way; what did not was wrong before (a credentials file, a builder).
fn is_network(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<HttpError>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The error and its causes, each once: some of them say in their own words what their cause says.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.split_once(begin)?.1.split_once(end).map(|(inside, _)| inside)
}

/// `403 InvalidAccessKeyId: The AWS Access Key Id ...`, or what there is.
fn plain(text: &str, status: Option<u16>) -> String {
    let status = status.map(|status| format!("{status} ")).unwrap_or_default();
    let plain = match (between(text, "<Code>", "</Code>"), between(text, "<Message>", "</Message>")) {
        (Some(code), Some(message)) => format!("{status}{code}: {message}"),
        (Some(code), None) => format!("{status}{code}"),
        (None, _) => text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    plain.chars().take(MESSAGE_CHARS_MAX).collect()
}
