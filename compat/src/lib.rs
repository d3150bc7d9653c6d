//! Highwater seen from outside: stock clients, real crashes, and Apache Kafka as the oracle.
//!
//! **Owns** brokers as processes ([`broker`]), outside tools ([`tools`]) and programs ([`process`]), and the
//! scenarios that the program `compat` plays. The package `bench` stands on the first three.
//! **Does not own** figures.

mod accepting;
pub mod broker;
pub mod bucket;
mod capture;
mod differences;
pub mod feeding;
pub mod history;
pub mod namespace;
pub mod numbered;
pub mod process;
pub mod proxy;
pub mod raw_producer;
pub mod report;
pub mod scenario;
mod stream;
pub mod tools;
pub mod transcript;
pub mod wait;
