//! Frames that Apache Kafka 4.3.1 itself encoded: `golden/`, made by `golden/Generate.java`.

use bytes::Bytes;

const REQUESTS: &str = include_str!("../golden/requests.txt");
const REPLIES: &str = include_str!("../golden/replies.txt");

/// What Kafka's schemas say: read by [`crate::schema`].
pub const SCHEMAS: &str = include_str!("../golden/schemas.txt");

/// The correlation id of every golden frame.
pub const CORRELATION_ID: i32 = 7;

/// One frame: header and body, without the length in front.
#[derive(Clone, Debug)]
pub struct Golden {
    /// Of which request.
    pub api_key: i16,
    /// In which version.
    pub api_version: i16,
    /// How it was filled: the head of `Generate.java` names them.
    pub flavor: &'static str,
    /// The bytes.
    pub frame: Bytes,
}

impl Golden {
    /// Whether the broker serves this key in this version.
    pub fn is_served(&self) -> bool {
        highwater::protocol::versions::is_served(self.api_key, self.api_version)
    }

    /// Names it in a failure.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.api_key, self.api_version, self.flavor)
    }
}

/// All requests, in the order of the file.
pub fn requests() -> Vec<Golden> {
    REQUESTS.lines().map(parse).collect()
}

/// All replies.
pub fn replies() -> Vec<Golden> {
    REPLIES.lines().map(parse).collect()
}

/// The replies to one key: for comparing a writer of our own with Kafka's bytes.
pub fn replies_of(api_key: i16) -> Vec<Golden> {
    REPLIES.lines().map(parse).filter(|golden| golden.api_key == api_key).collect()
}

fn parse(line: &'static str) -> Golden {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a line has four words");
    let (api_key, api_version) = (word().parse().expect("a key"), word().parse().expect("a version"));
    let (flavor, digits) = (word(), word());
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    Golden { api_key, api_version, flavor, frame: (0..digits.len()).step_by(2).map(byte).collect() }
}
