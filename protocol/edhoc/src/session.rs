//! What a completed session leaves: keys for the application (RFC 9528 §4.2, Appendices A.1 and H).

use core::fmt;

use latchwork_crypto::{CryptoError, Secret, Symmetric};

use crate::{error::Error, identifier::ConnectionId, kdf};

/// The outcome. Wiped when dropped; there is no `Clone`.
///
/// The initiator has one before anybody has shown to be at the other end with the same keys: message_4 or the first OSCORE
/// response shows it (§5.4.2).
pub struct Session {
    prk_out: Secret<32>,
    prk_exporter: Secret<32>,
    own: ConnectionId,
    peer: ConnectionId,
}

/// What an OSCORE context with AES-CCM-16-64-128 and HKDF SHA-256 is derived from (Appendix A.1).
#[derive(Debug)]
pub struct OscoreKeys {
    /// The Master Secret.
    pub master_secret: Secret<16>,
    /// The Master Salt.
    pub master_salt: Secret<8>,
    /// What the peer chose: our Sender ID.
    pub sender_id: ConnectionId,
    /// What we chose: our Recipient ID.
    pub recipient_id: ConnectionId,
}

impl Session {
    pub(crate) fn new(
        c: &impl Symmetric,
        prk_4e3m: &Secret<32>,
        th_4: &[u8; 32],
        own: ConnectionId,
        peer: ConnectionId,
    ) -> Result<Self, CryptoError> {
        Self::of(c, kdf::key(c, prk_4e3m, 7, &[th_4])?, own, peer)
    }

    fn of(c: &impl Symmetric, prk_out: Secret<32>, own: ConnectionId, peer: ConnectionId) -> Result<Self, CryptoError> {
        let prk_exporter = kdf::key(c, &prk_out, 10, &[])?;
        Ok(Self { prk_out, prk_exporter, own, peer })
    }

    /// The connection identifier that we chose.
    pub const fn own_id(&self) -> ConnectionId {
        self.own
    }

    /// The connection identifier that the peer chose.
    pub const fn peer_id(&self) -> ConnectionId {
        self.peer
    }

    /// EDHOC_Exporter (§4.2.1), of at most 255 * 32 bytes. One pair of label and context serves one purpose.
    pub fn export(&self, c: &impl Symmetric, label: u32, context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        Ok(kdf::derive(c, &self.prk_exporter, label.into(), &[context], out)?)
    }

    /// The material of the OSCORE context, of the default lengths. A context is to be derived from it once.
    pub fn oscore(&self, c: &impl Symmetric) -> Result<OscoreKeys, Error> {
        let mut master_secret = Secret::new([0; 16]);
        let mut master_salt = Secret::new([0; 8]);
        self.export(c, 0, &[], master_secret.expose_mut())?;
        self.export(c, 1, &[], master_salt.expose_mut())?;
        Ok(OscoreKeys { master_secret, master_salt, sender_id: self.peer, recipient_id: self.own })
    }

    /// EDHOC_KeyUpdate (Appendix H): new keys under a `context` that both ends agree on; the old ones are gone.
    pub fn update(self, c: &impl Symmetric, context: &[u8]) -> Result<Self, Error> {
        let prk_out = kdf::key(c, &self.prk_out, 11, &[context])?;
        Ok(Self::of(c, prk_out, self.own, self.peer)?)
    }
}

/// Shows the identifiers; never a key.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("own", &self.own).field("peer", &self.peer).finish_non_exhaustive()
    }
}
