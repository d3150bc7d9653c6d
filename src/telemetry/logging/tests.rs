use super::*;

#[test]
fn a_filter_that_is_none_says_what_one_is() {
    for (filter, good) in [
        (None, true),
        (Some(""), true),
        (Some("debug"), true),
        (Some("highwater::wal=debug,info"), true),
        (Some("highwater=loud"), false),
        (Some("=="), false),
    ] {
        let parsed = parse_filter(filter);
        assert_eq!(parsed.is_ok(), good, "{filter:?}");
        if let Err(error) = parsed {
            assert!(error.to_string().contains("write a level"), "{error}");
        }
    }
}
