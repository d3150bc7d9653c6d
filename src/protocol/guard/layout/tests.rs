use super::*;

#[test]
fn a_line_becomes_the_shape_it_draws() {
    let layout = parse("7 Example 2-9 4+ ?s i3+ [u-5 *h4-6 @0?{b l}8+] d").expect("valid");
    let field = |kind, nullable, versions, tag| Field { kind, nullable, versions, tag };
    let pair = vec![field(Kind::Fixed(1), false, 2..=9, None), field(Kind::Fixed(8), false, 2..=9, None)];
    let element = vec![
        field(Kind::Fixed(16), false, 2..=5, None),
        field(Kind::Array(Box::new(Kind::Fixed(2))), false, 4..=6, None),
        field(Kind::Struct(pair), true, 8..=9, Some(0)),
    ];
    let fields = vec![
        field(Kind::String, true, 2..=9, None),
        field(Kind::Fixed(4), false, 3..=9, None),
        field(Kind::Array(Box::new(Kind::Struct(element))), false, 2..=9, None),
        field(Kind::Bytes, false, 2..=9, None),
    ];
    let expected = Layout { api_key: 7, name: "Example", versions: 2..=9, flexible_from: Some(4), fields };
    assert_eq!(layout, expected);
    assert!(!layout.is_flexible(3) && layout.is_flexible(4));
}

#[test]
fn a_message_may_be_empty_and_never_flexible() {
    let layout = parse("1 Empty 0-0 -").expect("valid");
    assert!(layout.fields.is_empty() && !layout.is_flexible(i16::MAX));
}

#[test]
fn lines_that_mean_nothing_are_refused() {
    for line in [
        "",
        "1",
        "x Y 0-1 - s",
        "1 Y 0 - s",
        "1 Y 0-1 z s",
        "1 Y 0-1 - x",
        "1 Y 0-1 - [s",
        "1 Y 0-1 - s]",
        "1 Y 0-1 - ss",
        "1 Y 0-1 - *",
        "1 Y 0-1 - s  s",
        "1 Y 0-1 - @s",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
