//! HTTP for whoever runs the broker: is it alive, does it serve, what does it count.
//!
//! **Owns** the admin listener, its routes `/healthz`, `/readyz`, `/metrics` and `/tier`, and `Health`, the
//! one word that probes are answered with. **Does not own** what happens elsewhere: `cli` moves `Health` on,
//! `telemetry` renders metrics, `broker` says what lies in the tier.
//! **Invariants**: nothing here can hold the broker up: connections are few and short-lived, no handler
//! waits but the one that lists segments of the tier, for the object store. No answer contains a record, a
//! key or a secret.

mod bounded;
mod health;
mod http;

pub use health::{Health, Phase};
pub use http::{AdminError, AdminServer, LateBroker};
