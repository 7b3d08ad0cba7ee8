//! Cipher suites (RFC 9528 §3.6): we have one, and say so.

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::error::Error;

/// AES-CCM-16-64-128, SHA-256, P-256, ES256; AES-CCM-16-64-128 and SHA-256 for the application.
pub const SUITE_2: i64 = 2;

/// A list of cipher suites as it came: SUITES_I or SUITES_R.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suites<'s>(&'s [u8]);

impl<'s> Suites<'s> {
    /// The only one we have.
    pub const OURS: Suites<'static> = Suites(&[2]);

    /// `suites = [2* int] / int`
    pub(crate) fn read(cbor: &mut Reader<'s>) -> Result<Self, Error> {
        let all = cbor.item()?;
        let mut inside = Reader::new(all);
        let count = if inside.peek()? == Kind::Array { inside.array()? } else { 1 };
        if count < 2 && inside.rest().len() < all.len() {
            return Err(Error::Malformed);
        }
        for _ in 0..count {
            inside.int()?;
        }
        Ok(Self(all))
    }

    /// The suites in their order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<'s> {
        let mut cbor = Reader::new(self.0);
        let _ = cbor.array(); // a single suite has no array around it
        core::iter::from_fn(move || cbor.int().ok())
    }

    /// Whether the last one is ours and none before it is: the peer must not be talked out of what it prefers (RFC 9528 §5.2.3).
    pub(crate) fn select_ours(&self) -> bool {
        let behind = self.iter().skip_while(|suite| *suite != SUITE_2).count();
        behind == 1
    }

    pub(crate) const fn as_bytes(&self) -> &'s [u8] {
        self.0
    }
}

/// Writes SUITES_I that selects ours behind what we `prefer` to it.
pub(crate) fn write(prefer: &[i64], cbor: &mut Writer<'_>) -> Result<(), Full> {
    if !prefer.is_empty() {
        cbor.array(prefer.len().saturating_add(1))?;
    }
    for suite in prefer.iter().chain(&[SUITE_2]) {
        cbor.int(*suite)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use std::vec::Vec;

    #[test]
    fn lists_and_what_they_select() {
        for (wire, suites, ours) in [
            ("02", Ok(&[2][..]), true),
            ("06", Ok(&[6]), false),
            ("820602", Ok(&[6, 2]), true),
            ("820206", Ok(&[2, 6]), false),
            ("83020602", Ok(&[2, 6, 2]), false),
            ("820202", Ok(&[2, 2]), false),
            ("8306181802", Ok(&[6, 24, 2]), true),
            ("823702", Ok(&[-24, 2]), true),
            ("80", Err(Error::Malformed), false),
            ("8102", Err(Error::Malformed), false),
            ("82024102", Err(Error::Malformed), false),
            ("8302", Err(Error::Malformed), false),
            ("9f0602ff", Err(Error::Malformed), false),
            ("4102", Err(Error::Malformed), false),
            ("1802", Err(Error::Malformed), false),
        ] {
            let wire = hex(wire);
            let read = Suites::read(&mut Reader::new(&wire));
            assert_eq!(read.map(|read| read.iter().collect::<Vec<_>>()), suites.map(<[_]>::to_vec), "{wire:x?}");
            assert_eq!(read.is_ok_and(|read| read.select_ours()), ours, "{wire:x?}");
        }
    }
}
