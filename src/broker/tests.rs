mod crash_points;
mod machine;
