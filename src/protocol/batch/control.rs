//! Control records: the markers in control batches (KIP-98), told apart by their keys.

/// What a control record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlType {
    /// The producer's transaction ended without effect.
    Abort,
    /// The producer's transaction took effect.
    Commit,
    /// A type that only KRaft logs hold, or one defined later; readers step over it.
    Other(i16),
}

impl ControlType {
    /// Reads the type from a control record's key: version `int16` (any from 0), type `int16`, then whatever
    /// later versions add. `None` if the key is too short or its version negative.
    pub fn parse(key: &[u8]) -> Option<ControlType> {
        let [v0, v1, t0, t1] = *key.first_chunk::<4>()?;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return None;
        }
        Some(match i16::from_be_bytes([t0, t1]) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_the_type() {
        for (key, expected) in [
            (&[0, 0, 0, 0][..], Some(ControlType::Abort)),
            (&[0, 0, 0, 1], Some(ControlType::Commit)),
            (&[0, 9, 0, 1, 7, 7], Some(ControlType::Commit)),
            (&[0, 0, 0, 2], Some(ControlType::Other(2))),
            (&[0xff, 0xff, 0, 1], None),
            (&[0, 0, 0], None),
        ] {
            assert_eq!(ControlType::parse(key), expected, "{key:?}");
        }
    }
}
