use super::*;

fn check(text: &str, expected: &[(&str, &str)]) {
    let properties = parse(text).expect("well formed");
    let read: Vec<_> = properties.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    assert_eq!(read, expected, "{text:?}");
}

/// Every line was run through `java.util.Properties.load` (Java 17).
#[test]
fn reads_what_java_reads() {
    check("a=b", &[("a", "b")]);
    check("a:b", &[("a", "b")]);
    check("a b", &[("a", "b")]);
    check("a\u{c}b", &[("a", "b")]);
    check("  a  =  b  ", &[("a", "b  ")]);
    check("a\\ b=c", &[("a b", "c")]);
    check("a=b\\\n   c", &[("a", "bc")]);
    check("k=\\\r\n v", &[("k", "v")]);
    check("# x\n!y\nk=v", &[("k", "v")]);
    check("#x\\\nb=c", &[("b", "c")]);
    check("a\\:b=c", &[("a:b", "c")]);
    check("k", &[("k", "")]);
    check("k=", &[("k", "")]);
    check("k=\\u0041\\t\\q", &[("k", "A\tq")]);
    check("a==b", &[("a", "=b")]);
    check("a = = b", &[("a", "= b")]);
    check("a :=b", &[("a", "=b")]);
    check("a=b\\\\\nc=d", &[("a", "b\\"), ("c", "d")]);
    check("a=\\", &[("a", "")]);
    check("=v", &[("", "v")]);
    check("k=v\rz=1", &[("k", "v"), ("z", "1")]);
    check("\\  x=1", &[(" ", "x=1")]);
    check("k=\\uD83D\\uDE00é", &[("k", "😀é")]);
    check("", &[]);
}

#[test]
fn lines_are_counted_and_order_is_kept() {
    let properties = parse("a=1\n\n# no\nb=2\\\n3\na=4").expect("well formed");
    let read: Vec<_> = properties.iter().map(|p| (p.line, p.key.as_str(), p.value.as_str())).collect();
    assert_eq!(read, [(1, "a", "1"), (4, "b", "23"), (6, "a", "4")]);
}

#[test]
fn a_malformed_escape_names_its_line() {
    for text in ["a=1\nb=\\u00g0", "a=1\nb=\\u12", "\nb=\\uD83D", "\nb=\\uD83D\\u0041"] {
        assert_eq!(parse(text), Err(MalformedEscape { line: 2 }), "{text:?}");
    }
}
