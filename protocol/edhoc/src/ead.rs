//! External authorization data (RFC 9528 §3.8).

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    error::Error,
    item::{Item, bytes_len},
};

/// One item of external authorization data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ead<'e> {
    /// The registered number (RFC 9528 §10.5), without the sign that goes over the wire.
    pub label: u32,
    /// Whether a receiver that does not know the label must give up.
    pub critical: bool,
    /// What it says.
    pub value: Option<&'e [u8]>,
}

impl<'e> Ead<'e> {
    /// An item that the receiver may ignore.
    pub const fn new(label: u32, value: &'e [u8]) -> Self {
        Self { label, critical: false, value: Some(value) }
    }

    /// An item that the receiver must understand.
    pub const fn critical(label: u32, value: &'e [u8]) -> Self {
        Self { label, critical: true, value: Some(value) }
    }

    /// Bytes that hide the length of the rest (§3.8.1): 1 for the label, and `value` with its head.
    pub const fn padding(value: Option<&'e [u8]>) -> Self {
        Self { label: PADDING, critical: false, value }
    }

    fn wire_label(&self) -> i64 {
        let label = i64::from(self.label);
        if self.critical { -label } else { label }
    }

    pub(crate) fn write(&self, cbor: &mut Writer<'_>) -> Result<(), Full> {
        cbor.int(self.wire_label())?;
        if let Some(value) = self.value {
            cbor.bytes(value)?;
        }
        Ok(())
    }

    pub(crate) fn encoded_len(&self) -> usize {
        Item::int(self.wire_label()).len().saturating_add(self.value.map_or(0, |value| bytes_len(value.len())))
    }
}

/// The items of one message: decoded, and none critical that nobody here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eads<'e>(&'e [u8]);

impl<'e> Eads<'e> {
    /// Takes all that is left. `known` are the labels that the application deals with.
    pub(crate) fn read(cbor: &Reader<'e>, known: &[u32]) -> Result<Self, Error> {
        let all = Self(cbor.rest());
        let mut cbor = *cbor;
        while cbor.end().is_err() {
            let (label, _) = next(&mut cbor)?;
            let is_known = u32::try_from(label.unsigned_abs()).is_ok_and(|label| known.contains(&label));
            if label < 0 && !is_known {
                return Err(Error::UnknownCriticalEad(label));
            }
        }
        Ok(all)
    }

    /// The items in their order, without padding.
    pub fn iter(&self) -> impl Iterator<Item = Ead<'e>> + use<'e> {
        let mut cbor = Reader::new(self.0);
        core::iter::from_fn(move || next(&mut cbor).ok()).filter_map(|(label, value)| {
            // A label beyond the registry is nobody's, and not critical.
            let number = u32::try_from(label.unsigned_abs()).ok()?;
            (number != PADDING).then_some(Ead { label: number, critical: label < 0, value })
        })
    }

    /// As they came.
    pub const fn as_bytes(&self) -> &'e [u8] {
        self.0
    }
}

fn next<'e>(cbor: &mut Reader<'e>) -> Result<(i64, Option<&'e [u8]>), Error> {
    let label = cbor.int()?;
    let value = match cbor.peek() {
        Ok(Kind::Bytes) => Some(cbor.bytes()?),
        _ => None,
    };
    Ok((label, value))
}

const PADDING: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use std::{vec, vec::Vec};

    #[test]
    fn items_and_their_bytes() {
        let long = vec![1; 256];
        for (items, wire) in [
            (vec![], "".into()),
            (vec![Ead { label: 0, critical: false, value: None }], hex("00")),
            (vec![Ead::padding(Some(&[0xe9]))], hex("0041e9")),
            (vec![Ead::new(1, &[])], hex("0140")),
            (vec![Ead::critical(24, &[1, 2])], hex("37420102")),
            (vec![Ead::critical(25, &[]), Ead { label: 24, critical: false, value: None }], hex("3818401818")),
            (vec![Ead::new(65535, &long)], [hex("19ffff590100"), long.clone()].concat()),
        ] {
            let mut room = vec![0; 300];
            let mut cbor = Writer::new(&mut room);
            for item in &items {
                item.write(&mut cbor).unwrap();
            }
            assert_eq!(cbor.written(), wire, "{items:?}");
            assert_eq!(items.iter().map(Ead::encoded_len).sum::<usize>(), wire.len(), "{items:?}");
            let eads = Eads::read(&Reader::new(&wire), &[24, 25]).unwrap();
            let kept: Vec<_> = items.iter().copied().filter(|item| item.label != 0).collect();
            assert_eq!(eads.iter().collect::<Vec<_>>(), kept);
        }
    }

    #[test]
    fn what_nobody_knows() {
        for (wire, known, result) in [
            ("20", &[][..], Err(Error::UnknownCriticalEad(-1))),
            ("20", &[1], Ok(1)),
            ("0120", &[1], Ok(2)),
            ("0121", &[1], Err(Error::UnknownCriticalEad(-2))),
            ("0002", &[], Ok(1)),
            ("1b0000000100000000", &[], Ok(0)),
            ("3b0000000100000000", &[0, 1], Err(Error::UnknownCriticalEad(-0x1_0000_0001))),
            ("1bffffffffffffffff", &[], Err(Error::Malformed)),
            ("40", &[], Err(Error::Malformed)),
            ("0140 40", &[], Err(Error::Malformed)),
            ("0160", &[], Err(Error::Malformed)),
            ("0142 01", &[], Err(Error::Malformed)),
            ("1801", &[], Err(Error::Malformed)),
            ("018001", &[], Err(Error::Malformed)),
        ] {
            let bytes = hex(&wire.replace(' ', ""));
            let eads = Eads::read(&Reader::new(&bytes), known);
            assert_eq!(eads.map(|eads| eads.iter().count()), result, "{wire}");
        }
    }
}
