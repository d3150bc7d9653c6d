//! Credentials of a profile in the files that the AWS command line writes.
//!
//! Only keys that stand there. A profile that names another source (`sso_session`, `role_arn`,
//! `credential_process`) is refused with that word: `docs/coverage.md`.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use parking_lot::Mutex;

use super::super::StoreError;
use super::super::open::Variables;
use crate::env::Env;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files are read again after this: whatever writes short-lived keys there is followed.
const AGE_MAX: Duration = Duration::from_secs(60);

/// Where a profile stands.
pub(super) struct Profile {
    env: Env,
    name: String,
    /// Of credentials first, then of configuration.
    files: [(PathBuf, &'static str); 2],
    read: Mutex<Option<(Duration, Arc<AwsCredential>)>>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Profile {
    /// The files are where the environment says, else in `~/.aws`.
    pub(super) fn new(env: &Env, name: &str, variables: &Variables) -> Profile {
        let home = PathBuf::from(variables.get("HOME").unwrap_or_default()).join(".aws");
        let file =
            |variable: &str, name: &str| variables.get(variable).map_or(home.join(name), PathBuf::from);
        let files = [
            (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ""),
            // In this file sections of profiles other than the default say so.
            (file("AWS_CONFIG_FILE", "config"), "profile "),
        ];
        Profile { env: env.clone(), name: name.to_owned(), files, read: Mutex::new(None) }
    }

    /// Its keys as they stand there now.
    pub(super) fn read(&self) -> Result<AwsCredential, StoreError> {
        let mut section = Section::default();
        for (path, prefix) in &self.files {
            let Ok(bytes) = self.env.files.read(path, FILE_BYTES_MAX) else { continue };
            let heading = match self.name.as_str() {
                "default" => "default".to_owned(),
                name => format!("{prefix}{name}"),
            };
            section.add(&String::from_utf8_lossy(&bytes), &heading);
        }
        section.credential().map_err(|why| {
            let [credentials, config] = self.files.each_ref().map(|(path, _)| path.display().to_string());
            StoreError::Denied(format!("the profile {} {why} ({credentials}, {config})", self.name))
        })
    }
}

type Provided<'a> = Pin<Box<dyn Future<Output = object_store::Result<Arc<AwsCredential>>> + Send + 'a>>;

impl CredentialProvider for Profile {
    type Credential = AwsCredential;

    fn get_credential<'life0, 'async_trait>(&'life0 self) -> Provided<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let now = self.env.clock.monotonic();
            let known = self.read.lock().clone();
            if let Some((_, credential)) = known.filter(|(read, _)| now.saturating_sub(*read) < AGE_MAX) {
                return Ok(credential);
            }
            let credential = Arc::new(self.read().map_err(|error| object_store::Error::Unauthenticated {
                path: String::new(),
                source: Box::new(error),
            })?);
            *self.read.lock() = Some((now, Arc::clone(&credential)));
            Ok(credential)
        })
    }
}

/// What is known of a profile.
#[derive(Default)]
pub(super) struct Section {
    found: bool,
    key_id: Option<String>,
    secret_key: Option<String>,
    token: Option<String>,
    /// A source of credentials that is not read here.
    other: Option<String>,
}

impl Section {
    /// Takes what the section of that heading says and nobody said before.
    pub(super) fn add(&mut self, text: &str, heading: &str) {
        let mut inside = false;
        for line in text.lines() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                inside = name.trim() == heading;
                self.found |= inside;
            } else if inside && let Some((key, value)) = line.split_once('=') {
                let value = Some(value.trim().to_owned());
                let taken = match key.trim() {
                    "aws_access_key_id" => &mut self.key_id,
                    "aws_secret_access_key" => &mut self.secret_key,
                    "aws_session_token" => &mut self.token,
                    "sso_session" | "sso_start_url" | "role_arn" | "credential_process" => {
                        self.other.get_or_insert(key.trim().to_owned());
                        continue;
                    }
                    _ => continue,
                };
                if taken.is_none() {
                    *taken = value;
                }
            }
        }
    }

    pub(super) fn credential(self) -> Result<AwsCredential, String> {
        match (self.key_id, self.secret_key, self.other) {
            (Some(key_id), Some(secret_key), _) => {
                Ok(AwsCredential { key_id, secret_key, token: self.token })
            }
            (_, _, Some(other)) => Err(format!("has its credentials by {other}, which is not read here")),
            _ if self.found => Err("has no aws_access_key_id and aws_secret_access_key".to_owned()),
            _ => Err("is in neither file".to_owned()),
        }
    }
}
