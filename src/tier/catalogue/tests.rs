use super::*;

fn root() -> CatalogueRoot {
    let chunk =
        |byte: u8, kind| ChunkReference { nonce: Nonce([byte; 16]), kind, bytes: 77, crc: 0x01020304 };
    CatalogueRoot {
        number: CatalogueNumber { owner: 2, sequence: 9 },
        nonce: Nonce([5; 16]),
        taken_at: Timestamp(1_700_000_000_000),
        node_id: NodeId(3),
        cluster_id: "abc".to_owned(),
        chunks: vec![chunk(1, CatalogueKind::Metadata), chunk(2, CatalogueKind::Offsets)],
    }
}

fn chunk() -> (ChunkReference, Bytes) {
    let mut entries = ChunkEntries::default();
    entries.push(b"key", b"value");
    entries.push(b"", b"");
    let (kind, nonce) = (CatalogueKind::Partitions, Nonce([6; 16]));
    let object = Bytes::from(entries.encode(kind, nonce));
    let (bytes, crc) = (object.len() as u32, crc32c::crc32c(&object));
    (ChunkReference { nonce, kind, bytes, crc }, object)
}

#[test]
fn the_bytes_of_a_catalogue_are_as_drawn_and_every_flipped_bit_is_seen() {
    let bytes = root().encode();
    assert_eq!(bytes[..12], *b"HWTIERCR\x00\x01\x00\x00");
    assert_eq!(bytes[28..44], [2_u64.to_be_bytes(), 9_u64.to_be_bytes()].concat());
    assert_eq!(bytes[52..56], 3_i32.to_be_bytes());
    assert_eq!(bytes[56..63], *b"\x00\x00\x00\x03abc");
    assert_eq!(bytes[63..67], 2_u32.to_be_bytes());
    assert_eq!(bytes[83..92], *b"\x01\x00\x00\x00\x4d\x01\x02\x03\x04");
    assert_eq!(bytes[108], 3, "the kind of the second");
    assert_eq!(CatalogueRoot::decode(&bytes, root().number), Ok(root()));
    assert!(CatalogueRoot::decode(&bytes, CatalogueNumber { owner: 2, sequence: 8 }).is_err());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(CatalogueRoot::decode(&flipped, root().number).is_err(), "bit {bit}");
    }
}

#[test]
fn the_bytes_of_a_chunk_are_as_drawn_and_every_flipped_bit_is_seen() {
    let (reference, object) = chunk();
    assert_eq!(object[..12], *b"HWTIERCC\x00\x01\x00\x00");
    assert_eq!(object[28..33], *b"\x02\x00\x00\x00\x02");
    assert_eq!(object[33..49], *b"\x00\x00\x00\x03\x00\x00\x00\x05keyvalue");
    let expected = [(&b"key"[..], &b"value"[..]), (b"", b"")];
    let entries = decode_chunk(&object, &reference).unwrap();
    assert_eq!(entries.iter().map(|(key, value)| (&key[..], &value[..])).collect::<Vec<_>>(), expected);
    for bit in 0..object.len() * 8 {
        let mut flipped = object.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let flipped = Bytes::from(flipped);
        // Also for whoever has its checksum from elsewhere.
        let agreeing = ChunkReference { crc: crc32c::crc32c(&flipped), ..reference };
        assert!(decode_chunk(&flipped, &reference).is_err(), "bit {bit}");
        assert!(decode_chunk(&flipped, &agreeing).is_err(), "bit {bit}");
    }
    for other in [
        ChunkReference { nonce: Nonce([7; 16]), ..reference },
        ChunkReference { kind: CatalogueKind::Offsets, ..reference },
        ChunkReference { bytes: reference.bytes + 1, ..reference },
    ] {
        assert!(decode_chunk(&object, &other).is_err(), "{other:?}");
    }
}

#[test]
fn keys_are_read_back_in_our_spelling_only() {
    for key in [CatalogueKey::Root(root().number), CatalogueKey::Chunk(Nonce([8; 16]))] {
        assert_eq!(CatalogueKey::parse(&key.key()), Some(key));
    }
    for key in ["catalogue/1-2.root", "catalogue/x.chunk", "catalogue/", "topics/1"] {
        assert_eq!(CatalogueKey::parse(key), None, "{key}");
    }
}

#[test]
fn a_million_offsets_and_a_hundred_thousand_partitions_fit() {
    // Of 150 bytes, and of 1 KiB in all for a partition, in chunks of a tenth of what is full.
    let bytes = 1_000_000_u64 * 150 + 100_000 * 1024;
    assert!(bytes / (CHUNK_ENTRIES_BYTES_MIN as u64) < CATALOGUE_CHUNKS_MAX as u64);
    const { assert!(CATALOGUE_ROOT_BYTES_MAX < 512 << 10) };
}

#[test]
fn a_chunk_is_full_at_its_bound_and_ends_where_keys_say_so() {
    let mut entries = ChunkEntries::default();
    let mut count = 0;
    while !entries.is_full {
        entries.push(format!("key {count}").as_bytes(), &[0; 1000]);
        count += 1;
    }
    let bytes = entries.content().len();
    assert!((CHUNK_ENTRIES_BYTES_MIN..CHUNK_ENTRIES_BYTES + 2000).contains(&bytes), "{bytes}");
}
