//! The settings of a command, as of `serve`: the file, the environment above it, `--override` above both.

use std::path::Path;

use crate::config::{ConfigError, ServerConfig, Warning};
use crate::env::Env;

/// Loads them. The warnings are for `serve` to tell.
pub(super) fn load(
    env: &Env,
    file: Option<&Path>,
    overrides: &[(String, String)],
) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
    // A variable that is not UTF-8 is none of ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    ServerConfig::load(&*env.files, file, variables, overrides)
}
