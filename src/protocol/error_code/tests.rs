use kafka_protocol::ResponseError;

use super::*;

#[test]
fn numbers_ascend_without_a_gap_and_come_back() {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(codes, (-1..=133).collect::<Vec<_>>());
    for &code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(code.code()), Some(code));
        assert_eq!(code.is_error(), code.code() != 0);
    }
    assert_eq!((ErrorCode::from_code(-2), ErrorCode::from_code(134)), (None, None));
}

#[test]
fn variants_are_named_as_kafka_and_the_codec_crate_name_them() {
    for &code in ErrorCode::ALL {
        let variant = format!("{code:?}");
        let name: String = code.name().split('_').map(capitalised).collect();
        assert_eq!(variant, name);
        if let Some(known) = ResponseError::try_from_code(code.code())
            && !matches!(known, ResponseError::Unknown(_))
        {
            let known = format!("{known:?}");
            assert!(known == variant || format!("{known}Exception") == variant, "{known} {variant}");
        }
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_owned() + &rest.to_ascii_lowercase()
}
