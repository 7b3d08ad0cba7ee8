//! The writer into a slice.

use crate::Full;

/// Fills a borrowed slice, always in the shortest form. What does not fit is not begun.
///
/// It does not watch over counts and the order of keys: those are in plain sight of whoever calls it.
#[derive(Debug)]
pub struct Writer<'w> {
    buffer: &'w mut [u8],
    length: usize,
}

impl<'w> Writer<'w> {
    /// Writes from the first byte of the buffer on.
    pub const fn new(buffer: &'w mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// An unsigned integer.
    pub fn uint(&mut self, number: u64) -> Result<&mut Self, Full> {
        self.head(0, number, &[])
    }

    /// An integer of either sign.
    pub fn int(&mut self, number: i64) -> Result<&mut Self, Full> {
        // -1 - n, which is !n in two's complement, makes a negative number unsigned (RFC 8949 §3.1).
        if number < 0 {
            self.head(1, (!number).cast_unsigned(), &[])
        } else {
            self.head(0, number.cast_unsigned(), &[])
        }
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        self.head(2, bytes.len() as u64, bytes)
    }

    /// The head of a byte string whose `length` bytes come next by other calls.
    pub fn bytes_head(&mut self, length: usize) -> Result<&mut Self, Full> {
        self.head(2, length as u64, &[])
    }

    /// A text string.
    pub fn text(&mut self, text: &str) -> Result<&mut Self, Full> {
        self.head(3, text.len() as u64, text.as_bytes())
    }

    /// The head of an array; its items come next.
    pub fn array(&mut self, items: usize) -> Result<&mut Self, Full> {
        self.head(4, items as u64, &[])
    }

    /// The head of a map; its keys and values come next.
    pub fn map(&mut self, entries: usize) -> Result<&mut Self, Full> {
        self.head(5, entries as u64, &[])
    }

    /// A tag; its content comes next.
    pub fn tag(&mut self, number: u64) -> Result<&mut Self, Full> {
        self.head(6, number, &[])
    }

    /// `false` or `true`.
    pub fn bool(&mut self, value: bool) -> Result<&mut Self, Full> {
        self.head(7, if value { 21 } else { 20 }, &[])
    }

    /// `null`.
    pub fn null(&mut self) -> Result<&mut Self, Full> {
        self.head(7, 22, &[])
    }

    /// Bytes that are CBOR already.
    pub fn raw(&mut self, cbor: &[u8]) -> Result<&mut Self, Full> {
        self.put(&[], cbor)
    }

    /// How many bytes are written.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is written yet.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What is written so far.
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// What was written.
    pub fn finish(self) -> &'w [u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    fn head(&mut self, major: u8, argument: u64, content: &[u8]) -> Result<&mut Self, Full> {
        let major = major << 5;
        let [.., a, b, c, d] = argument.to_be_bytes();
        match argument {
            0..=23 => self.put(&[major | d], content),
            24..=0xff => self.put(&[major | 24, d], content),
            0x100..=0xffff => self.put(&[major | 25, c, d], content),
            0x1_0000..=0xffff_ffff => self.put(&[major | 26, a, b, c, d], content),
            _ => {
                let [e, f, g, h, ..] = argument.to_be_bytes();
                self.put(&[major | 27, e, f, g, h, a, b, c, d], content)
            }
        }
    }

    fn put(&mut self, head: &[u8], content: &[u8]) -> Result<&mut Self, Full> {
        let free = self.buffer.get_mut(self.length..).unwrap_or_default();
        let (head_place, free) = free.split_at_mut_checked(head.len()).ok_or(Full)?;
        let (content_place, _) = free.split_at_mut_checked(content.len()).ok_or(Full)?;
        head_place.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        content_place.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
        self.length += head.len() + content.len();
        Ok(self)
    }
}
