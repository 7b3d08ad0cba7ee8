//! Hashes of revoked tokens on disk: what a lock has learnt stays learnt over a reboot, with or without a network.

use crate::state::State;
use latchwork_rs_lib::{Revoked, TokenHash};
use std::io::{Error, ErrorKind, Result};

/// What was written last, the earliest first.
pub(crate) struct Kept {
    state: State,
    written: Vec<TokenHash>,
}

impl Kept {
    /// Reads what an earlier life left. A file that is not whole is an error: then nothing is known.
    pub(crate) fn read(state: State) -> Result<Self> {
        let text = state.read(FILE)?.unwrap_or_default();
        let text = std::str::from_utf8(&text).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        let written = text.lines().map(hash).collect::<Option<_>>().ok_or(ErrorKind::InvalidData)?;
        Ok(Self { state, written })
    }

    /// The hashes, in the order in which they came.
    pub(crate) fn hashes(&self) -> &[TokenHash] {
        &self.written
    }

    /// Writes down what is kept now, if that is something else.
    pub(crate) fn write(&mut self, revoked: &Revoked) -> Result<()> {
        let mut numbered: Vec<_> = revoked.numbered().collect();
        numbered.sort_unstable_by_key(|(number, _)| *number);
        let hashes: Vec<_> = numbered.into_iter().map(|(_, hash)| hash).collect();
        if hashes != self.written {
            let text: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
            self.state.write(FILE, text.as_bytes())?;
            self.written = hashes;
        }
        Ok(())
    }
}

fn hash(line: &str) -> Option<TokenHash> {
    let mut hash = [0; 32];
    if line.chars().count() != 2 * hash.len() {
        return None;
    }
    let mut digits = line.chars().map(|digit| digit.to_digit(16));
    for byte in &mut hash {
        *byte = u8::try_from(digits.next()?? << 4 | digits.next()??).ok()?;
    }
    Some(TokenHash(hash))
}

/// A file of the lock's state.
const FILE: &str = "revoked";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_hashes_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let good = "0f".repeat(32);
        for (text, whole) in [
            (String::new(), Some(0)),
            (format!("{good}\n"), Some(1)),
            (format!("{good}\n{}\n", "a0".repeat(32)), Some(2)),
            (format!("{good}\n{}", &good[1..]), None),
            (format!("{good}\nx{}\n", &good[1..]), None),
            ("+1".repeat(32), None),
        ] {
            std::fs::write(dir.path().join(FILE), &text).unwrap();
            let read = Kept::read(State::open(Some(dir.path().to_owned())).unwrap());
            assert_eq!(read.ok().map(|kept| kept.hashes().len()), whole, "{text}");
        }
    }
}
