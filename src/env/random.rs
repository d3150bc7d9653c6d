use uuid::Uuid;

use crate::model::TopicId;

/// A source of unpredictable bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// A uniformly distributed number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A version 4 UUID.
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A topic id. Kafka's `Uuid.randomUuid` never starts one with `-` in base64 and reserves the first
    /// hundred values; a random version 4 UUID meets the second rule by its version bits and the first by
    /// drawing again.
    fn topic_id(&self) -> TopicId {
        loop {
            let id = self.uuid();
            // The first base64 character comes from the top six bits; 62 is `-` in the URL-safe alphabet.
            if id.as_bytes()[0] >> 2 != 62 {
                return TopicId(id);
            }
        }
    }
}

/// The operating system's generator.
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the room that owns randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes once it has booted");
    }
}
