//! From what is configured to a store.

use std::path::Path;
use std::sync::Arc;

use super::client::Client;
use super::cloud::build;
use super::directory::Directory;
use super::{ObjectStore, Observer, RequestOptions, StoreError};
use crate::env::Env;

/// Where the objects are and how they are reached: `highwater.tier.*`.
#[derive(Clone)]
pub struct StoreOptions {
    /// `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///…`; a prefix may be left out.
    pub url: String,
    /// Instead of the cloud's own address; empty for that.
    pub endpoint: String,
    /// Of S3; empty for what the environment says, else `us-east-1`.
    pub region: String,
    /// Whether the bucket stands in the path, not in the host's name. Of S3.
    pub path_style: bool,
    /// Whether an endpoint may be plain http.
    pub allow_http: bool,
    /// Whose keys are taken from `~/.aws`; empty for `AWS_PROFILE`. Of S3.
    pub profile: String,
    /// Limits of requests.
    pub requests: RequestOptions,
    /// Credentials, as the clouds' own tools find them.
    pub variables: Variables,
}

/// Environment variables.
#[derive(Clone)]
pub struct Variables(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    /// Those of this process.
    pub fn of_process() -> Variables {
        Variables(Arc::new(|name| std::env::var(name).ok()))
    }

    /// These and no others.
    pub fn fixed(variables: &[(&str, &str)]) -> Variables {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: std::collections::BTreeMap<String, String> = variables.iter().map(owned).collect();
        Variables(Arc::new(move |name| variables.get(name).cloned()))
    }

    /// One that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}

impl StoreOptions {
    /// That store with everything else by default and no variables.
    pub fn of(url: &str) -> StoreOptions {
        StoreOptions {
            url: url.to_owned(),
            endpoint: String::new(),
            region: String::new(),
            path_style: true,
            allow_http: false,
            profile: String::new(),
            requests: RequestOptions::default(),
            variables: Variables::fixed(&[]),
        }
    }
}

/// Opens a store. No request is made yet: see [`super::probe`].
///
/// Fails with `Denied` where what is configured cannot be: it says why in words for whoever configured it.
pub fn open(
    options: &StoreOptions,
    env: &Env,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let place = Place::parse(&options.url)?;
    let (requests, env_of_client) = (options.requests.clone(), env.clone());
    let cloud = match place {
        Place::Directory(path) => {
            let directory = Directory::open(env, Path::new(&path))?;
            return Ok(Arc::new(Client::new(directory, requests, env_of_client, observer)));
        }
        Place::S3 { bucket, prefix } => build::s3(env, options, &bucket, &prefix)?,
        Place::Google { bucket, prefix } => build::google(options, &bucket, &prefix)?,
        Place::Azure { container, prefix } => build::azure(options, &container, &prefix)?,
    };
    Ok(Arc::new(Client::new(cloud, requests, env_of_client, observer)))
}

/// A store's address, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Directory(String),
    S3 { bucket: String, prefix: String },
    Google { bucket: String, prefix: String },
    Azure { container: String, prefix: String },
}

impl Place {
    pub(super) fn parse(url: &str) -> Result<Place, StoreError> {
        let wrong = |why: &str| StoreError::Denied(format!("the store {url}: {why}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            wrong("it is written as s3://bucket/prefix, gs://…, az://container/prefix or file:///path")
        })?;
        if scheme == "file" {
            return match rest.strip_prefix('/') {
                Some(path) if !path.is_empty() => Ok(Place::Directory(rest.to_owned())),
                _ => Err(wrong("a directory is written as file:///path, from the root")),
            };
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) {
            return Err(wrong("the bucket's name is missing, or it is more (see highwater.tier.endpoint)"));
        }
        let proper = |word: &str| !matches!(word, "" | "." | "..") && word.chars().all(in_a_key);
        if !prefix.is_empty() && !prefix.split('/').all(proper) {
            return Err(wrong("a prefix is words of letters, digits, '.', '_' and '-' between single '/'"));
        }
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        match scheme {
            "s3" => Ok(Place::S3 { bucket, prefix }),
            "gs" => Ok(Place::Google { bucket, prefix }),
            "az" => Ok(Place::Azure { container: bucket, prefix }),
            _ => Err(wrong("s3, gs, az and file are known")),
        }
    }
}

fn in_a_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}
