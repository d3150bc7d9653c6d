use crate::partition::OpenError;

/// Why the broker could not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The data directory is in use, somebody else's, or of a newer format: a matter of configuration (exit
    /// 78).
    #[error("{0}")]
    Directory(String),
    /// The data cannot be read or written (exit 74).
    #[error("{0}")]
    Storage(String),
}

impl BrokerError {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            BrokerError::Directory(_) => 78,
            BrokerError::Storage(_) => 74,
        }
    }
}

impl From<OpenError> for BrokerError {
    fn from(error: OpenError) -> BrokerError {
        match error {
            OpenError::Directory(error) => BrokerError::Directory(error.to_string()),
            error => BrokerError::Storage(error.to_string()),
        }
    }
}
