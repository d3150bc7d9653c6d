//! The settings of the object store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::server_config::{duration, number};
use super::settings::Settings;

const CACHE_BYTES: &str = "highwater.tier.cache.bytes";
/// What the cache on disk needs to work with.
const CACHE_BYTES_MIN: u64 = 64 << 20;
/// Its directory beside the log, where none is set: no topic's, whose names end with a number.
const CACHE_DIRECTORY: &str = "tier-cache";

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
    /// `highwater.tier.cache.bytes`; 0: none.
    pub cache_bytes: u64,
    /// `highwater.tier.cache.directory`, or where it is without one.
    pub cache_directory: PathBuf,
}

pub(super) fn tier(settings: &Settings, log_dir: &Path) -> Result<TierConfig, ConfigError> {
    let text = |key: &str| settings.text(key).trim().to_owned();
    let cache_bytes = number(settings, CACHE_BYTES);
    if (1..CACHE_BYTES_MIN).contains(&cache_bytes) {
        return Err(settings.invalid(CACHE_BYTES, format!("it must be 0 or at least {CACHE_BYTES_MIN}")));
    }
    let cache_directory = Some(text("highwater.tier.cache.directory")).filter(|path| !path.is_empty());
    Ok(TierConfig {
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
        cache_bytes,
        cache_directory: cache_directory.map_or_else(|| log_dir.join(CACHE_DIRECTORY), PathBuf::from),
    })
}
