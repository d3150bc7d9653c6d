//! The settings of the object store.

use std::time::Duration;

use super::server_config::{duration, number};
use super::settings::Settings;

/// `highwater.tier.*`. Sizes in bytes; texts are empty where nothing is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TierConfig {
    /// `highwater.tier.store`.
    pub store: String,
    /// `highwater.tier.endpoint`.
    pub endpoint: String,
    /// `highwater.tier.region`.
    pub region: String,
    /// `highwater.tier.path.style`.
    pub path_style: bool,
    /// `highwater.tier.allow.http`.
    pub allow_http: bool,
    /// `highwater.tier.profile`.
    pub profile: String,
    /// `highwater.tier.request.timeout.ms`.
    pub request_timeout: Duration,
    /// `highwater.tier.request.retries`.
    pub request_retries: u32,
    /// `highwater.tier.retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `highwater.tier.retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// `highwater.tier.part.bytes`.
    pub part_bytes: usize,
}

pub(super) fn tier(settings: &Settings) -> TierConfig {
    let text = |key: &str| settings.text(key).trim().to_owned();
    TierConfig {
        store: text("highwater.tier.store"),
        endpoint: text("highwater.tier.endpoint"),
        region: text("highwater.tier.region"),
        path_style: settings.boolean("highwater.tier.path.style"),
        allow_http: settings.boolean("highwater.tier.allow.http"),
        profile: text("highwater.tier.profile"),
        request_timeout: duration(settings, "highwater.tier.request.timeout.ms"),
        request_retries: number(settings, "highwater.tier.request.retries"),
        retry_backoff: duration(settings, "highwater.tier.retry.backoff.ms"),
        retry_backoff_max: duration(settings, "highwater.tier.retry.backoff.max.ms"),
        part_bytes: number(settings, "highwater.tier.part.bytes"),
    }
}
