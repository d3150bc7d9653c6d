mod caches;
mod crash_points;
mod faults;
mod machine;
mod races;
mod verify;
