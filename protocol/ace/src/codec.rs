//! What every message here shares: maps with integer labels, read and written.

use core::fmt;

use latchwork_cbor::{self as cbor, Full, Kind, Reader, Writer};

use crate::{Error, registry::Alg};

/// The next label of a map; `None` for one that no map of ours assigns: a text, or a number beyond 64 bits.
fn label(r: &mut Reader<'_>) -> Result<Option<i64>, Error> {
    match r.peek()? {
        Kind::Text => r.skip().map(|()| None),
        _ => match r.int() {
            Ok(label) => Ok(Some(label)),
            Err(cbor::Error::OutOfRange) => r.skip().map(|()| None),
            Err(error) => Err(error),
        },
    }
    .map_err(Error::Cbor)
}

/// Reads a map from a whole message: calls `member` for each label, which must read or skip the value.
pub(crate) fn whole_map<'b>(
    bytes: &'b [u8],
    member: impl FnMut(Option<i64>, &mut Reader<'b>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut r = Reader::new(bytes);
    map(&mut r, member)?;
    Ok(r.end()?)
}

/// Reads a map inside a message.
pub(crate) fn map<'b>(
    r: &mut Reader<'b>,
    mut member: impl FnMut(Option<i64>, &mut Reader<'b>) -> Result<(), Error>,
) -> Result<(), Error> {
    each(r, &mut member)
}

/// Reads or skips the value of a label.
type Member<'m, 'b> = &'m mut dyn FnMut(Option<i64>, &mut Reader<'b>) -> Result<(), Error>;

/// The loop, once for all maps.
fn each<'b>(r: &mut Reader<'b>, member: Member<'_, 'b>) -> Result<(), Error> {
    for _ in 0..r.map()? {
        let label = label(r)?;
        member(label, r)?;
    }
    Ok(())
}

/// An algorithm by number or by its registered text.
pub(crate) fn algorithm(r: &mut Reader<'_>) -> Result<Alg, Error> {
    match r.peek()? {
        Kind::Text => Alg::from_name(r.text()?).ok_or(Error::UnknownAlgorithm),
        _ => Ok(Alg(r.int()?)),
    }
}

/// A value that can stand in one of our maps.
pub(crate) trait Put {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full>;
}

/// Bytes that are CBOR already.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Put for Raw<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.raw(self.0).map(drop)
    }
}

/// `null`.
pub(crate) struct Null;

impl Put for Null {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.null().map(drop)
    }
}

impl Put for &str {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.text(self).map(drop)
    }
}

impl Put for &[u8] {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.bytes(self).map(drop)
    }
}

impl Put for u64 {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.uint(*self).map(drop)
    }
}

impl Put for i64 {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.int(*self).map(drop)
    }
}

impl Put for bool {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        w.bool(*self).map(drop)
    }
}

/// A member for [`write_map`]; absent if `value` is.
pub(crate) fn some<T: Put>(label: i64, value: &Option<T>) -> (i64, Option<&dyn Put>) {
    (label, value.as_ref().map(|value| value as &dyn Put))
}

/// Writes a map of the members that are present, in the order given (which should be that of RFC 8949 §4.2).
pub(crate) fn write_map(w: &mut Writer<'_>, members: &[(i64, Option<&dyn Put>)]) -> Result<(), Full> {
    w.map(members.iter().filter(|(_, value)| value.is_some()).count())?;
    for (label, value) in members {
        if let Some(value) = value {
            w.int(*label)?;
            value.put(w)?;
        }
    }
    Ok(())
}

/// Writes one whole message.
pub(crate) fn whole(out: &mut [u8], write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Result<&[u8], Full> {
    let mut w = Writer::new(out);
    write(&mut w)?;
    Ok(w.finish())
}

/// Stands for bytes that no log may show.
pub(crate) struct Hidden<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}
