use super::*;

const CODECS: [CompressionType; 4] =
    [CompressionType::Gzip, CompressionType::Snappy, CompressionType::Lz4, CompressionType::Zstd];

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn all_codecs_give_back_what_went_in() {
    for codec in CODECS {
        for input in [vec![], b"x".to_vec(), vec![7; 100_000], noise(100_000)] {
            let compressed = compress(codec, &input);
            let output = decompress(codec, &compressed, &DecompressionCaps::default()).expect("honest");
            assert_eq!(output, input, "{codec:?}, {} bytes", input.len());
        }
    }
}

#[test]
fn uncompressed_bytes_are_lent_whatever_the_caps() {
    let caps = DecompressionCaps { output_bytes_max: 0, ratio_max: 0 };
    assert!(matches!(decompress(CompressionType::None, b"abc", &caps), Ok(Cow::Borrowed(b"abc"))));
}

#[test]
fn trap_38_snappy_is_read_raw_and_framed_with_any_version_numbers() {
    let raw = snap::raw::Encoder::new().compress_vec(b"some text").expect("short");
    let caps = DecompressionCaps::default();
    assert_eq!(decompress(CompressionType::Snappy, &raw, &caps).expect("raw"), &b"some text"[..]);
    let mut framed = compress(CompressionType::Snappy, &noise(100_000));
    framed[8..16].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(decompress(CompressionType::Snappy, &framed, &caps).expect("framed"), noise(100_000));
}

#[test]
fn output_stops_at_the_cap() {
    for codec in CODECS {
        let compressed = compress(codec, &vec![0; 300_000]);
        let caps = |output_bytes_max| DecompressionCaps { output_bytes_max, ratio_max: usize::MAX };
        assert_eq!(decompress(codec, &compressed, &caps(300_000)).expect("fits").len(), 300_000);
        let error = decompress(codec, &compressed, &caps(299_999)).expect_err("does not fit");
        assert_eq!(error, BatchError::TooLarge { bytes_max: 299_999 }, "{codec:?}");
    }
}

#[test]
fn a_bomb_stops_at_the_ratio_cap() {
    let bomb = compress(CompressionType::Zstd, &vec![0; 32 << 20]);
    let caps = DecompressionCaps { output_bytes_max: usize::MAX, ratio_max: 100 };
    let bytes_max = RATIO_FREE_BYTES.max(bomb.len() * 100);
    assert!(bytes_max < 32 << 20, "the case must be a bomb");
    let error = decompress(CompressionType::Zstd, &bomb, &caps).expect_err("a bomb");
    assert_eq!(error, BatchError::TooLarge { bytes_max });
}

#[test]
fn a_snappy_length_that_no_block_could_have_takes_no_memory() {
    // Declares 2^31-1 bytes, holds none.
    let block = [0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
    let caps = DecompressionCaps { output_bytes_max: usize::MAX, ratio_max: usize::MAX };
    let damaged = BatchError::Damaged { compression: CompressionType::Snappy };
    assert_eq!(decompress(CompressionType::Snappy, &block, &caps), Err(damaged));
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    for codec in CODECS {
        let whole = compress(codec, &noise(2_000));
        let damaged = BatchError::Damaged { compression: codec };
        assert_eq!(
            decompress(codec, b"certainly not compressed", &DecompressionCaps::default()),
            Err(damaged)
        );
        for cut in 0..whole.len() {
            // A cut may fall between two frames or blocks, where what is left is whole.
            if let Ok(output) = decompress(codec, &whole[..cut], &DecompressionCaps::default()) {
                assert!(noise(2_000).starts_with(&output), "{codec:?} cut at {cut}");
            }
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            let _ = decompress(codec, &flipped, &DecompressionCaps::default());
        }
    }
}
