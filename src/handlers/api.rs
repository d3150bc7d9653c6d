use std::ops::RangeInclusive;

use bytes::Bytes;

use super::{Handling, RequestContext};
use crate::protocol::versions::{self, KeyVersions};

/// One API: a row of `APIS`. What is served of it stands in `protocol::versions`, so that the guard, the
/// handlers and ApiVersions cannot disagree.
pub struct Api {
    /// The API key on the wire.
    pub key: i16,
    /// The handler; called with versions in `served` only, save for ApiVersions.
    pub handle: fn(RequestContext, Bytes) -> Handling,
}

impl Api {
    /// Kafka's name of it.
    pub fn name(&self) -> &'static str {
        self.versions().name
    }

    /// Versions that reach the handler.
    pub fn served(&self) -> RangeInclusive<i16> {
        self.versions().served.clone()
    }

    /// Versions that ApiVersions names: wider than `served` only for Produce.
    pub fn advertised(&self) -> RangeInclusive<i16> {
        self.versions().advertised.clone()
    }

    fn versions(&self) -> &'static KeyVersions {
        versions::find(self.key).expect("a test holds that every row has its versions")
    }
}
