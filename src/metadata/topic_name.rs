/// Longest legal topic name, in bytes (Kafka: `Topic.MAX_NAME_LENGTH`).
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Why a topic name is refused. The words are Kafka's, since tools show them to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// The empty string.
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// `.` and `..` are directories.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    /// Longer than [`TOPIC_NAME_LENGTH_MAX`].
    #[error("Topic name is invalid: the length of '{0}' is longer than the max allowed length 249")]
    TooLong(String),
    /// A character outside `[a-zA-Z0-9._-]`.
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, \
         '.', '_' and '-'"
    )]
    Characters(String),
}

/// Checks a name against Kafka's rule. Whatever passes is also safe as part of a directory's name.
pub fn validate_topic_name(name: &str) -> Result<(), TopicNameError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Err(TopicNameError::Empty),
        "." | ".." => Err(TopicNameError::Dots(name.to_owned())),
        _ if name.len() > TOPIC_NAME_LENGTH_MAX => Err(TopicNameError::TooLong(name.to_owned())),
        _ if !name.bytes().all(legal) => Err(TopicNameError::Characters(name.to_owned())),
        _ => Ok(()),
    }
}

/// The form in which two names collide: Kafka's metric names do not tell `.` from `_`, so it refuses the
/// second.
pub fn colliding_form(name: &str) -> String {
    name.replace('.', "_")
}
