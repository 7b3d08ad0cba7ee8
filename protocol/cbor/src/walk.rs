//! Walking over whole items, whatever is in them. No recursion over the input: the lock's stack does not depend on what is sent.

use crate::{Error, Kind, MAX_DEPTH, head::Head};

/// Splits one whole item off, with everything in it checked.
pub(crate) fn item(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    walk(bytes, Keys::Distinct)
}

/// What the walk asks of the keys of a map.
#[derive(Clone, Copy)]
enum Keys {
    Distinct,
    /// Left to the walk that called this one.
    Any,
}

fn walk(bytes: &[u8], keys: Keys) -> Result<(&[u8], &[u8]), Error> {
    let mut rest = bytes;
    let mut missing = [0; MAX_DEPTH]; // items still to come in each open array, map or tag
    let mut depth: usize = 0;
    loop {
        let (head, behind) = Head::read(rest)?;
        rest = behind;
        let count = head.argument as usize; // fits, where it is one
        let inside = match head.kind {
            Kind::Array => Some(count),
            Kind::Map => {
                if let Keys::Distinct = keys {
                    distinct_keys(rest, count)?;
                }
                Some(count * 2)
            }
            Kind::Tag => Some(1),
            Kind::Bytes => {
                (_, rest) = rest.split_at_checked(count).ok_or(Error::Truncated)?;
                None
            }
            Kind::Text => {
                (_, rest) = text(rest, count)?;
                None
            }
            _ => None,
        };
        if let Some(items) = inside {
            *missing.get_mut(depth).ok_or(Error::TooDeep)? = items;
            depth += 1;
        }
        // Close what this item completes. A container that was just opened has not had an item yet.
        let mut completed = inside.is_none();
        loop {
            let Some(open) = missing.get_mut(..depth).and_then(<[_]>::last_mut) else {
                let length = bytes.len() - rest.len();
                return bytes.split_at_checked(length).ok_or(Error::Truncated);
            };
            if completed {
                *open -= 1;
            }
            if *open > 0 {
                break;
            }
            depth -= 1;
            completed = true;
        }
    }
}

/// Splits `length` bytes of text off.
pub(crate) fn text(rest: &[u8], length: usize) -> Result<(&str, &[u8]), Error> {
    let (text, rest) = rest.split_at_checked(length).ok_or(Error::Truncated)?;
    Ok((core::str::from_utf8(text).map_err(|_| Error::NotUtf8)?, rest))
}

/// Integers and lengths have one form only, so equal keys are equal bytes. Sorted keys, which most senders write, need one pass;
/// any other key is looked for among those before it.
fn distinct_keys(map: &[u8], entries: usize) -> Result<(), Error> {
    let mut rest = map;
    let mut highest: &[u8] = &[];
    for before in 0..entries {
        let (key, value) = walk(rest, Keys::Any)?;
        if key > highest {
            highest = key;
        } else if has_key(map, before, key)? {
            return Err(Error::DuplicateKey);
        }
        (_, rest) = walk(value, Keys::Any)?;
    }
    Ok(())
}

fn has_key(map: &[u8], entries: usize, wanted: &[u8]) -> Result<bool, Error> {
    let mut rest = map;
    for _ in 0..entries {
        let (key, value) = walk(rest, Keys::Any)?;
        if key == wanted {
            return Ok(true);
        }
        (_, rest) = walk(value, Keys::Any)?;
    }
    Ok(false)
}
