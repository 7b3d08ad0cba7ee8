//! How the two authenticate (RFC 9528 §3.2).

/// The methods in which the responder has a static Diffie-Hellman key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Method 1: the initiator signs.
    SignatureStaticDh,
    /// Method 3: the initiator has a static Diffie-Hellman key too.
    StaticDhStaticDh,
}

impl Method {
    /// METHOD on the wire.
    pub const fn number(self) -> i64 {
        match self {
            Self::SignatureStaticDh => 1,
            Self::StaticDhStaticDh => 3,
        }
    }

    /// `None` for those that we do not have.
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::SignatureStaticDh),
            3 => Some(Self::StaticDhStaticDh),
            _ => None,
        }
    }
}
