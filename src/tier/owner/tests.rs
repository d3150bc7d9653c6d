use super::*;

fn owner() -> Owner {
    Owner {
        number: 7,
        nonce: Nonce([9; 16]),
        node_id: NodeId(3),
        since: Timestamp(1_700_000_000_000),
        cluster_id: "abc".to_owned(),
    }
}

#[test]
fn the_bytes_of_an_owner_are_as_drawn_and_every_flipped_bit_is_seen() {
    let bytes = owner().encode();
    assert_eq!(bytes[..12], *b"HWTIEROW\x00\x01\x00\x00");
    assert_eq!(bytes[28..36], 7_u64.to_be_bytes());
    assert_eq!(bytes[36..40], 3_i32.to_be_bytes());
    assert_eq!(bytes[48..55], *b"\x00\x00\x00\x03abc");
    assert_eq!(Owner::decode(&bytes, 7), Ok(owner()));
    assert!(Owner::decode(&bytes, 8).is_err(), "of another number");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Owner::decode(&flipped, 7).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(Owner::decode(&bytes[..length], 7).is_err(), "{length} bytes");
    }
}

#[test]
fn a_long_identity_is_cut_and_fits() {
    let long = Owner { cluster_id: "ä".repeat(500), ..owner() };
    let bytes = long.encode();
    assert!(bytes.len() <= OWNER_BYTES_MAX);
    assert_eq!(Owner::decode(&bytes, 7).unwrap().cluster_id, "ä".repeat(128));
}

#[test]
fn keys_are_read_back_in_our_spelling_only() {
    assert_eq!(Owner::parse_key(&Owner::key_of(12)), Some(12));
    for key in ["owner/12.owner", "owner/00000000000000000012", "owners/00000000000000000012.owner", "x"] {
        assert_eq!(Owner::parse_key(key), None, "{key}");
    }
}
