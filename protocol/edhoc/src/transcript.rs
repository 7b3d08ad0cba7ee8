//! Transcript hashes and the keys that hang on them, the same for both roles.

use latchwork_crypto::{Agree, CryptoError, P256Peer, Secret, Symmetric};

use crate::{error::Error, item::HASH_HEAD, kdf};

/// TH_2 = H( G_Y, H(message_1) )
pub(crate) fn th_2(c: &impl Symmetric, g_y: &[u8; 32], hash_of_message_1: &[u8; 32]) -> Result<[u8; 32], CryptoError> {
    c.sha256(&[HASH_HEAD, g_y, HASH_HEAD, hash_of_message_1])
}

/// TH_3 = H( TH_2, PLAINTEXT_2, CRED_R ), and TH_4 in the same way of message_3.
pub(crate) fn next(c: &impl Symmetric, th: &[u8; 32], plaintext: &[u8], cred: &[u8]) -> Result<[u8; 32], CryptoError> {
    c.sha256(&[HASH_HEAD, th, plaintext, cred])
}

/// PRK_2e, from the two ephemeral keys.
pub(crate) fn prk_2e(
    c: &impl Symmetric,
    th_2: &[u8; 32],
    own: &(impl Agree + ?Sized),
    peer: &[u8; 32],
) -> Result<Secret<32>, Error> {
    let g_xy = own.agree(&P256Peer::X(*peer)).map_err(Error::of_peer_key)?;
    Ok(kdf::extract(c, th_2, &g_xy)?)
}

/// PRK_3e2m by the responder's static key: `own` and `peer` are R and G_X, or X and G_R.
pub(crate) fn prk_3e2m(
    c: &impl Symmetric,
    prk_2e: &Secret<32>,
    th_2: &[u8; 32],
    own: &(impl Agree + ?Sized),
    peer: &P256Peer,
) -> Result<Secret<32>, Error> {
    mixed(c, prk_2e, 1, th_2, own, peer)
}

/// PRK_4e3m by the initiator's static key: `own` and `peer` are I and G_Y, or Y and G_I.
pub(crate) fn prk_4e3m(
    c: &impl Symmetric,
    prk_3e2m: &Secret<32>,
    th_3: &[u8; 32],
    own: &(impl Agree + ?Sized),
    peer: &P256Peer,
) -> Result<Secret<32>, Error> {
    mixed(c, prk_3e2m, 5, th_3, own, peer)
}

fn mixed(
    c: &impl Symmetric,
    prk: &Secret<32>,
    salt_label: i64,
    th: &[u8; 32],
    own: &(impl Agree + ?Sized),
    peer: &P256Peer,
) -> Result<Secret<32>, Error> {
    let salt: Secret<32> = kdf::key(c, prk, salt_label, &[th])?;
    let shared = own.agree(peer).map_err(Error::of_peer_key)?;
    Ok(kdf::extract(c, salt.expose(), &shared)?)
}
