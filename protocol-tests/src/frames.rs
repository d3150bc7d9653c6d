//! Valid request frames, made from the guard's layout lines.

use highwater::protocol::guard::{Field, Kind, Layout};

use crate::random::Random;

/// How a frame is filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// Everything at random: counts 0 to 3, strings, nulls, known and unknown tagged fields.
    Random,
    /// As much memory for as few bytes as can be: the array with this number (counted in the order in which
    /// arrays begin) has that many elements, those around it one, all others none; strings are empty, nothing
    /// is null.
    Lean {
        /// Which array.
        array: usize,
        /// Its elements.
        elements: usize,
        /// Whether each struct has an unknown tagged field of no bytes, where the version allows.
        tagged: bool,
    },
}

/// Makes a frame (header and body, no length in front).
pub fn frame(layout: &Layout, api_version: i16, fill: Fill, random: &mut Random) -> Vec<u8> {
    let flexible = layout.is_flexible(api_version);
    let mut writer = Writer { frame: Vec::new(), api_version, flexible, fill, random, arrays: 0 };
    writer.frame.extend_from_slice(&layout.api_key.to_be_bytes());
    writer.frame.extend_from_slice(&api_version.to_be_bytes());
    writer.frame.extend_from_slice(&7_i32.to_be_bytes());
    writer.header();
    writer.fields(&layout.fields);
    writer.frame
}

/// How many arrays a version has, nested ones included.
pub fn arrays_count(layout: &Layout, api_version: i16) -> usize {
    let present = layout.fields.iter().filter(|field| field.versions.contains(&api_version));
    present.map(|field| arrays_in(&field.kind, api_version)).sum()
}

/// Appends an unsigned variable-length number.
pub fn put_varint(buffer: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

struct Writer<'a> {
    frame: Vec<u8>,
    api_version: i16,
    flexible: bool,
    fill: Fill,
    random: &'a mut Random,
    /// Arrays begun so far, in the order of the layout (elements do not count twice).
    arrays: usize,
}

/// First number of the tags that no message knows.
const UNKNOWN_TAG_MIN: u32 = 100;

impl Writer<'_> {
    fn header(&mut self) {
        let client_id = b"client";
        if self.fill == Fill::Random && self.random.one_in(4) {
            self.frame.extend_from_slice(&[0xff, 0xff]);
        } else {
            self.frame.extend_from_slice(&(client_id.len() as i16).to_be_bytes());
            self.frame.extend_from_slice(client_id);
        }
        if self.flexible {
            self.tagged(&[]);
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            if field.versions.contains(&self.api_version) {
                self.value(&field.kind, field.nullable);
            }
        }
        if self.flexible {
            self.tagged(fields);
        }
    }

    fn value(&mut self, kind: &Kind, nullable: bool) {
        let null = nullable && self.fill == Fill::Random && self.random.one_in(4);
        match kind {
            Kind::Fixed(bytes) => self.fixed(*bytes),
            Kind::String if null => self.length(-1, 2),
            Kind::String => {
                let length = self.text_length();
                self.length(length as i64, 2);
                self.frame.extend(std::iter::repeat_n(b'x', length));
            }
            Kind::Bytes if null => self.length(-1, 4),
            Kind::Bytes => {
                let length = self.text_length();
                self.length(length as i64, 4);
                self.fixed(length);
            }
            Kind::Array(element) => self.array(element, null),
            Kind::Struct(_) if null => self.frame.push(0xff),
            Kind::Struct(fields) => {
                if nullable {
                    self.frame.push(1);
                }
                self.fields(fields);
            }
        }
    }

    fn array(&mut self, element: &Kind, null: bool) {
        let index = self.arrays;
        let inner = arrays_in(element, self.api_version);
        self.arrays += 1;
        let count = match self.fill {
            Fill::Random => self.random.below(4),
            Fill::Lean { array, elements, .. } if array == index => elements,
            Fill::Lean { array, .. } => usize::from(index < array && array <= index + inner),
        };
        if null {
            self.length(-1, 4);
        } else {
            self.length(count as i64, 4);
            for _ in 0..count {
                self.arrays = index + 1;
                self.value(element, false);
            }
        }
        self.arrays = index + 1 + inner;
    }

    fn tagged(&mut self, fields: &[Field]) {
        let known =
            fields.iter().filter(|field| field.tag.is_some() && field.versions.contains(&self.api_version));
        let (known, unknown): (Vec<&Field>, u32) = match self.fill {
            Fill::Random => {
                let chosen: Vec<_> = known.filter(|_| self.random.one_in(2)).collect();
                (chosen, if self.random.one_in(4) { 1 + self.random.below(2) as u32 } else { 0 })
            }
            Fill::Lean { tagged, .. } => (Vec::new(), u32::from(tagged)),
        };
        put_varint(&mut self.frame, known.len() as u32 + unknown);
        for field in known {
            put_varint(&mut self.frame, field.tag.expect("only tagged fields were chosen"));
            let outer = std::mem::take(&mut self.frame);
            self.value(&field.kind, field.nullable);
            let content = std::mem::replace(&mut self.frame, outer);
            put_varint(&mut self.frame, content.len() as u32);
            self.frame.extend_from_slice(&content);
        }
        for index in 0..unknown {
            put_varint(&mut self.frame, UNKNOWN_TAG_MIN + index);
            let length = self.text_length();
            put_varint(&mut self.frame, length as u32);
            self.fixed(length);
        }
    }

    fn fixed(&mut self, bytes: usize) {
        let bytes = if self.fill == Fill::Random { self.random.bytes(bytes) } else { vec![0; bytes] };
        self.frame.extend_from_slice(&bytes);
    }

    fn text_length(&mut self) -> usize {
        match self.fill {
            // Now and then beyond what one byte of a compact length can say.
            Fill::Random if self.random.one_in(16) => 127 + self.random.below(100),
            Fill::Random => self.random.below(5),
            Fill::Lean { .. } => 0,
        }
    }

    fn length(&mut self, length: i64, fixed_bytes: usize) {
        if self.flexible {
            put_varint(&mut self.frame, (length + 1) as u32);
        } else {
            self.frame.extend_from_slice(&length.to_be_bytes()[8 - fixed_bytes..]);
        }
    }
}

fn arrays_in(kind: &Kind, api_version: i16) -> usize {
    match kind {
        Kind::Array(element) => 1 + arrays_in(element, api_version),
        Kind::Struct(fields) => {
            let present = fields.iter().filter(|field| field.versions.contains(&api_version));
            present.map(|field| arrays_in(&field.kind, api_version)).sum()
        }
        Kind::Fixed(_) | Kind::String | Kind::Bytes => 0,
    }
}
