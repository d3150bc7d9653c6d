//! HTTP for whoever runs the broker: is it alive, does it serve, what does it count.
//!
//! **Owns** the admin listener, its routes `/healthz`, `/readyz` and `/metrics`, and `Health`, the one word
//! they answer with. **Does not own** what happens elsewhere: `cli` moves `Health` on, `telemetry` renders
//! metrics.
//! **Invariants**: nothing here can hold the broker up: connections are few and short-lived, no handler
//! waits. No answer contains a record, a key or a secret.

mod bounded;
mod health;
mod http;

pub use health::{Health, Phase};
pub use http::{AdminError, AdminServer};
