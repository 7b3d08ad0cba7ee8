//! Writes a message into the caller's bytes, options in their order.

use super::options::MARKER;
use super::{Code, Kind, OptionNumber, Token};

/// The buffer is too small, or an option came out of order. Either is the writer's mistake, not the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("message does not fit its buffer, or an option is out of order")
    }
}

impl core::error::Error for Full {}

/// Writes one message: options in ascending order, then the payload. After a failure `finish` fails too.
pub struct Writer<'b> {
    buf: &'b mut [u8],
    at: usize,
    number: u16,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Options,
    Payload,
    Failed,
}

impl<'b> Writer<'b> {
    /// Begins a datagram.
    pub fn new(buf: &'b mut [u8], kind: Kind, code: Code, id: u16, token: Token) -> Self {
        let [high, low] = id.to_be_bytes();
        let token = token.as_bytes();
        let first = 0x40 | kind.bits() << 4 | token.len() as u8; // at most 8
        let mut writer = Self { buf, at: 0, number: 0, state: State::Options };
        let _ = writer.put(&[first, code.0, high, low]);
        let _ = writer.put(token);
        writer
    }

    /// Begins at the code, without header and token: an OSCORE plaintext (RFC 8613 §5.3).
    pub fn body(buf: &'b mut [u8], code: Code) -> Self {
        let mut writer = Self { buf, at: 0, number: 0, state: State::Options };
        let _ = writer.put(&[code.0]);
        writer
    }

    /// Begins among options, behind one with this number.
    pub fn behind(buf: &'b mut [u8], OptionNumber(number): OptionNumber) -> Self {
        Self { buf, at: 0, number, state: State::Options }
    }

    /// An option whose number is at least that of the one before.
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> Result<&mut Self, Full> {
        let (Some(delta), State::Options) = (number.0.checked_sub(self.number), self.state) else {
            return self.fail();
        };
        let Ok(length) = u16::try_from(value.len()) else {
            return self.fail();
        };
        let (delta_nibble, delta) = Extended::of(delta);
        let (length_nibble, length) = Extended::of(length);
        self.put(&[delta_nibble << 4 | length_nibble])?;
        self.put(delta.bytes())?;
        self.put(length.bytes())?;
        self.number = number.0;
        self.put(value)
    }

    /// An option of format uint, in its shortest form: zero is no bytes (RFC 7252 §3.2).
    pub fn uint_option(&mut self, number: OptionNumber, value: u32) -> Result<&mut Self, Full> {
        self.option(number, shortest(&value.to_be_bytes()))
    }

    /// Uri-Path for an absolute path, one option a segment.
    pub fn path(&mut self, path: &str) -> Result<&mut Self, Full> {
        let Some(path) = super::Path::new(path) else {
            return self.fail();
        };
        for segment in path {
            self.option(OptionNumber::URI_PATH, segment.as_bytes())?;
        }
        Ok(self)
    }

    /// The payload, with its marker unless it is empty. May be called again to go on.
    pub fn payload(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        if bytes.is_empty() {
            return Ok(self);
        }
        if self.state == State::Options {
            self.put(&[MARKER])?;
            self.state = State::Payload;
        }
        self.put(bytes)
    }

    /// What was written, if every step succeeded.
    pub fn finish(self) -> Result<&'b [u8], Full> {
        let Self { buf, at, state, .. } = self;
        if state == State::Failed {
            return Err(Full);
        }
        let written: &'b [u8] = buf;
        written.get(..at).ok_or(Full)
    }

    /// How many bytes were written so far.
    pub fn written(&self) -> usize {
        self.at
    }

    fn put(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        if self.state == State::Failed {
            return Err(Full);
        }
        let end = self.at.saturating_add(bytes.len());
        match self.buf.get_mut(self.at..end) {
            Some(place) => place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
            None => return self.fail(),
        }
        self.at = end;
        Ok(self)
    }

    fn fail(&mut self) -> Result<&mut Self, Full> {
        self.state = State::Failed;
        Err(Full)
    }
}

/// A big-endian number as an option of format uint has it: as short as can be, and zero is no bytes (RFC 7252 §3.2).
pub fn shortest(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The bytes that follow the nibble of a delta or length (RFC 7252 §3.1).
enum Extended {
    None,
    One([u8; 1]),
    Two([u8; 2]),
}

impl Extended {
    fn of(value: u16) -> (u8, Self) {
        match value {
            0..=12 => (value as u8, Self::None),
            13..=268 => (13, Self::One([(value - 13) as u8])),
            269.. => (14, Self::Two((value - 269).to_be_bytes())),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::One(bytes) => bytes,
            Self::Two(bytes) => bytes,
        }
    }
}
