//! Tests of the whole room, over the simulated disk.

mod cleaning;
mod cleaning_crashes;
mod cleaning_fixture;
mod crashes;
mod damage;
mod fixture;
mod reading;
mod removal;
mod rolling;
mod space;
mod tiering;
mod times;
mod transactions;
mod unmade;
