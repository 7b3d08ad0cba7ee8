//! The identifiers of ends and contexts (RFC 8613 §3.3).

use core::fmt;

/// A Sender ID or Recipient ID: 0 to 7 bytes, the length of the nonce (13) less 6 (RFC 8613 §3.3).
pub type Id = Short<7>;

/// An ID Context of at most 32 bytes. The RFC sets no bound; what must fit a lock's memory needs one.
pub type IdContext = Short<32>;

/// Up to `MAX` bytes; the empty string is legitimate and differs from none at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Short<const MAX: usize> {
    len: u8,
    bytes: [u8; MAX],
}

impl<const MAX: usize> Short<MAX> {
    /// The longest there can be.
    pub const MAX_LEN: usize = MAX;

    /// `None` when there are more than `MAX` bytes.
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX];
        bytes.get_mut(..id.len())?.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
        Some(Self { len: u8::try_from(id.len()).ok()?, bytes })
    }

    /// The identifier as it travels.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const MAX: usize> fmt::Debug for Short<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (len, id, context) in
            [(0, true, true), (7, true, true), (8, false, true), (32, false, true), (33, false, false)]
        {
            let bytes = &[0xab; 40][..len];
            assert_eq!(Id::new(bytes).is_some_and(|id| id.as_bytes() == bytes), id, "id of {len}");
            assert_eq!(IdContext::new(bytes).is_some_and(|id| id.as_bytes() == bytes), context, "context of {len}");
        }
    }

    #[test]
    fn a_zero_is_not_an_absence() {
        assert_ne!(Id::new(&[]), Id::new(&[0]));
        assert_ne!(IdContext::new(&[0]), IdContext::new(&[0, 0]));
    }
}
