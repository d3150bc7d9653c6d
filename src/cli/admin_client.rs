//! A client of a broker's admin listener.

use std::time::Duration;

use serde::de::DeserializeOwned;

/// What a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// What an answer may take: a broker may have to ask its object store.
const REPLY_WAIT: Duration = Duration::from_secs(60);
/// The largest answer that is read.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Why a broker's admin listener does not tell.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminFailure {
    /// It cannot be asked.
    #[error(
        "cannot ask {address}: {why}; is a broker running there, and is this its highwater.admin.listener \
         (--admin HOST:PORT)?"
    )]
    Away { address: String, why: String },
    /// It knows of no such thing.
    #[error("{address} answers: {what}")]
    Unknown { address: String, what: String },
    /// It says no.
    #[error("{address} answers: {what}")]
    Refused { address: String, what: String },
    /// What it says is not understood.
    #[error("{address} does not answer as the admin listener of this version of Highwater does: {why}")]
    Strange { address: String, why: String },
}

/// One listener.
pub(super) struct AdminClient {
    address: String,
    client: reqwest::Client,
}

impl AdminClient {
    /// Of `host:port`, also written `http://host:port`.
    pub fn new(address: &str) -> Result<AdminClient, AdminFailure> {
        let address = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder()
            // What proxies are set for is elsewhere.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // The listener ends each connection after a minute, also in the middle of a request.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_WAIT)
            .timeout(REPLY_WAIT)
            .build();
        match client {
            Ok(client) => Ok(AdminClient { address, client }),
            Err(error) => Err(AdminFailure::Away { address, why: words(&error) }),
        }
    }

    /// What is told under a path, which begins with `/`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminFailure> {
        let address = || self.address.clone();
        let away = |error: reqwest::Error| AdminFailure::Away { address: address(), why: words(&error) };
        let strange = |why: String| AdminFailure::Strange { address: address(), why };
        let sent = self.client.get(format!("http://{}{path}", self.address)).send().await;
        let mut response = sent.map_err(away)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(strange(format!("it is longer than {REPLY_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let what = String::from_utf8_lossy(&body);
            let what = what.trim().escape_debug().take(1000).collect::<String>();
            let what = if what.is_empty() { status.to_string() } else { what };
            return Err(match status {
                reqwest::StatusCode::NOT_FOUND => AdminFailure::Unknown { address: address(), what },
                _ => AdminFailure::Refused { address: address(), what },
            });
        }
        serde_json::from_slice(&body).map_err(|error| strange(error.to_string()))
    }
}

/// An error with its causes: the crate's own words stop before they say why.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    words
}
