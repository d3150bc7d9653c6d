use super::*;

/// However quickly clients delete, one thread unlinks.
#[test]
fn one_at_a_time_sees_to_removals_and_none_is_forgotten() {
    let removals = Removals::default();
    assert!(removals.add(Vec::new()), "nobody sees to it yet");
    assert!(!removals.add(Vec::new()), "somebody does");
    removals.run();
    assert!(removals.add(Vec::new()), "whoever did is done");
}
