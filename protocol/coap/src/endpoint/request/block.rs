//! The value of the Block options (RFC 7959 §2.2).

use crate::message::shortest;

/// The value of Block1 and Block2 (RFC 7959 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which block.
    pub number: u32,
    /// Whether more follow.
    pub more: bool,
    /// The size exponent, at most 6.
    exponent: u8,
}

impl Block {
    /// The largest block, 1024 bytes.
    pub const MAX_EXPONENT: u8 = 6;

    /// None if the number needs more than 20 bits or the exponent is the reserved 7.
    pub fn new(number: u32, more: bool, exponent: u8) -> Option<Self> {
        (number < 1 << 20 && exponent <= Self::MAX_EXPONENT).then_some(Self { number, more, exponent })
    }

    /// None if this is no block option: more than 3 bytes, or the reserved exponent.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > 3 {
            return None;
        }
        let value = value.iter().fold(0u32, |sum, &byte| sum << 8 | u32::from(byte));
        Self::new(value >> 4, value & 8 != 0, (value & 7) as u8)
    }

    /// The same block with nothing behind it.
    pub fn last(self) -> Self {
        Self { more: false, ..self }
    }

    /// As an option of format uint.
    pub fn to_uint(self) -> u32 {
        self.number << 4 | u32::from(self.more) << 3 | u32::from(self.exponent)
    }

    /// The shortest form of the option, in the last bytes of the array.
    pub fn to_bytes(self) -> BlockBytes {
        let [_, bytes @ ..] = self.to_uint().to_be_bytes();
        BlockBytes(bytes)
    }

    /// 16 to 1024.
    pub fn size(self) -> usize {
        16 << self.exponent
    }

    /// The exponent of the size.
    pub fn exponent(self) -> u8 {
        self.exponent
    }

    /// Where the block begins.
    pub fn offset(self) -> usize {
        (self.number as usize).saturating_mul(self.size())
    }
}

/// An encoded [`Block`].
#[derive(Clone, Copy, Debug)]
pub struct BlockBytes([u8; 3]);

impl BlockBytes {
    /// The option's value.
    pub fn as_bytes(&self) -> &[u8] {
        shortest(&self.0)
    }
}
