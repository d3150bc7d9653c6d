//! Tests of the whole room, over the simulated disk.

mod crashes;
mod damage;
mod fixture;
mod reading;
mod removal;
mod rolling;
mod space;
mod times;
mod unmade;
