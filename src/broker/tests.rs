mod caches;
mod clean_stop;
mod coordinators;
mod crash_points;
mod faults;
mod machine;
mod races;
mod verify;
