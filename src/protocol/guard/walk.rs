//! The walker: one pass over a frame, no allocation, no byte read twice.

use super::super::varint;
use super::Fault;
use super::layout::{Field, Kind};

/// What an array element or a tagged field is charged. No request's element is larger, nor a tagged field's
/// entry in the decoder's map; a struct with tagged fields is charged once more for the map itself (a test
/// measures both).
pub const CHARGE_BYTES_PER_ELEMENT: u64 = 256;

/// Why walking ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    Fault(Fault),
    TooCostly,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

/// The state of one walk.
pub(super) struct Walk<'a> {
    frame_bytes: usize,
    /// What was not walked yet; inside a known tagged field, of that field only.
    rest: &'a [u8],
    /// Bytes behind the tagged field that is being walked.
    behind: usize,
    flexible: bool,
    version: i16,
    charge_bytes: u64,
    charge_bytes_max: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(frame: &'a [u8], flexible: bool, version: i16, charge_bytes_max: u64) -> Walk<'a> {
        let frame_bytes = frame.len();
        Walk { frame_bytes, rest: frame, behind: 0, flexible, version, charge_bytes: 0, charge_bytes_max }
    }

    /// Offset in the frame of the next byte.
    pub(super) fn position(&self) -> usize {
        self.frame_bytes - self.behind - self.rest.len()
    }

    pub(super) fn charge_bytes(&self) -> u64 {
        self.charge_bytes
    }

    /// The rest of the request header: the client id keeps its two-byte length when flexible (KIP-482).
    pub(super) fn header(&mut self) -> Result<(), Stop> {
        let length = i64::from(i16::from_be_bytes(self.take()?));
        self.sized(length, true)?;
        if self.flexible { self.tagged(&[]) } else { Ok(()) }
    }

    /// The header of a reply: its correlation id. Never of ApiVersions, whose header is not flexible.
    pub(super) fn reply_header(&mut self) -> Result<(), Stop> {
        self.fixed(4)?;
        if self.flexible { self.tagged(&[]) } else { Ok(()) }
    }

    /// The fields of a message or struct, and its tagged fields when flexible.
    pub(super) fn fields(&mut self, fields: &[Field]) -> Result<(), Stop> {
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            if field.versions.contains(&self.version) {
                self.value(&field.kind, field.nullable)?;
            }
        }
        if self.flexible { self.tagged(fields) } else { Ok(()) }
    }

    fn value(&mut self, kind: &Kind, nullable: bool) -> Result<(), Stop> {
        match kind {
            Kind::Fixed(bytes) => self.fixed(*bytes),
            Kind::String => {
                let length = if self.flexible {
                    self.compact_length()?
                } else {
                    i64::from(i16::from_be_bytes(self.take()?))
                };
                self.sized(length, nullable)
            }
            Kind::Bytes => {
                let length = self.length()?;
                self.sized(length, nullable)
            }
            Kind::Array(element) => self.array(element, nullable),
            Kind::Struct(fields) => {
                // A nullable struct is preceded by a byte: 1, or anything else for null.
                if nullable && self.take::<1>()? != [1] { Ok(()) } else { self.fields(fields) }
            }
        }
    }

    fn array(&mut self, element: &Kind, nullable: bool) -> Result<(), Stop> {
        let count = match self.length()? {
            -1 if nullable => return Ok(()),
            -1 => return Err(Fault::Null.into()),
            count => u64::try_from(count).map_err(|_| Fault::Negative)?,
        };
        // No element takes less than a byte, so a larger count lies.
        if count > self.rest.len() as u64 {
            return Err(Fault::Count(count).into());
        }
        self.charge(count)?;
        if let Kind::Fixed(bytes) = element {
            return self.fixed(count as usize * bytes);
        }
        for _ in 0..count {
            self.value(element, false)?;
        }
        Ok(())
    }

    /// The tagged fields at the end of a struct (KIP-482). Known ones are walked by their layout, since the
    /// decoder reads them so and ignores the declared size; unknown ones are skipped by their size, as the
    /// decoder does.
    fn tagged(&mut self, fields: &[Field]) -> Result<(), Stop> {
        let count = self.unsigned()?;
        if u64::from(count) > self.rest.len() as u64 / 2 {
            return Err(Fault::Count(count.into()).into());
        }
        if count > 0 {
            // One more, since the decoder's map begins with room for eleven.
            self.charge(u64::from(count) + 1)?;
        }
        for _ in 0..count {
            let tag = self.unsigned()?;
            let size = self.unsigned()? as usize;
            match fields.iter().find(|field| field.tag == Some(tag)) {
                None => self.fixed(size)?,
                Some(field) if field.versions.contains(&self.version) => self.known(tag, size, field)?,
                Some(_) => return Err(Fault::Tag(tag).into()),
            }
        }
        Ok(())
    }

    fn known(&mut self, tag: u32, size: usize, field: &Field) -> Result<(), Stop> {
        let (inside, after) = self.rest.split_at_checked(size).ok_or(Fault::Truncated)?;
        let behind = self.behind;
        self.behind += after.len();
        self.rest = inside;
        self.value(&field.kind, field.nullable)?;
        if !self.rest.is_empty() {
            return Err(Fault::TagSize(tag).into());
        }
        self.behind = behind;
        self.rest = after;
        Ok(())
    }

    pub(super) fn fixed(&mut self, bytes: usize) -> Result<(), Stop> {
        self.rest.split_off(..bytes).ok_or(Fault::Truncated)?;
        Ok(())
    }

    fn sized(&mut self, length: i64, nullable: bool) -> Result<(), Stop> {
        match length {
            -1 if nullable => Ok(()),
            -1 => Err(Fault::Null.into()),
            length => self.fixed(usize::try_from(length).map_err(|_| Fault::Negative)?),
        }
    }

    /// Count or length of an array or bytes: four bytes, or compact.
    fn length(&mut self) -> Result<i64, Stop> {
        if self.flexible { self.compact_length() } else { Ok(i64::from(i32::from_be_bytes(self.take()?))) }
    }

    /// Compact lengths are one more than they mean; 0 is null.
    fn compact_length(&mut self) -> Result<i64, Stop> {
        Ok(i64::from(self.unsigned()?) - 1)
    }

    fn unsigned(&mut self) -> Result<u32, Stop> {
        if self.rest.is_empty() {
            return Err(Fault::Truncated.into());
        }
        varint::unsigned(&mut self.rest).ok_or(Stop::Fault(Fault::Varint))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn charge(&mut self, elements: u64) -> Result<(), Stop> {
        self.charge_bytes =
            self.charge_bytes.saturating_add(elements.saturating_mul(CHARGE_BYTES_PER_ELEMENT));
        if self.charge_bytes > self.charge_bytes_max { Err(Stop::TooCostly) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
