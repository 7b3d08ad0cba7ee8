//! The OSCORE option's value (RFC 8613 §6.1).

use crate::piv::PartialIv;

/// What the OSCORE option says: which context to take, and which number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OscoreOption<'m> {
    /// The sender's identifier; always there in a request.
    pub kid: Option<&'m [u8]>,
    /// The ID Context, where `kid` alone does not find the context.
    pub kid_context: Option<&'m [u8]>,
    /// The sender's sequence number; always there in a request.
    pub piv: Option<PartialIv>,
}

/// The value breaks RFC 8613 §6.1 (a reserved bit, a length that runs over, a Partial IV in long form), the option
/// is repeated, or it came without payload (§2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'m> OscoreOption<'m> {
    /// Reads the option's value. Bytes after the last field, reserved bits and reserved lengths are refused.
    pub fn parse(value: &'m [u8]) -> Result<Self, Malformed> {
        let Some((&flags, rest)) = value.split_first() else {
            return Ok(Self::default());
        };
        // All zero must have been sent as the empty value (§2); the top three bits are reserved.
        if flags == 0 || flags & RESERVED != 0 || value.len() > MAX_LEN {
            return Err(Malformed);
        }
        let (piv, rest) = match usize::from(flags & PIV_LENGTH) {
            0 => (None, rest),
            n => {
                let (piv, rest) = rest.split_at_checked(n).ok_or(Malformed)?;
                (Some(PartialIv::parse(piv).ok_or(Malformed)?), rest)
            }
        };
        let (kid_context, rest) = if flags & KID_CONTEXT == 0 {
            (None, rest)
        } else {
            let (&length, rest) = rest.split_first().ok_or(Malformed)?;
            let (context, rest) = rest.split_at_checked(usize::from(length)).ok_or(Malformed)?;
            (Some(context), rest)
        };
        match (flags & KID != 0, rest) {
            (true, kid) => Ok(Self { kid: Some(kid), kid_context, piv }),
            (false, []) => Ok(Self { kid: None, kid_context, piv }),
            (false, _) => Err(Malformed),
        }
    }

    /// Writes the value and says how long it is; `None` when `out` is too short or a field too long.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut flags = 0;
        let mut at = 1;
        let mut put = |bytes: &[u8]| {
            let end = at + bytes.len();
            out.get_mut(at..end)?.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            at = end;
            Some(())
        };
        if let Some(piv) = &self.piv {
            let piv = piv.as_bytes();
            flags |= u8::try_from(piv.len()).ok()?;
            put(piv)?;
        }
        if let Some(context) = self.kid_context {
            flags |= KID_CONTEXT;
            put(&[u8::try_from(context.len()).ok()?])?;
            put(context)?;
        }
        if let Some(kid) = self.kid {
            flags |= KID;
            put(kid)?;
        }
        if flags == 0 {
            return Some(0);
        }
        *out.first_mut()? = flags;
        (at <= MAX_LEN).then_some(at)
    }
}

const PIV_LENGTH: u8 = 0b0000_0111;
const KID: u8 = 0b0000_1000;
const KID_CONTEXT: u8 = 0b0001_0000;
const RESERVED: u8 = 0b1110_0000;
/// The option's own bound (RFC 8613 §2).
const MAX_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn option<'m>(piv: Option<u64>, kid_context: Option<&'m [u8]>, kid: Option<&'m [u8]>) -> OscoreOption<'m> {
        OscoreOption { kid, kid_context, piv: piv.and_then(PartialIv::new) }
    }

    /// R8613-6.1-01
    #[test]
    fn both_ways() {
        let rows: &[(&[u8], OscoreOption<'_>)] = &[
            // RFC 8613 §6.3, examples 1 to 5.
            (&[0x09, 0x05, 0x25], option(Some(5), None, Some(&[0x25]))),
            (&[0x09, 0x00], option(Some(0), None, Some(&[]))),
            (b"\x19\x05\x05Dalek", option(Some(5), Some(b"Dalek"), Some(&[]))),
            (&[], option(None, None, None)),
            (&[0x01, 0x07], option(Some(7), None, None)),
            // Every length of Partial IV.
            (&[0x0a, 1, 0], option(Some(0x100), None, Some(&[]))),
            (&[0x0b, 1, 0, 0], option(Some(0x1_0000), None, Some(&[]))),
            (&[0x0c, 1, 0, 0, 0], option(Some(0x100_0000), None, Some(&[]))),
            (&[0x0d, 1, 0, 0, 0, 0], option(Some(0x1_0000_0000), None, Some(&[]))),
            // An empty kid context is still a kid context.
            (&[0x10, 0], option(None, Some(&[]), None)),
            (&[0x18, 1, 0xaa, 0xbb], option(None, Some(&[0xaa]), Some(&[0xbb]))),
        ];
        for (bytes, option) in rows {
            assert_eq!(OscoreOption::parse(bytes), Ok(*option), "{bytes:02x?}");
            let mut out = [0; 32];
            let length = option.write(&mut out);
            assert_eq!(length.and_then(|length| out.get(..length)), Some(*bytes), "{option:?}");
        }
    }

    /// R8613-6.1-01
    #[test]
    fn refused() {
        let long = [0x08; 256];
        let rows: &[(&str, &[u8])] = &[
            ("flags all zero, not empty", &[0x00]),
            ("flags all zero, trailing", &[0x00, 0x01]),
            ("reserved bit 5", &[0x29, 0x05]),
            ("reserved bit 6", &[0x49, 0x05]),
            ("reserved bit 7", &[0x89, 0x05]),
            ("Partial IV of length 6", &[0x0e, 1, 2, 3, 4, 5, 6]),
            ("Partial IV of length 7", &[0x0f, 1, 2, 3, 4, 5, 6, 7]),
            ("Partial IV missing", &[0x09]),
            ("Partial IV cut", &[0x0a, 0x01]),
            ("Partial IV with a leading zero", &[0x0a, 0x00, 0x01]),
            ("zero in two bytes", &[0x0a, 0x00, 0x00]),
            ("kid context without length", &[0x19, 0x05]),
            ("kid context runs over", &[0x19, 0x05, 0x03, 1, 2]),
            ("bytes after the Partial IV, no kid flag", &[0x01, 0x05, 0x25]),
            ("bytes after the kid context, no kid flag", &[0x11, 0x05, 0x01, 1, 2]),
            ("longer than any option", &long),
        ];
        for (what, bytes) in rows {
            assert_eq!(OscoreOption::parse(bytes), Err(Malformed), "{what}");
        }
    }

    #[test]
    fn no_room_is_no_option() {
        let full = option(Some(0x1234), Some(b"context"), Some(b"kid"));
        let mut out = [0; 14];
        for room in 0..out.len() {
            assert_eq!(full.write(out.get_mut(..room).unwrap_or_default()), None, "{room}");
        }
        assert_eq!(full.write(&mut out), Some(14));
        let mut out = [0; 300];
        assert_eq!(option(None, Some(&[0; 256]), None).write(&mut out), None);
        assert_eq!(option(None, Some(&[0; 254]), None).write(&mut out), None);
    }
}
