//! The lock's own key, in an image that speaks EDHOC.

#[cfg(feature = "edhoc")]
pub(crate) use spoken::OwnKey;
#[cfg(not(feature = "edhoc"))]
pub(crate) use unspoken::OwnKey;

#[cfg(feature = "edhoc")]
mod spoken {
    use crate::backend::Private;
    use core::net::SocketAddrV4;
    use latchwork_crypto::CryptoError;
    use latchwork_door_lock_app::page::Page;
    use latchwork_edhoc::{Identity, Method};

    type Handshakes<'k> =
        Option<latchwork_rs_lib::Handshakes<'k, Private, SocketAddrV4, { crate::guard::DOORSTEP }>>;

    /// The key, where enrolment wrote one.
    pub(crate) struct OwnKey(Option<Private>);

    impl OwnKey {
        pub(crate) fn of(page: &Page<'_>) -> Result<Self, CryptoError> {
            let key = page.own_key.as_ref().map(|(key, _)| Private::new(key.clone()));
            Ok(Self(key.transpose()?))
        }

        /// Handshakes by this key, under the credential of the same page.
        pub(crate) fn handshakes<'k>(&'k self, page: &'k Page<'_>) -> Result<Handshakes<'k>, CryptoError> {
            let (Some(key), Some((_, ccs))) = (&self.0, &page.own_key) else { return Ok(None) };
            let identity = Identity::ccs(ccs, key as _).map_err(|_| CryptoError::BadKey)?;
            Ok(Some(latchwork_rs_lib::Handshakes::new(identity, METHODS)))
        }
    }

    /// Method 1 has the client sign by ES256.
    const METHODS: &[Method] = if cfg!(any(feature = "es256-p256", feature = "es256-cortex-m4")) {
        &[Method::SignatureStaticDh, Method::StaticDhStaticDh]
    } else {
        &[Method::StaticDhStaticDh]
    };
}

#[cfg(not(feature = "edhoc"))]
mod unspoken {
    use latchwork_crypto::CryptoError;
    use latchwork_door_lock_app::page::Page;
    use latchwork_rs_lib::NoEdhoc;

    /// No key, whatever enrolment wrote.
    pub(crate) struct OwnKey;

    impl OwnKey {
        pub(crate) fn of(_: &Page<'_>) -> Result<Self, CryptoError> {
            Ok(Self)
        }

        pub(crate) fn handshakes(&self, _: &Page<'_>) -> Result<NoEdhoc, CryptoError> {
            Ok(NoEdhoc)
        }
    }
}
