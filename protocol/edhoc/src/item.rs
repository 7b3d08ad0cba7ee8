//! Small pieces of CBOR that go into hashes and lengths without a buffer of the caller's.

use latchwork_cbor::{Full, Writer};

/// A few encoded bytes: an integer, or the head of something longer.
#[derive(Clone, Copy)]
pub(crate) struct Item {
    bytes: [u8; 12],
    length: usize,
}

impl Item {
    pub(crate) const EMPTY: Self = Self { bytes: [0; 12], length: 0 };

    pub(crate) fn int(number: i64) -> Self {
        Self::written(|cbor| cbor.int(number).map(drop))
    }

    pub(crate) fn uint(number: usize) -> Self {
        Self::written(|cbor| cbor.uint(number as u64).map(drop))
    }

    /// The head of a byte string.
    pub(crate) fn bytes_head(length: usize) -> Self {
        Self::written(|cbor| cbor.bytes_head(length).map(drop))
    }

    /// Whatever `write` writes, which must fit: twelve bytes hold one head and a short key before it.
    pub(crate) fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Self {
        let mut item = Self::EMPTY;
        let mut cbor = Writer::new(&mut item.bytes);
        item.length = match write(&mut cbor) {
            Ok(()) => cbor.len(),
            Err(Full) => 0,
        };
        item
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }
}

/// How long a byte string becomes with its head.
pub(crate) fn bytes_len(content: usize) -> usize {
    Item::bytes_head(content).len().saturating_add(content)
}

/// The head of every hash in the transcript.
pub(crate) const HASH_HEAD: &[u8] = &[0x58, 32];
