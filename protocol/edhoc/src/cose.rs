//! What EDHOC takes from COSE (RFC 9528 Appendix C.3), and the MACs: all over one transcript hash and one credential.

use latchwork_crypto::{CryptoError, P256Peer, Secret, Sign, Symmetric, Verify, ct_eq};

use crate::{
    error::Error,
    id_cred::IdCred,
    item::{HASH_HEAD, Item},
    kdf, wire,
};

/// The length of a MAC that stands for itself, and of the tag of AES-CCM-16-64-128.
pub(crate) const MAC_LEN: usize = 8;
/// r and s.
pub const SIGNATURE_LEN: usize = 64;

/// What one side claims to be: the parts that MAC and signature cover.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'c> {
    pub(crate) id_cred: IdCred<'c>,
    /// TH_2 or TH_3.
    pub(crate) th: &'c [u8; 32],
    pub(crate) cred: &'c [u8],
    pub(crate) eads: &'c [u8],
}

impl Claim<'_> {
    /// MAC_2 under PRK_3e2m (RFC 9528 §5.3.2).
    pub(crate) fn mac_2(
        &self,
        c: &impl Symmetric,
        prk: &Secret<32>,
        c_r: &[u8],
    ) -> Result<Secret<MAC_LEN>, CryptoError> {
        self.mac(c, prk, 2, c_r)
    }

    /// MAC_3 under PRK_4e3m, of 8 bytes, or of 32 under a signature (RFC 9528 §5.4.2).
    pub(crate) fn mac_3<const N: usize>(&self, c: &impl Symmetric, prk: &Secret<32>) -> Result<Secret<N>, CryptoError> {
        self.mac(c, prk, 6, &[])
    }

    fn mac<const N: usize>(
        &self,
        c: &impl Symmetric,
        prk: &Secret<32>,
        label: i64,
        c_r: &[u8],
    ) -> Result<Secret<N>, CryptoError> {
        let (id_head, id_rest) = self.id_cred.map();
        kdf::key(c, prk, label, &[c_r, id_head.as_bytes(), id_rest, HASH_HEAD, self.th, self.cred, self.eads])
    }

    pub(crate) fn sign(
        &self,
        key: &(impl Sign + ?Sized),
        mac_3: &Secret<32>,
    ) -> Result<[u8; SIGNATURE_LEN], CryptoError> {
        self.with_sig_structure(mac_3, |parts| key.sign_es256(parts))
    }

    pub(crate) fn verify(
        &self,
        c: &impl Verify,
        key: &P256Peer,
        mac_3: &Secret<32>,
        signature: &[u8],
    ) -> Result<(), Error> {
        let P256Peer::Point(public) = key else { return Err(Error::UnfitCredential) };
        let signature = signature.try_into().map_err(|_| Error::Malformed)?;
        self.with_sig_structure(mac_3, |parts| c.es256(public, parts, signature)).map_err(|error| match error {
            CryptoError::Forged => Error::NotAuthenticated,
            other => Error::of_peer_key(other),
        })
    }

    /// `["Signature1", << ID_CRED_I >>, << TH_3, CRED_I, ? EAD_3 >>, MAC_3]`
    pub(crate) fn with_sig_structure<T>(&self, mac_3: &Secret<32>, with: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (id_head, id_rest) = self.id_cred.map();
        let protected = Item::bytes_head(self.id_cred.map_len());
        let length = [HASH_HEAD, self.th, self.cred, self.eads].iter().map(|part| part.len()).sum();
        let external = Item::bytes_head(length);
        with(&[
            b"\x84\x6aSignature1",
            protected.as_bytes(),
            id_head.as_bytes(),
            id_rest,
            external.as_bytes(),
            HASH_HEAD,
            self.th,
            self.cred,
            self.eads,
            HASH_HEAD,
            mac_3.expose(),
        ])
    }
}

/// Compares in constant time.
pub(crate) fn check_mac(expected: &Secret<MAC_LEN>, found: &[u8]) -> Result<(), Error> {
    if ct_eq(expected.expose(), found) { Ok(()) } else { Err(Error::NotAuthenticated) }
}

/// Key, nonce and associated data of message_3 or message_4.
pub(crate) struct Aead {
    key: Secret<16>,
    iv: Secret<13>,
    aad: [u8; 45],
}

impl Aead {
    /// K_3 and IV_3, from PRK_3e2m and TH_3.
    pub(crate) fn of_message_3(c: &impl Symmetric, prk: &Secret<32>, th: &[u8; 32]) -> Result<Self, CryptoError> {
        Self::new(c, prk, 3, 4, th)
    }

    /// K_4 and IV_4, from PRK_4e3m and TH_4.
    pub(crate) fn of_message_4(c: &impl Symmetric, prk: &Secret<32>, th: &[u8; 32]) -> Result<Self, CryptoError> {
        Self::new(c, prk, 8, 9, th)
    }

    fn new(c: &impl Symmetric, prk: &Secret<32>, key: i64, iv: i64, th: &[u8; 32]) -> Result<Self, CryptoError> {
        let mut aad = [0; 45];
        let parts = b"\x83\x68Encrypt0\x40".iter().chain(HASH_HEAD).chain(th);
        aad.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        Ok(Self { key: kdf::key(c, prk, key, &[th])?, iv: kdf::key(c, prk, iv, &[th])?, aad })
    }

    /// Encrypts in place.
    pub(crate) fn seal(&self, c: &impl Symmetric, text: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        c.ccm_seal(self.key.expose(), self.iv.expose(), &self.aad, text, tag)
    }

    /// Decrypts a whole message in place and gives the plaintext.
    pub(crate) fn open<'m>(&self, c: &impl Symmetric, message: &'m mut [u8]) -> Result<&'m [u8], Error> {
        let sealed = wire::content(message)?;
        let length = sealed.len().checked_sub(MAC_LEN).ok_or(Error::Malformed)?;
        let (text, tag) = sealed.split_at_mut_checked(length).ok_or(Error::Malformed)?;
        c.ccm_open(self.key.expose(), self.iv.expose(), &self.aad, text, tag).map_err(|error| match error {
            CryptoError::Forged => Error::DecryptionFailed,
            other => Error::Crypto(other),
        })?;
        Ok(text)
    }
}
