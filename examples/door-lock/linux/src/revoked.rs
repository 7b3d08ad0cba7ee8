//! Hashes of revoked tokens on disk: what a lock has learnt stays learnt over a reboot, with or without a network.
//!
//! A line is a hash, and behind a space the number of the token, if it was seen and counts from receipt. Whose tokens they are need not be
//! said: a lock of this kind has one issuer.

use crate::questions::OURS;
use crate::state::State;
use latchwork_rs_lib::TokenHash;
use latchwork_rs_lib::revoked::{self, Revoked};
use std::io::{Error, ErrorKind, Result};

/// What was written last, the earliest first.
pub(crate) struct Kept {
    state: State,
    written: Vec<revoked::Kept>,
}

impl Kept {
    /// Reads what an earlier life left. A file that is not whole is an error: then nothing is known.
    pub(crate) fn read(state: State) -> Result<Self> {
        let text = state.read(FILE)?.unwrap_or_default();
        let text = std::str::from_utf8(&text).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        let written = text.lines().map(line).collect::<Option<_>>().ok_or(ErrorKind::InvalidData)?;
        Ok(Self { state, written })
    }

    /// What is kept, in the order in which it came.
    pub(crate) fn all(&self) -> &[revoked::Kept] {
        &self.written
    }

    /// Writes down what is kept now, if that is something else.
    pub(crate) fn write(&mut self, revoked: &Revoked) -> Result<()> {
        let mut in_order: Vec<_> = revoked.in_order().collect();
        in_order.sort_unstable_by_key(|(order, _)| *order);
        let all: Vec<_> = in_order.into_iter().map(|(_, kept)| kept).collect();
        if all != self.written {
            let text: String = all.iter().map(written).collect();
            self.state.write(FILE, text.as_bytes())?;
            self.written = all;
        }
        Ok(())
    }
}

fn written(kept: &revoked::Kept) -> String {
    match kept.number {
        Some(number) => format!("{} {number}\n", kept.token),
        None => format!("{}\n", kept.token),
    }
}

fn line(line: &str) -> Option<revoked::Kept> {
    let (token, number) = match line.split_once(' ') {
        Some((token, number)) => (token, Some(number.parse().ok()?)),
        None => (line, None),
    };
    Some(revoked::Kept { token: hash(token)?, issuer: OURS, number })
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
    use latchwork_rs_lib::{NoFlash, Now, Sessions, Uptime, Wall};

    /// The number of a token that was seen comes back with its hash: pushed out later, the number is over all the same.
    #[test]
    fn a_number_comes_back_with_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let read = || Kept::read(State::open(Some(dir.path().to_owned())).unwrap()).unwrap();
        let [seen, unseen] = [(1, Some(7)), (2, None)].map(|(byte, number)| revoked::Kept {
            token: TokenHash([byte; 32]),
            issuer: OURS,
            number,
        });
        let now = Now { wall: Wall::Unknown, uptime: Uptime(0) };
        let (mut sessions, mut before) = (Sessions::<1, 1>::new(), Revoked::<[_; 2]>::new());
        for kept in [seen, unseen] {
            sessions.revoke_again(&kept, &mut before, &mut NoFlash, &now).unwrap();
        }
        read().write(&before).unwrap();
        assert_eq!(read().all(), [seen, unseen]);
    }

    #[test]
    fn what_is_no_list_of_hashes_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let good = "0f".repeat(32);
        for (text, whole) in [
            (String::new(), Some(0)),
            (format!("{good}\n"), Some(1)),
            (format!("{good}\n{}\n", "a0".repeat(32)), Some(2)),
            (format!("{good} 7\n"), Some(1)),
            (format!("{good} \n"), None),
            (format!("{good} 7 7\n"), None),
            (format!("{good}\n{}", &good[1..]), None),
            (format!("{good}\nx{}\n", &good[1..]), None),
            ("+1".repeat(32), None),
        ] {
            std::fs::write(dir.path().join(FILE), &text).unwrap();
            let read = Kept::read(State::open(Some(dir.path().to_owned())).unwrap());
            assert_eq!(read.ok().map(|kept| kept.all().len()), whole, "{text}");
        }
    }
}
