//! The five codecs, with bounds on what comes out.

use std::borrow::Cow;
use std::io::{Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::header::{BatchError, CompressionType};

/// How much memory decompressing one batch may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecompressionCaps {
    /// Bytes of output at most.
    pub output_bytes_max: usize,
    /// Bytes of output per byte of input at most, once the output exceeds [`RATIO_FREE_BYTES`].
    pub ratio_max: usize,
}

impl Default for DecompressionCaps {
    /// 64 MiB and 1,024: beyond what honest records reach, far below what a bomb needs.
    fn default() -> DecompressionCaps {
        DecompressionCaps { output_bytes_max: 64 << 20, ratio_max: 1024 }
    }
}

/// Output that is allowed whatever the ratio: a few bytes of Zstandard may honestly stand for a batch of
/// zeroes.
pub const RATIO_FREE_BYTES: usize = 1 << 20;

impl DecompressionCaps {
    /// Bytes that `input_bytes` of compressed data may become.
    pub(super) fn bytes_max(&self, input_bytes: usize) -> usize {
        let by_ratio = input_bytes.saturating_mul(self.ratio_max).max(RATIO_FREE_BYTES);
        self.output_bytes_max.min(by_ratio)
    }
}

/// Decompresses `bytes`, or lends them as they are. One byte beyond the caps is `TooLarge`; bytes that are
/// not what `compression` says are `Damaged`.
pub fn decompress<'a>(
    compression: CompressionType,
    bytes: &'a [u8],
    caps: &DecompressionCaps,
) -> Result<Cow<'a, [u8]>, BatchError> {
    let bytes_max = caps.bytes_max(bytes.len());
    let output = match compression {
        CompressionType::None => return Ok(Cow::Borrowed(bytes)),
        CompressionType::Gzip => {
            read_capped(compression, flate2::read::MultiGzDecoder::new(bytes), bytes_max)
        }
        CompressionType::Lz4 => read_capped(compression, FrameDecoder::new(bytes), bytes_max),
        CompressionType::Zstd => zstd(bytes, bytes_max),
        CompressionType::Snappy => snappy(bytes, bytes_max),
    };
    output.map(Cow::Owned)
}

fn read_capped(
    compression: CompressionType,
    reader: impl Read,
    bytes_max: usize,
) -> Result<Vec<u8>, BatchError> {
    let mut output = Vec::new();
    let limit = bytes_max as u64 + 1;
    // `read_to_end` grows the buffer as bytes come, so that the limit also bounds what is allocated.
    reader.take(limit).read_to_end(&mut output).map_err(|_| BatchError::Damaged { compression })?;
    if output.len() > bytes_max { Err(BatchError::TooLarge { bytes_max }) } else { Ok(output) }
}

/// Largest window a Zstandard frame may ask for, as a power of two: that of level 22, 128 MiB of address
/// space.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

fn zstd(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let compression = CompressionType::Zstd;
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(bytes).map_err(|_| BatchError::Damaged { compression })?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|_| BatchError::Damaged { compression })?;
    read_capped(compression, decoder, bytes_max)
}

/// What xerial's stream starts with, before two version numbers of four bytes each.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;

/// Java producers frame blocks as xerial's library does; others send one raw block. Version numbers are not
/// looked at: producers write odd ones (trap 38).
fn snappy(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let damaged = BatchError::Damaged { compression: CompressionType::Snappy };
    let mut output = Vec::new();
    if !bytes.starts_with(XERIAL_MAGIC) {
        snappy_block(bytes, bytes_max, &mut output)?;
        return Ok(output);
    }
    let mut rest = bytes.get(XERIAL_HEADER_BYTES..).ok_or_else(|| damaged.clone())?;
    while let Some(length) = rest.split_off(..4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let block = rest.split_off(..length).ok_or_else(|| damaged.clone())?;
        snappy_block(block, bytes_max, &mut output)?;
    }
    if rest.is_empty() { Ok(output) } else { Err(damaged) }
}

fn snappy_block(block: &[u8], bytes_max: usize, output: &mut Vec<u8>) -> Result<(), BatchError> {
    let damaged = |_| BatchError::Damaged { compression: CompressionType::Snappy };
    // A block declares its length, and no element of it (two bytes at least) yields more than 64 bytes: a
    // false declaration is refused before memory is taken.
    let length = snap::raw::decompress_len(block).map_err(damaged)?;
    let start = output.len();
    if length > bytes_max.saturating_sub(start) {
        return Err(BatchError::TooLarge { bytes_max });
    }
    if length / SNAPPY_RATIO_MAX > block.len() {
        return Err(BatchError::Damaged { compression: CompressionType::Snappy });
    }
    output.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut output[start..]).map_err(damaged)?;
    Ok(())
}

/// Bytes a byte of a Snappy block can become at most: a copy of 64 bytes takes three or, near by, two for 11.
const SNAPPY_RATIO_MAX: usize = 64;

/// How a topic wants its batches compressed (`compression.type` other than `producer`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Codec {
    /// By what.
    pub compression: CompressionType,
    /// How hard, on the codec's own scale; `None` is its default. Gzip from 1 to 9 and Zstandard from -131072
    /// to 22 have levels, others have none.
    pub level: Option<i32>,
}

/// Compresses `bytes` with each codec's default level.
pub fn compress(compression: CompressionType, bytes: &[u8]) -> Vec<u8> {
    compress_by(Codec { compression, level: None }, bytes)
}

/// Compresses `bytes` in the formats that every client reads: Snappy in xerial's frames, LZ4 in frames of
/// independent blocks of 64 KiB without checksums, as Kafka's producer writes them.
pub(super) fn compress_by(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec.compression {
        CompressionType::None => bytes.to_vec(),
        CompressionType::Gzip => {
            let level = codec.level.and_then(|level| u32::try_from(level).ok());
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect(IN_MEMORY);
            encoder.finish().expect(IN_MEMORY)
        }
        CompressionType::Lz4 => {
            let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(bytes).expect(IN_MEMORY);
            encoder.finish().expect(IN_MEMORY)
        }
        CompressionType::Zstd => compress_zstd(bytes, codec.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)),
        CompressionType::Snappy => compress_snappy(bytes),
    }
}

const IN_MEMORY: &str = "writing to memory cannot fail";

/// Largest window of what the broker compresses itself, as a power of two: the 8 MiB that every decoder must
/// be able to read. It also bounds the compressor's memory, which at level 22 is some 20 times the window.
const ZSTD_WINDOW_LOG_WRITTEN_MAX: u32 = 23;

fn compress_zstd(bytes: &[u8], level: i32) -> Vec<u8> {
    let mut compressor =
        zstd::bulk::Compressor::new(level).expect("the level is within the setting's bounds");
    if bytes.len() > 1 << ZSTD_WINDOW_LOG_WRITTEN_MAX {
        let window = zstd::zstd_safe::CParameter::WindowLog(ZSTD_WINDOW_LOG_WRITTEN_MAX);
        compressor.set_parameter(window).expect("the window is within Zstandard's bounds");
    }
    compressor.compress(bytes).expect("the buffer is as large as compressed bytes can be")
}

fn compress_snappy(bytes: &[u8]) -> Vec<u8> {
    let mut output = XERIAL_MAGIC.to_vec();
    output.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    for block in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let block = snap::raw::Encoder::new().compress_vec(block).expect("a block is far below 4 GiB");
        output.extend_from_slice(&(block.len() as u32).to_be_bytes());
        output.extend_from_slice(&block);
    }
    output
}

/// Uncompressed bytes per xerial block.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests;
