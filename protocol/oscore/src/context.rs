use core::fmt;

use latchwork_crypto::{Secret, Symmetric, hkdf_sha256_expand, hkdf_sha256_extract};

use crate::{
    cose::{self, INFO_LEN, KEY_LEN, NONCE_LEN},
    error::BadMaterial,
    id::{Id, IdContext},
    numbers::Numbers,
    option::OscoreOption,
    piv::PartialIv,
    window::{Challenge, Seen, Window},
};

/// What both ends must know to derive a context (RFC 8613 §3.2). The algorithms are the defaults: AES-CCM-16-64-128
/// and HKDF SHA-256.
#[derive(Clone, Copy)]
pub struct Material<'m> {
    /// The shared secret.
    pub master_secret: &'m [u8],
    /// The salt; empty when there is none.
    pub master_salt: &'m [u8],
    /// What we call ourselves: the peer's Recipient ID.
    pub sender_id: &'m [u8],
    /// What the peer calls itself: our key to find the context by `kid`.
    pub recipient_id: &'m [u8],
    /// Tells contexts with the same identifiers apart. Sent in every request when there is one.
    pub id_context: Option<&'m [u8]>,
}

/// A security context, good for both roles (RFC 8613 §3.1). The keys are wiped when it is dropped.
///
/// There is no `Clone`: two copies would use the same nonces.
pub struct Context {
    pub(crate) sender_id: Id,
    pub(crate) recipient_id: Id,
    pub(crate) id_context: Option<IdContext>,
    pub(crate) sender_key: Secret<KEY_LEN>,
    pub(crate) recipient_key: Secret<KEY_LEN>,
    common_iv: Secret<NONCE_LEN>,
    pub(crate) numbers: Numbers,
    pub(crate) window: Window,
}

impl Context {
    /// Derives a context from material that was never used before and is not used again after a restart, as when
    /// both ends have just contributed a nonce (RFC 9203) or run EDHOC. Numbers start at 0, the window is open.
    ///
    /// Anything else must be [restored](Self::restore): deriving twice from the same material reuses nonces.
    pub fn derive(crypto: &impl Symmetric, material: &Material<'_>) -> Result<Self, BadMaterial> {
        Self::new(
            crypto,
            material,
            Numbers::fresh(),
            Window::Known(Seen::default()),
        )
    }

    /// Derives a context that outlives restarts, from its first use on (RFC 8613 B.1). `below` is the bound that the
    /// [store](crate::SenderNumbers) holds, 0 at first; nothing can be sent until more is [reserved](Self::reserve).
    /// `challenge` are 8 random bytes: the first request is answered with them in an Echo option, and none is
    /// accepted before one brings them back.
    pub fn restore(
        crypto: &impl Symmetric,
        material: &Material<'_>,
        below: u64,
        challenge: [u8; 8],
    ) -> Result<Self, BadMaterial> {
        Self::new(
            crypto,
            material,
            Numbers::resumed(below),
            Window::Unknown(Challenge(challenge)),
        )
    }

    fn new(
        crypto: &impl Symmetric,
        material: &Material<'_>,
        numbers: Numbers,
        window: Window,
    ) -> Result<Self, BadMaterial> {
        let &Material {
            master_secret,
            master_salt,
            sender_id,
            recipient_id,
            id_context,
        } = material;
        let id_context = id_context
            .map(|id| IdContext::new(id).ok_or(BadMaterial::TooLong))
            .transpose()?;
        let [sender_id, recipient_id] = [sender_id, recipient_id].map(Id::new);
        let sender_id = sender_id.ok_or(BadMaterial::TooLong)?;
        let recipient_id = recipient_id.ok_or(BadMaterial::TooLong)?;
        if sender_id == recipient_id {
            return Err(BadMaterial::SameIds);
        }
        if master_secret.is_empty() {
            return Err(BadMaterial::NoSecret);
        }
        let prk = Secret::from(hkdf_sha256_extract(crypto, master_salt, master_secret)?);
        let context = id_context.as_ref().map(IdContext::as_bytes);
        Ok(Self {
            sender_key: expand(crypto, &prk, sender_id.as_bytes(), context, "Key")?,
            recipient_key: expand(crypto, &prk, recipient_id.as_bytes(), context, "Key")?,
            common_iv: expand(crypto, &prk, &[], context, "IV")?,
            sender_id,
            recipient_id,
            id_context,
            numbers,
            window,
        })
    }

    /// Our own identifier: the `kid` of our requests.
    pub fn sender_id(&self) -> &Id {
        &self.sender_id
    }

    /// The peer's identifier: the `kid` of its requests.
    pub fn recipient_id(&self) -> &Id {
        &self.recipient_id
    }

    /// The ID Context.
    pub fn id_context(&self) -> Option<&IdContext> {
        self.id_context.as_ref()
    }

    /// Whether a request under this option is for this context. A request that names an ID Context gets no other
    /// (RFC 8613 §5).
    pub fn answers_to(&self, option: &OscoreOption<'_>) -> bool {
        option.kid == Some(self.recipient_id.as_bytes()) && self.has_id_context(option)
    }

    /// Whether requests are answered with a challenge because the replay window was lost in a restart.
    pub fn is_unsynchronized(&self) -> bool {
        matches!(self.window, Window::Unknown(_))
    }

    pub(crate) fn has_id_context(&self, option: &OscoreOption<'_>) -> bool {
        option
            .kid_context
            .is_none_or(|id| self.id_context.is_some_and(|own| own.as_bytes() == id))
    }

    pub(crate) fn nonce(&self, id: &Id, piv: &PartialIv) -> [u8; NONCE_LEN] {
        cose::nonce(self.common_iv.expose(), id, piv)
    }
}

/// Shows the identifiers and how far the numbers are; never a key.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("sender_id", &self.sender_id)
            .field("recipient_id", &self.recipient_id)
            .field("id_context", &self.id_context)
            .field("numbers", &self.numbers)
            .finish_non_exhaustive()
    }
}

fn expand<const N: usize>(
    crypto: &impl Symmetric,
    prk: &Secret<32>,
    id: &[u8],
    id_context: Option<&[u8]>,
    kind: &str,
) -> Result<Secret<N>, BadMaterial> {
    let mut buf = [0; INFO_LEN];
    let info = cose::info(id, id_context, kind, N, &mut buf).map_err(|_| BadMaterial::TooLong)?;
    let mut out = Secret::from([0; N]);
    hkdf_sha256_expand(crypto, prk.expose(), info, out.expose_mut())?;
    Ok(out)
}
