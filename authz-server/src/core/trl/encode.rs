//! The payloads (RFC 9770 §6.1, §7, §8, §12; RFC 9290 §2).

use latchwork_cbor::{Full, Writer};

use super::{Patch, Refused};
use crate::core::bytes::Hash32;

/// A full query's answer. None only if it does not fit memory.
#[must_use]
pub fn full(hashes: &[Hash32], cursor: Option<u64>) -> Option<Vec<u8>> {
    write(hashes.len(), |out| {
        out.map(2)?.uint(FULL_SET)?;
        set(out, hashes)?;
        out.uint(CURSOR)?;
        or_null(out, cursor)
    })
}

/// A diff query's answer; `patches` begins with the most recent.
#[must_use]
pub fn diff(patches: &[Patch], cursor: Option<u64>, more: bool) -> Option<Vec<u8>> {
    let hashes = patches.iter().map(|patch| patch.removed.len() + patch.added.len() + 1).sum();
    write(hashes, |out| {
        out.map(3)?.uint(DIFF_SET)?.array(patches.len())?;
        for patch in patches {
            out.array(2)?;
            set(out, &patch.removed)?;
            set(out, &patch.added)?;
        }
        out.uint(CURSOR)?;
        or_null(out, cursor)?;
        out.uint(MORE)?.bool(more)?;
        Ok(())
    })
}

/// An error's problem details.
#[must_use]
pub fn problem(refused: &Refused) -> Option<Vec<u8>> {
    write(0, |out| {
        out.map(3)?.uint(ACE_TRL_ERROR)?.map(1 + usize::from(refused.cursor.is_some()))?;
        out.uint(ERROR_ID)?.uint(refused.trouble.0.into())?;
        if let Some(cursor) = refused.cursor {
            out.uint(ERROR_CURSOR)?;
            or_null(out, cursor)?;
        }
        out.int(TITLE)?.text(refused.trouble.title())?.int(DETAIL)?.text(refused.detail)?;
        Ok(())
    })
}

fn write(hashes: usize, body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Option<Vec<u8>> {
    let mut out = vec![0; hashes.saturating_mul(PER_HASH).saturating_add(FRAME)];
    let mut writer = Writer::new(&mut out);
    body(&mut writer).ok()?;
    let length = writer.finish().len();
    out.truncate(length);
    Some(out)
}

/// Token hashes in the binary form of RFC 6920 §6.
fn set(out: &mut Writer<'_>, hashes: &[Hash32]) -> Result<(), Full> {
    out.array(hashes.len())?;
    for Hash32(digest) in hashes {
        out.bytes_head(digest.len() + 1)?.raw(&[SHA_256])?.raw(digest)?;
    }
    Ok(())
}

fn or_null(out: &mut Writer<'_>, number: Option<u64>) -> Result<(), Full> {
    match number {
        Some(number) => out.uint(number)?,
        None => out.null()?,
    };
    Ok(())
}

/// The suite of the Named Information Hash Algorithm registry.
const SHA_256: u8 = 1;
const FULL_SET: u64 = 0;
const DIFF_SET: u64 = 1;
const CURSOR: u64 = 2;
const MORE: u64 = 3;
/// The custom problem detail of §15.3, and its fields.
const ACE_TRL_ERROR: u64 = 1;
const ERROR_ID: u64 = 0;
const ERROR_CURSOR: u64 = 1;
/// RFC 9290 §2.
const TITLE: i64 = -1;
const DETAIL: i64 = -2;
/// Bytes of a hash with its heads.
const PER_HASH: usize = 36;
/// Bytes around the hashes, at most.
const FRAME: usize = 256;
