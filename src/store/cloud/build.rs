//! Clients of the clouds, from the options and the variables that the clouds' own tools read.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::super::StoreError;
use super::super::open::StoreOptions;
use super::profile::Profile;
use super::{Cloud, Requests};
use crate::env::Env;

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Variables of S3 that are taken as they are. Not those that would switch off what the options decide:
/// endpoints, plain http, retries.
const AWS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
];
/// Where one of these is set, `~/.aws` is not looked at unless a profile is named.
const AWS_SOURCES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
const GOOGLE: &[&str] =
    &["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS"];
const AZURE: &[&str] = &[
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
];

/// No request of ours is repeated below us.
fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

/// Time limits are the client's, by request and by piece of a body; only connecting has one here.
fn client(options: &StoreOptions) -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_MAX.min(options.requests.timeout))
        .with_allow_http(options.allow_http)
}

/// The endpoint, if one is set; plain http only where it is allowed.
fn endpoint(options: &StoreOptions, variables: &[&str]) -> Result<Option<String>, StoreError> {
    let configured = Some(options.endpoint.clone()).filter(|endpoint| !endpoint.is_empty());
    let from_variable = || variables.iter().find_map(|name| options.variables.get(name));
    let Some(endpoint) = configured.or_else(from_variable) else { return Ok(None) };
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    match endpoint.split_once("://") {
        Some(("https", _)) => Ok(Some(endpoint)),
        Some(("http", _)) if options.allow_http => Ok(Some(endpoint)),
        Some(("http", _)) => Err(StoreError::Denied(format!(
            "the endpoint {endpoint} is not encrypted; use https, or highwater.tier.allow.http=true to \
             accept that"
        ))),
        _ => Err(StoreError::Denied(format!("the endpoint {endpoint} does not begin with https://"))),
    }
}

fn built<T: Requests>(prefix: &str, built: object_store::Result<T>) -> Result<Cloud, StoreError> {
    match built {
        Ok(requests) => Ok(Cloud { requests: Arc::new(requests), prefix: prefix.to_owned() }),
        Err(error) => Err(StoreError::Denied(error.to_string())),
    }
}

/// `s3://bucket/prefix`.
pub(in crate::store) fn s3(
    env: &Env,
    options: &StoreOptions,
    bucket: &str,
    prefix: &str,
) -> Result<Cloud, StoreError> {
    let variables = &options.variables;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(!options.path_style)
        .with_retry(no_retries())
        .with_client_options(client(options));
    for name in AWS {
        let key: Option<AmazonS3ConfigKey> = name.to_ascii_lowercase().parse().ok();
        if let (Some(key), Some(value)) = (key, variables.get(name)) {
            builder = builder.with_config(key, value);
        }
    }
    let configured = Some(options.region.clone()).filter(|region| !region.is_empty());
    let from_variables = || variables.get("AWS_REGION").or_else(|| variables.get("AWS_DEFAULT_REGION"));
    if let Some(region) = configured.or_else(from_variables) {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint(options, &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])? {
        // The crate takes the endpoint of the bucket where the bucket is in the host's name.
        let endpoint = match options.path_style {
            true => endpoint,
            false => endpoint.replacen("://", &format!("://{bucket}."), 1),
        };
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(profile) = profile(env, options)? {
        builder = builder.with_credentials(Arc::new(profile));
    }
    built(prefix, builder.build())
}

/// The profile that is named, which must be there; without a name the default one, if it is there and nothing
/// else says who we are.
fn profile(env: &Env, options: &StoreOptions) -> Result<Option<Profile>, StoreError> {
    let variables = &options.variables;
    let configured = Some(options.profile.clone()).filter(|profile| !profile.is_empty());
    if let Some(name) = configured.or_else(|| variables.get("AWS_PROFILE")) {
        let profile = Profile::new(env, &name, variables);
        profile.read()?;
        return Ok(Some(profile));
    }
    if AWS_SOURCES.iter().any(|name| variables.get(name).is_some()) {
        return Ok(None);
    }
    let profile = Profile::new(env, "default", variables);
    Ok(Some(profile).filter(|profile| profile.read().is_ok()))
}

/// `gs://bucket/prefix`.
pub(in crate::store) fn google(
    options: &StoreOptions,
    bucket: &str,
    prefix: &str,
) -> Result<Cloud, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_client_options(client(options));
    for name in GOOGLE {
        let key: Option<GoogleConfigKey> = name.to_ascii_lowercase().parse().ok();
        if let (Some(key), Some(value)) = (key, options.variables.get(name)) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = endpoint(options, &[])? {
        builder = builder.with_base_url(&endpoint);
    }
    built(prefix, builder.build())
}

/// `az://container/prefix`.
pub(in crate::store) fn azure(
    options: &StoreOptions,
    container: &str,
    prefix: &str,
) -> Result<Cloud, StoreError> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container)
        .with_retry(no_retries())
        .with_client_options(client(options));
    for name in AZURE {
        let key: Option<AzureConfigKey> = name.to_ascii_lowercase().parse().ok();
        if let (Some(key), Some(value)) = (key, options.variables.get(name)) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = endpoint(options, &[])? {
        builder = builder.with_endpoint(endpoint);
    }
    built(prefix, builder.build())
}
