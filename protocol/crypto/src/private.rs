//! Our own keys on P-256. What has to be secret may sit in hardware that gives results and never a key.

use crate::{CryptoError, P256Public, Random, Secret};

/// The public half of a peer's P-256 key. Whether it is on the curve is checked when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P256Peer {
    /// The x coordinate alone (RFC 6090 §4.2, RFC 9528 Appendix B): enough to agree, since either y gives the same secret.
    X([u8; 32]),
    /// Both coordinates.
    Point(P256Public),
}

impl P256Peer {
    /// The x coordinate, big-endian.
    pub const fn x(&self) -> &[u8; 32] {
        match self {
            Self::X(x) | Self::Point(P256Public { x, .. }) => x,
        }
    }
}

/// A private key for ECDH on P-256.
pub trait Agree {
    /// The x coordinate of the shared point (RFC 9053 §6.3.1). A peer that is not on the curve is [`CryptoError::BadKey`].
    fn agree(&self, peer: &P256Peer) -> Result<Secret<32>, CryptoError>;
}

impl<K: Agree + ?Sized> Agree for &K {
    fn agree(&self, peer: &P256Peer) -> Result<Secret<32>, CryptoError> {
        (**self).agree(peer)
    }
}

/// A private key for ES256 (RFC 9053 §2.1).
pub trait Sign {
    /// r and s of a signature over the parts of `message`, taken one after the other, as if they were joined.
    fn sign_es256(&self, message: &[&[u8]]) -> Result<[u8; 64], CryptoError>;
}

/// Key pairs on P-256 that serve one exchange.
pub trait Ephemeral {
    /// The private half, wiped when dropped.
    type Key: Agree;

    /// A new key, and the x coordinate of its public half.
    fn ephemeral(&self, random: &mut (impl Random + ?Sized)) -> Result<(Self::Key, [u8; 32]), CryptoError>;
}
