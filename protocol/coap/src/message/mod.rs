//! A borrowed view of one CoAP message (RFC 7252 §3), and the writer for one.

mod code;
mod number;
mod options;
mod writer;

pub use code::Code;
pub use number::{ContentFormat, OptionNumber};
pub use options::{Options, Path};
pub use writer::{Full, Writer, shortest};

/// How a message is delivered (RFC 7252 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Confirmable: sent again until acknowledged.
    Con,
    /// Non-confirmable.
    Non,
    /// Acknowledgement, with or without a response.
    Ack,
    /// Reset: "I have no context for this".
    Rst,
}

impl Kind {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Con,
            1 => Self::Non,
            2 => Self::Ack,
            _ => Self::Rst,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Con => 0,
            Self::Non => 1,
            Self::Ack => 2,
            Self::Rst => 3,
        }
    }
}

/// The client's name for a request, at most 8 bytes (RFC 7252 §5.3.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Token {
    /// RFC 7252 §3; RFC 8974's longer tokens are not used.
    pub const MAX_LEN: usize = 8;
    /// The token of no bytes.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; Self::MAX_LEN] };

    /// None if `bytes` is longer than 8.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut token = Self::EMPTY;
        token.bytes.get_mut(..bytes.len())?.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        token.len = u8::try_from(bytes.len()).ok()?;
        Some(token)
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl From<[u8; 8]> for Token {
    fn from(bytes: [u8; 8]) -> Self {
        Self { len: 8, bytes }
    }
}

impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Token(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// The first four bytes, all that is needed to reject a message (RFC 7252 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Message type.
    pub kind: Kind,
    /// Method or response code.
    pub code: Code,
    /// Message ID.
    pub id: u16,
    token_len: usize,
}

impl Header {
    /// None if this is no CoAP of version 1, which is ignored in silence (RFC 7252 §3).
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let &[first, code, high, low] = datagram.first_chunk::<4>()?;
        (first >> 6 == 1).then_some(Self {
            kind: Kind::from_bits(first >> 4),
            code: Code(code),
            id: u16::from_be_bytes([high, low]),
            token_len: usize::from(first & 0x0f),
        })
    }
}

/// One message, borrowed from its datagram. Parsing has checked every option; reading them cannot fail.
#[derive(Clone, Debug)]
pub struct Message<'m> {
    /// Message type.
    pub kind: Kind,
    /// Method or response code.
    pub code: Code,
    /// Message ID, for deduplication and acknowledgement.
    pub id: u16,
    /// Matches a response to its request.
    pub token: Token,
    /// All options, in order.
    pub options: Options<'m>,
    /// What follows the payload marker; empty if there is none.
    pub payload: &'m [u8],
}

impl<'m> Message<'m> {
    /// Parses a whole datagram.
    pub fn parse(datagram: &'m [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(datagram).ok_or(ParseError::NotCoap)?;
        let rest = datagram.get(4..).unwrap_or_default();
        let (token, rest) = rest.split_at_checked(header.token_len).ok_or(ParseError::Truncated)?;
        let token = Token::new(token).ok_or(ParseError::TokenTooLong)?;
        if header.code == Code::EMPTY && datagram.len() > 4 {
            return Err(ParseError::NotEmpty);
        }
        let (options, payload) = Options::parse(rest)?;
        Ok(Self { kind: header.kind, code: header.code, id: header.id, token, options, payload })
    }

    /// Writes the message as a datagram into `buf`.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Full> {
        let mut writer = Writer::new(buf, self.kind, self.code, self.id, self.token);
        for (number, value) in self.options {
            writer.option(number, value)?;
        }
        writer.payload(self.payload)?;
        writer.finish()
    }
}

/// Why a datagram is no CoAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Shorter than a header, or another version: to be ignored in silence.
    NotCoap,
    /// A token length of 9 to 15.
    TokenTooLong,
    /// The token or an option runs past the end.
    Truncated,
    /// Code 0.00 with a token or with content (RFC 7252 §4.1).
    NotEmpty,
    /// A delta or length nibble of 15 that is no payload marker.
    ReservedNibble,
    /// An option number past 65535.
    NumberTooLarge,
    /// A payload marker with nothing behind it (RFC 7252 §3).
    EmptyPayload,
}

impl core::fmt::Display for ParseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotCoap => "not CoAP version 1",
            Self::TokenTooLong => "token longer than 8 bytes",
            Self::Truncated => "truncated",
            Self::NotEmpty => "empty message with content",
            Self::ReservedNibble => "reserved option nibble",
            Self::NumberTooLarge => "option number too large",
            Self::EmptyPayload => "payload marker without payload",
        })
    }
}

impl core::error::Error for ParseError {}

#[cfg(test)]
mod tests;
