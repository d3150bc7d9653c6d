//! What `highwater.tier.*` says of the object store, as the store takes it.

use crate::config::TierConfig;
use crate::store::{RequestOptions, StoreOptions, Variables};

/// The options of a store that is configured; `None` where none is.
pub fn store_options(config: &TierConfig, variables: Variables) -> Option<StoreOptions> {
    if config.store.is_empty() {
        return None;
    }
    Some(StoreOptions {
        url: config.store.clone(),
        endpoint: config.endpoint.clone(),
        region: config.region.clone(),
        path_style: config.path_style,
        allow_http: config.allow_http,
        profile: config.profile.clone(),
        requests: RequestOptions {
            timeout: config.request_timeout,
            retries: config.request_retries,
            backoff: config.retry_backoff,
            backoff_max: config.retry_backoff_max,
            part_bytes: config.part_bytes,
        },
        variables,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_store_and_no_store_is_none() {
        let mut config = crate::config::ServerConfig::defaults().tier;
        let variables = Variables::fixed(&[]);
        assert!(store_options(&config, variables.clone()).is_none());
        config.store = "s3://logs".to_owned();
        let options = store_options(&config, variables).unwrap();
        let expected = StoreOptions::of("s3://logs");
        assert_eq!(options.requests, expected.requests);
        assert_eq!(
            (options.path_style, options.allow_http, options.endpoint, options.region, options.profile),
            (expected.path_style, expected.allow_http, expected.endpoint, expected.region, expected.profile)
        );
    }
}
