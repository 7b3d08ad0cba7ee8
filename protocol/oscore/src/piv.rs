//! Partial IVs (RFC 8613 §5).

/// A Partial IV: a Sender Sequence Number below 2^40, on the wire without leading zeros (RFC 8613 §5).
///
/// ```
/// use latchwork_oscore::PartialIv;
/// assert_eq!(PartialIv::new(0x0123).unwrap().as_bytes(), [0x01, 0x23]);
/// assert_eq!(PartialIv::new(0).unwrap().as_bytes(), [0]);
/// assert!(PartialIv::parse(&[0, 1]).is_none()); // one number, one encoding
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialIv {
    /// Big-endian, padded to the left as the nonce wants it.
    padded: [u8; Self::MAX_LEN],
}

impl PartialIv {
    /// The longest Partial IV.
    pub const MAX_LEN: usize = 5;
    /// 2^40 - 1, the last number that AES-CCM-16-64-128 may use (RFC 8613 §12).
    pub const MAX: u64 = (1 << 40) - 1;

    /// The Partial IV of a sequence number, unless that number is past [`MAX`](Self::MAX).
    pub fn new(number: u64) -> Option<Self> {
        match number.to_be_bytes() {
            [0, 0, 0, a, b, c, d, e] => Some(Self { padded: [a, b, c, d, e] }),
            _ => None,
        }
    }

    /// Reads the 1 to 5 bytes of the OSCORE option; refuses leading zeros, which a sender must remove.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; Self::MAX_LEN];
        let pad = Self::MAX_LEN.checked_sub(bytes.len())?;
        padded.get_mut(pad..)?.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let piv = Self { padded };
        (piv.as_bytes() == bytes).then_some(piv)
    }

    /// The sequence number.
    pub fn number(&self) -> u64 {
        let [a, b, c, d, e] = self.padded;
        u64::from_be_bytes([0, 0, 0, a, b, c, d, e])
    }

    /// Without leading zeros; zero itself is one byte.
    pub fn as_bytes(&self) -> &[u8] {
        let [leading @ .., _] = &self.padded;
        let zeros = leading.iter().take_while(|byte| **byte == 0).count();
        self.padded.get(zeros..).unwrap_or_default()
    }

    pub(crate) fn padded(&self) -> &[u8; Self::MAX_LEN] {
        &self.padded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes() {
        for (number, bytes) in [
            (0, &[0][..]),
            (0x14, &[0x14]),
            (0x100, &[1, 0]),
            (0xff_ffff, &[0xff, 0xff, 0xff]),
            (0x100_0000, &[1, 0, 0, 0]),
            (PartialIv::MAX, &[0xff; 5]),
        ] {
            let piv = PartialIv::new(number);
            assert_eq!(piv, PartialIv::parse(bytes), "{number}");
            assert!(piv.is_some_and(|piv| piv.number() == number && piv.as_bytes() == bytes), "{number}");
        }
        assert_eq!(PartialIv::new(PartialIv::MAX + 1), None);
    }

    #[test]
    fn refused_encodings() {
        for bytes in [&[][..], &[0, 0], &[0, 1], &[0, 0, 0, 0, 1], &[1; 6]] {
            assert_eq!(PartialIv::parse(bytes), None, "{bytes:?}");
        }
    }
}
