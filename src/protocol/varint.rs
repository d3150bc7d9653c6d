//! Variable-length integers: seven bits a byte, lowest first; signed ones are zigzag encoded.
//!
//! Each reader takes its bytes off the front of the slice, or gives `None` and leaves the slice undefined:
//! the bytes ended, or the number is longer than its type allows.

use bytes::BufMut;

/// Longest encoding of a 32-bit number.
const BYTES_MAX_32: u32 = 5;
/// Longest encoding of a 64-bit number.
const BYTES_MAX_64: u32 = 10;

/// An unsigned 32-bit number: lengths and counts of flexible messages.
#[inline]
pub(super) fn unsigned(bytes: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u32::from(first));
    }
    u32::try_from(long(bytes, BYTES_MAX_32)?).ok()
}

/// A signed 32-bit number: lengths and counts inside records.
#[inline]
pub(super) fn signed(bytes: &mut &[u8]) -> Option<i32> {
    let raw = unsigned(bytes)?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// A signed 64-bit number: timestamps inside records.
#[inline]
pub(super) fn signed_long(bytes: &mut &[u8]) -> Option<i64> {
    let raw = long(bytes, BYTES_MAX_64)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

fn long(bytes: &mut &[u8], bytes_max: u32) -> Option<u64> {
    let mut value = 0_u64;
    for index in 0..bytes_max {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == BYTES_MAX_64 - 1 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends an unsigned number.
pub(super) fn put_unsigned(buffer: &mut impl BufMut, value: u32) {
    put_long(buffer, u64::from(value));
}

/// Appends a signed 32-bit number.
pub(super) fn put_signed(buffer: &mut impl BufMut, value: i32) {
    put_long(buffer, u64::from((value << 1 ^ value >> 31) as u32));
}

/// Appends a signed 64-bit number.
pub(super) fn put_signed_long(buffer: &mut impl BufMut, value: i64) {
    put_long(buffer, (value << 1 ^ value >> 63) as u64);
}

fn put_long(buffer: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        buffer.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

#[cfg(test)]
mod tests;
