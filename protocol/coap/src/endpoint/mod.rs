//! Both roles of a CoAP endpoint, sans-IO, in two layers.
//!
//! ```text
//! datagram -> exchange -> (OSCORE) -> request -> application
//! datagram <- exchange <- (OSCORE) <- request <- application
//! ```
//!
//! Tables are whatever the caller hands over as slices: arrays on firmware, vectors on a server. What a slot keeps
//! (a datagram, a body) lives in a [`Keep`].

pub mod exchange;
pub mod request;

use zeroize::optimization_barrier;

/// A point on the caller's monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This much later.
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }
}

/// The transmission parameters of RFC 7252 §4.8, in milliseconds.
pub mod times {
    /// Before the first retransmission, at least.
    pub const ACK_TIMEOUT: u64 = 2_000;
    /// ACK_TIMEOUT * (ACK_RANDOM_FACTOR - 1): the random part on top.
    pub const ACK_SPREAD: u64 = 1_000;
    /// Retransmissions of one message.
    pub const MAX_RETRANSMIT: u8 = 4;
    /// From the first transmission until the sender gives up.
    pub const MAX_TRANSMIT_WAIT: u64 = 93_000;
    /// For how long a message ID of a confirmable message is remembered (§4.8.2).
    pub const EXCHANGE_LIFETIME: u64 = 247_000;
    /// The same for a non-confirmable one.
    pub const NON_LIFETIME: u64 = 145_000;
    /// How long a handler may think before its request is acknowledged separately (PROCESSING_DELAY, §4.8.2, is
    /// ACK_TIMEOUT at most; half of it leaves room for the way back).
    pub const ACK_DELAY: u64 = 1_000;
}

/// A place for bytes inside a slot: fixed on firmware ([`Buf`]), on the heap elsewhere.
pub trait Keep: Default {
    /// Replaces the content; on failure the content is empty.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), crate::Full> {
        self.forget();
        self.append(bytes)
    }
    /// Adds at the end; on failure nothing changes.
    fn append(&mut self, bytes: &[u8]) -> Result<(), crate::Full>;
    /// The content.
    fn kept(&self) -> &[u8];
    /// Empties it. What stays in its memory is nobody's secret: [`Buf`] wipes it.
    fn forget(&mut self);
    /// How much it can take.
    fn capacity(&self) -> usize;
}

/// A [`Keep`] of `N` bytes in place.
#[derive(Clone, Debug)]
pub struct Buf<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Buf<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Keep for Buf<N> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), crate::Full> {
        let end = self.len.saturating_add(bytes.len());
        self.bytes.get_mut(self.len..end).ok_or(crate::Full)?.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.len = end;
        Ok(())
    }

    fn kept(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn forget(&mut self) {
        let used = self.bytes.get_mut(..self.len).unwrap_or_default();
        used.fill(0); // words at a time; `zeroize` by itself goes byte by byte
        optimization_barrier(used);
        self.len = 0;
    }

    fn capacity(&self) -> usize {
        N
    }
}

/// FNV-1a: spreads keys over a table and names bodies. Not a defence: nothing here trusts it against an attacker.
#[derive(Clone)]
struct Fnv(u64);

impl Fnv {
    fn new(seed: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325 ^ seed)
    }
}

impl core::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever happens to it, there is nothing behind its end.
    #[test]
    fn what_a_buf_forgets_is_gone() {
        let mut buf = Buf::<8>::default();
        for content in [&b"secret"[..], b"12345678", b"", b"ab"] {
            buf.keep(content).expect("it fits");
            assert_eq!(buf.kept(), content);
            assert!(buf.bytes.iter().skip(content.len()).all(|&byte| byte == 0), "{content:?}");
        }
        buf.append(b"too long").expect_err("it does not");
        assert_eq!(buf.kept(), b"ab");
        buf.forget();
        assert_eq!(buf.bytes, [0; 8]);
    }
}
