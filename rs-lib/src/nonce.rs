//! Client nonces: freshness for a lock without a clock (RFC 9200 §5.3.1).
//!
//! A nonce is the uptime at which it was made and a MAC of it under a key that lives until reboot. So nothing is
//! stored per nonce, nobody can push another's nonce out of a table, and nonces from before a reboot are stale.

use crate::clock::Uptime;
use latchwork_crypto::{CryptoError, Random, Secret, Symmetric};
use subtle::ConstantTimeEq;

/// Makes client nonces and knows them again.
pub struct Nonces {
    key: Secret<32>,
    /// Seconds from the hints to the upload of the token.
    fresh_for: u64,
    /// Seconds that rights last which rest on a nonce, from the making of the nonce.
    pub(crate) rights_for: u64,
}

impl Nonces {
    /// Draws the key; once per boot.
    pub fn new(random: &mut impl Random, fresh_for: u64, rights_for: u64) -> Result<Self, CryptoError> {
        let mut key = Secret::new([0; 32]);
        random.fill(key.expose_mut())?;
        Ok(Self { key, fresh_for, rights_for })
    }

    /// The nonce for hints sent now.
    pub fn make(&self, now: Uptime, crypto: &impl Symmetric) -> Result<[u8; LEN], CryptoError> {
        let mut nonce = [0; LEN];
        let (moment, mac) = nonce.split_at_mut(MOMENT_LEN);
        moment.iter_mut().zip(&now.0.to_be_bytes()).for_each(|(to, from)| *to = *from);
        let full = crypto.hmac_sha256(self.key.expose(), &[moment])?;
        for (place, byte) in mac.iter_mut().zip(full) {
            *place = byte;
        }
        Ok(nonce)
    }

    /// When this nonce was made, if we made it and it is fresh.
    pub(crate) fn fresh(&self, nonce: &[u8], now: Uptime, crypto: &impl Symmetric) -> Option<Uptime> {
        let made = Uptime(u64::from_be_bytes(*nonce.first_chunk()?));
        let ours = self.make(made, crypto).ok()?;
        let genuine = bool::from(ours.ct_eq(nonce));
        (genuine && made <= now && now.since(made) <= self.fresh_for).then_some(made)
    }
}

/// Length of a nonce in bytes, within the 8 to 32 that servers copy.
pub const LEN: usize = MOMENT_LEN + 12;

const MOMENT_LEN: usize = 8;
