use super::*;

#[test]
fn one_line_per_second_that_counts_the_others() {
    let seldom = Seldom::new();
    let cases = [(0, Some(0)), (1, None), (999, None), (1_000, Some(2)), (1_500, None), (9_000, Some(1))];
    for (now_ms, expected) in cases {
        assert_eq!(seldom.may_tell(Duration::from_millis(now_ms)), expected, "at {now_ms} ms");
    }
}

#[test]
fn client_ids_are_cut_between_characters() {
    assert_eq!(shortened(None), "");
    assert_eq!(shortened(Some("producer-1")), "producer-1");
    assert_eq!(shortened(Some(&"x".repeat(32_000))).len(), 100);
    assert_eq!(shortened(Some(&format!("x{}", "ü".repeat(99)))).len(), 99);
}
