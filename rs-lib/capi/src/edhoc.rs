//! The lock's own key, and handshakes by it, in a library that speaks EDHOC (feature `edhoc`).

use crate::config::Bytes;

/// The lock's own key, for EDHOC (RFC 9528) by methods 1 and 3 of suite 2: whoever opens shows a token in EAD_3 and proves the key
/// that the token names (draft-ietf-ace-edhoc-oscore-profile).
#[repr(C)]
pub struct OwnKey {
    /// Its credential, byte for byte as the server knows it: a CWT Claims Set with a P-256 `COSE_Key` in its `cnf` (RFC 9528 §3.5.2). By
    /// the `kid` of that key it is referred to; without one it is sent whole.
    pub credential: Bytes,
    /// The private half: a scalar of 32 bytes, big-endian. Copied at the start. Empty where it never leaves the hardware: then
    /// `Hardware::p256_agree` is called with a null key.
    pub private_key: Bytes,
}

#[cfg(feature = "edhoc")]
pub(crate) use spoken::{Handshakes, handshakes};
#[cfg(not(feature = "edhoc"))]
pub(crate) use unspoken::{Handshakes, handshakes};

#[cfg(feature = "edhoc")]
mod spoken {
    use super::OwnKey;
    use crate::crypto::{Crypto, HAS_ES256};
    use crate::lock::{DOORSTEP, Status};
    use latchwork_crypto::{Agree, CryptoError, Ephemeral, P256Peer, Random, Secret};
    use latchwork_edhoc::{Identity, Method};

    /// Assembly before portable code.
    #[cfg(all(feature = "es256-cortex-m4", target_arch = "arm"))]
    use latchwork_crypto::{CortexM4 as P256, CortexM4Private as P256Private};
    #[cfg(all(feature = "ecdh-p256", not(all(feature = "es256-cortex-m4", target_arch = "arm"))))]
    use latchwork_crypto::{P256Private, RustCrypto as P256};

    /// What is spoken at `/.well-known/edhoc`, by a lock that has a key.
    pub(crate) type Handshakes = Option<latchwork_rs_lib::Handshakes<'static, Private, u64, DOORSTEP, Private>>;

    /// A private key, and who computes with it.
    pub(crate) struct Private {
        crypto: Crypto,
        /// None if the hardware keeps it.
        key: Option<Secret<32>>,
    }

    impl Agree for Private {
        fn agree(&self, peer: &P256Peer) -> Result<Secret<32>, CryptoError> {
            if let Some(agreed) = self.crypto.0.agree(self.key.as_ref(), peer) {
                return agreed;
            }
            #[cfg(any(feature = "ecdh-p256", all(feature = "es256-cortex-m4", target_arch = "arm")))]
            if let Some(key) = &self.key {
                return P256Private::new(key.clone())?.agree(peer);
            }
            Err(CryptoError::Unsupported)
        }
    }

    impl Ephemeral for Crypto {
        type Key = Private;

        fn ephemeral(&self, random: &mut (impl Random + ?Sized)) -> Result<(Private, [u8; 32]), CryptoError> {
            let private = |key| Private { crypto: *self, key: Some(key) };
            if let Some(made) = self.0.generate() {
                return made.map(|(key, x)| (private(key), x));
            }
            #[cfg(any(feature = "ecdh-p256", all(feature = "es256-cortex-m4", target_arch = "arm")))]
            {
                let (key, x) = P256.ephemeral(random)?;
                Ok((private(Secret::new(*key.expose())), x))
            }
            #[cfg(not(any(feature = "ecdh-p256", all(feature = "es256-cortex-m4", target_arch = "arm"))))]
            {
                let _ = random;
                Err(CryptoError::Unsupported)
            }
        }
    }

    /// Handshakes by this key, if there is one.
    ///
    /// # Safety
    /// The key keeps its promises, and its credential stays as it is for as long as the result lives.
    pub(crate) unsafe fn handshakes(own_key: Option<&OwnKey>, crypto: Crypto) -> Result<Handshakes, Status> {
        let Some(own_key) = own_key else { return Ok(None) };
        // SAFETY: the caller's.
        let (credential, key) = unsafe { (own_key.credential.bytes()?, own_key.private_key.bytes()?) };
        let has_hardware = crypto.0.hardware.p256_agree.is_some();
        let key = match key {
            [] if has_hardware => None,
            [] => return Err(Status::BadConfig),
            key => Some(Secret::try_from(key).map_err(|_| Status::BadConfig)?),
        };
        if !has_hardware {
            is_usable(key.as_ref())?;
        }
        let identity = Identity::ccs(credential, Private { crypto, key }).map_err(|_| Status::BadConfig)?;
        let methods = if HAS_ES256 || crypto.0.hardware.p256_verify.is_some() { BOTH } else { WITHOUT_SIGNATURES };
        Ok(Some(latchwork_rs_lib::Handshakes::new(identity, methods)))
    }

    /// Whether software can use it: it has to be there, and below the order of the curve.
    fn is_usable(key: Option<&Secret<32>>) -> Result<(), Status> {
        #[cfg(any(feature = "ecdh-p256", all(feature = "es256-cortex-m4", target_arch = "arm")))]
        if key.is_some_and(|key| P256Private::new(key.clone()).is_ok()) {
            return Ok(());
        }
        let _ = key;
        Err(Status::BadConfig)
    }

    /// Method 1 has the client sign by ES256.
    const BOTH: &[Method] = &[Method::SignatureStaticDh, Method::StaticDhStaticDh];
    const WITHOUT_SIGNATURES: &[Method] = &[Method::StaticDhStaticDh];
}

#[cfg(not(feature = "edhoc"))]
mod unspoken {
    use super::OwnKey;
    use crate::crypto::Crypto;
    use crate::lock::Status;
    use latchwork_rs_lib::NoEdhoc;

    /// Nothing is spoken.
    pub(crate) type Handshakes = NoEdhoc;

    /// # Safety
    /// Nothing is looked at.
    pub(crate) unsafe fn handshakes(own_key: Option<&OwnKey>, _: Crypto) -> Result<Handshakes, Status> {
        own_key.map_or(Ok(NoEdhoc), |_| Err(Status::BadConfig))
    }
}
