use crate::partition::OpenError;

/// Why the broker could not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The data directory is in use, somebody else's, or of a newer format: a matter of configuration (exit
    /// 78).
    #[error("{0}")]
    Directory(String),
    /// There are tiered topics, and no place where their older records are: a matter of configuration (exit
    /// 78).
    #[error(
        "topic {0} is tiered (remote.storage.enable=true), and no highwater.tier.store is configured, where \
         its older records are; configure it as it was, or start with it once more and delete the topic"
    )]
    NoTier(String),
    /// The data cannot be read or written (exit 74).
    #[error("{0}")]
    Storage(String),
}

impl BrokerError {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            BrokerError::Directory(_) | BrokerError::NoTier(_) => 78,
            BrokerError::Storage(_) => 74,
        }
    }
}

impl From<OpenError> for BrokerError {
    fn from(error: OpenError) -> BrokerError {
        match error {
            OpenError::Directory(error) => BrokerError::Directory(error.to_string()),
            error @ OpenError::RestoreUnfinished(_) => BrokerError::Directory(error.to_string()),
            error => BrokerError::Storage(error.to_string()),
        }
    }
}
