//! What can go wrong, and what the peer learns of it (RFC 9528 §6).

use core::fmt;

use latchwork_cbor::{Reader, Writer};
use latchwork_crypto::CryptoError;

use crate::suites::Suites;

/// Why a step failed. The session is over; the peer learns no more than [`answer`](Self::answer) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not the message that was due: another structure, a field of another length, or not the deterministic encoding.
    Malformed,
    /// The application does not take this method.
    MethodNotSupported,
    /// The selected cipher suite is not ours, or the peer prefers one that we have too.
    WrongSuite,
    /// A public key of the peer is no point of the curve.
    BadPoint,
    /// Both connection identifiers are the same: in OSCORE both directions would share one key (RFC 9528 §3.3.3).
    SameConnectionIds,
    /// A critical item of external authorization data that the application does not know, with its label as it came.
    UnknownCriticalEad(i64),
    /// The tag is wrong: forged, garbled, or another transcript.
    DecryptionFailed,
    /// MAC or signature do not verify: the peer does not hold the credential, or has other bytes for it.
    NotAuthenticated,
    /// The credential cannot authenticate by this method: a signature needs a key with both coordinates.
    UnfitCredential,
    /// For the application to say: it has no credential by that name.
    UnknownCredential,
    /// For the application to say: it does not accept the peer, or what came as external authorization data.
    Refused,

    /// Our own key is of the wrong kind for the method.
    WrongKey,
    /// Our buffer is too small.
    NoRoom,
    /// The cryptography itself failed, or a message is longer than it takes.
    Crypto(CryptoError),
}

impl Error {
    /// The error message to send, unless the session had been completed before (RFC 9528 §5.1).
    pub const fn answer(&self) -> ErrorMessage<'static> {
        match self {
            Self::WrongSuite => ErrorMessage::WrongSuite(Suites::OURS),
            Self::UnknownCredential => ErrorMessage::UnknownCredential,
            Self::MethodNotSupported => ErrorMessage::Unspecified("Method not supported"),
            Self::UnknownCriticalEad(_) => ErrorMessage::Unspecified("Critical EAD not supported"),
            Self::Malformed
            | Self::BadPoint
            | Self::SameConnectionIds
            | Self::DecryptionFailed
            | Self::NotAuthenticated
            | Self::UnfitCredential
            | Self::Refused
            | Self::WrongKey
            | Self::NoRoom
            | Self::Crypto(_) => ErrorMessage::Unspecified(""),
        }
    }

    /// Whether the fault is ours: 5.00 in CoAP rather than 4.00 (RFC 9528 Appendix A.2.3).
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::WrongKey | Self::NoRoom | Self::Crypto(_))
    }

    /// What a failed operation on a key of the peer means.
    pub(crate) const fn of_peer_key(error: CryptoError) -> Self {
        match error {
            CryptoError::BadKey => Self::BadPoint,
            other => Self::Crypto(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed EDHOC message",
            Self::MethodNotSupported => "EDHOC method not supported",
            Self::WrongSuite => "wrong selected cipher suite",
            Self::BadPoint => "public key is not on the curve",
            Self::SameConnectionIds => "both connection identifiers are the same",
            Self::UnknownCriticalEad(label) => return write!(f, "unknown critical EAD item {label}"),
            Self::DecryptionFailed => "EDHOC message does not decrypt",
            Self::NotAuthenticated => "peer does not prove its credential",
            Self::UnfitCredential => "credential does not fit the method",
            Self::UnknownCredential => "unknown credential referenced",
            Self::Refused => "refused by the application",
            Self::WrongKey => "own key does not fit the method",
            Self::NoRoom => "buffer too small",
            Self::Crypto(error) => return write!(f, "cryptography failed: {error}"),
        })
    }
}

impl core::error::Error for Error {}

impl From<latchwork_cbor::Error> for Error {
    fn from(_: latchwork_cbor::Error) -> Self {
        Self::Malformed
    }
}

impl From<latchwork_cbor::Full> for Error {
    fn from(_: latchwork_cbor::Full) -> Self {
        Self::NoRoom
    }
}

impl From<CryptoError> for Error {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

/// An EDHOC error message (RFC 9528 §6). It is never protected: whoever reads one may have got it from anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMessage<'m> {
    /// ERR_CODE 1, with a text for the log.
    Unspecified(&'m str),
    /// ERR_CODE 2, with suites that the responder has.
    WrongSuite(Suites<'m>),
    /// ERR_CODE 3: try another ID_CRED.
    UnknownCredential,
    /// Any other code, with its encoded information. Code 0 must not be answered (§6.1).
    Other(i64, &'m [u8]),
}

impl<'m> ErrorMessage<'m> {
    /// Reads one. No other EDHOC message passes for an error: message_1, which begins with an integer too, has more items.
    pub fn parse(message: &'m [u8]) -> Result<Self, Error> {
        let mut cbor = Reader::new(message);
        let error = match cbor.int()? {
            1 => Self::Unspecified(cbor.text()?),
            2 => Self::WrongSuite(Suites::read(&mut cbor)?),
            3 if cbor.bool()? => Self::UnknownCredential,
            3 => return Err(Error::Malformed),
            code => Self::Other(code, cbor.item()?),
        };
        cbor.end()?;
        Ok(error)
    }

    /// Writes it, and gives what was written.
    pub fn write<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], Error> {
        let mut cbor = Writer::new(out);
        match self {
            Self::Unspecified(text) => cbor.int(1)?.text(text)?,
            Self::WrongSuite(suites) => cbor.int(2)?.raw(suites.as_bytes())?,
            Self::UnknownCredential => cbor.int(3)?.bool(true)?,
            Self::Other(code, information) => cbor.int(*code)?.raw(information)?,
        };
        Ok(cbor.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    #[test]
    fn there_and_back() {
        for (wire, message) in [
            ("0160", ErrorMessage::Unspecified("")),
            ("01626e6f", ErrorMessage::Unspecified("no")),
            ("0202", ErrorMessage::WrongSuite(Suites::OURS)),
            ("03f5", ErrorMessage::UnknownCredential),
            ("00f6", ErrorMessage::Other(0, &[0xf6])),
            ("2080", ErrorMessage::Other(-1, &[0x80])),
        ] {
            assert_eq!(ErrorMessage::parse(&hex(wire)), Ok(message), "{wire}");
            assert_eq!(message.write(&mut [0; 8]).unwrap(), hex(wire), "{wire}");
            assert_eq!(message.write(&mut [0; 1]), Err(Error::NoRoom), "{wire}");
        }
        for wire in
            ["", "01", "0102", "016060", "0260", "028102", "03f4", "0301", "03", "04", "60", "4101", "f5", "820160"]
        {
            assert_eq!(ErrorMessage::parse(&hex(wire)), Err(Error::Malformed), "{wire}");
        }
    }
}
