//! Records in, records out: a group and its clock under a driver, members as clients that follow the
//! protocol.

mod client;
mod divided;
mod driver;
mod expressions;
mod members;
mod random;
mod static_members;
mod steps;
