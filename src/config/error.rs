use super::settings::Origin;

/// Why a configuration cannot be used. Exit code 78 in every case; the message says what, why and what is
/// allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or is not a properties file.
    #[error("cannot read the configuration file {path}: {source}")]
    File {
        /// The file, as it was named.
        path: String,
        /// What the system or the parser said.
        source: std::io::Error,
    },
    /// A key has a value that it must not have.
    #[error("{key}={value} ({origin}) cannot be used: {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// Its value, as written.
        value: String,
        /// Who set it.
        origin: Origin,
        /// What is wrong and what is allowed.
        reason: String,
    },
}
