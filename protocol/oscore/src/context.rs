//! The security context and its derivation (RFC 8613 §3).

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
        Self::new(crypto, material, Numbers::fresh(), Window::Known(Seen::default()))
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
        Self::new(crypto, material, Numbers::resumed(below), Window::Unknown(Challenge(challenge)))
    }

    fn new(
        crypto: &impl Symmetric,
        material: &Material<'_>,
        numbers: Numbers,
        window: Window,
    ) -> Result<Self, BadMaterial> {
        let &Material { master_secret, master_salt, sender_id, recipient_id, id_context } = material;
        let id_context = id_context.map(|id| IdContext::new(id).ok_or(BadMaterial::TooLong)).transpose()?;
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
        option.kid_context.is_none_or(|id| self.id_context.is_some_and(|own| own.as_bytes() == id))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use latchwork_crypto::RustCrypto;
    use std::format;

    const SECRET: &str = "0102030405060708090a0b0c0d0e0f10";
    const SALT: &str = "9e7ca92223786340";
    /// The input material of RFC 9203 Figure 4.
    const FIGURE_4: &str = "f9af838368e353e78888e1426bd94e6f";

    /// R8613-3.1-01
    #[test]
    fn keys_of_the_rfc() {
        let profile_salt = "4048018a278f7faab55a4825a8991cd700ac01";
        let figure_13 = "50f9af838368e353e78888e1426bd94e6f48018a278f7faab55a4825a8991cd700ac01";
        let id_context = Some("37cbf3210017a2d3");
        for (source, secret, salt, [sender_id, recipient_id], id_context, [sender, recipient, iv]) in [
            (
                "RFC 8613 C.1",
                SECRET,
                SALT,
                ["", "01"],
                None,
                ["f0910ed7295e6ad4b54fc793154302ff", "ffb14e093c94c9cac9471648b4f98710", "4622d4dd6d944168eefb54987c"],
            ),
            (
                "RFC 8613 C.2",
                SECRET,
                "",
                ["00", "01"],
                None,
                ["321b26943253c7ffb6003b0b64d74041", "e57b5635815177cd679ab4bcec9d7dda", "be35ae297d2dace910c52e99f9"],
            ),
            (
                "RFC 8613 C.3",
                SECRET,
                SALT,
                ["", "01"],
                id_context,
                ["af2a1300a5e95788b356336eeecd2b92", "e39a0c7c77b43f03b4b39ab9a268699f", "2ca58fb85ff1b81c0b7181b85e"],
            ),
            // RFC 9203 gives the Master Salts; these keys were computed from them by an independent implementation
            // that reproduces C.1.
            (
                "RFC 9203 Figures 4, 11 and 12, no input salt",
                FIGURE_4,
                profile_salt,
                ["0000", "1645"],
                None,
                ["8554dd374eb4cecca6e09e2d9ba84480", "091b6d7f314c85f03f0ab33c223191ed", "3e5e3bd86f4f46cf3a1608a332"],
            ),
            (
                "RFC 9203 Figure 13",
                FIGURE_4,
                figure_13,
                ["0000", "1645"],
                None,
                ["b27e21a6e8904c69367a7903b60c19ae", "7ca38f735b2e0866341bfe149795d547", "7c3b80ba46ee86b866da7b6718"],
            ),
        ] {
            let bytes = [secret, salt, sender_id, recipient_id, id_context.unwrap_or_default()].map(hex);
            let [secret, salt, sender_id, recipient_id, context] = bytes.each_ref().map(|bytes| &bytes[..]);
            let client = Material {
                master_secret: secret,
                master_salt: salt,
                sender_id,
                recipient_id,
                id_context: id_context.map(|_| context),
            };
            let server = Material { sender_id: recipient_id, recipient_id: sender_id, ..client };
            for (role, material, sender, recipient) in
                [("client", client, sender, recipient), ("server", server, recipient, sender)]
            {
                let context = Context::derive(&RustCrypto, &material).unwrap();
                assert_eq!(context.sender_key.expose()[..], hex(sender), "{source} {role}");
                assert_eq!(context.recipient_key.expose()[..], hex(recipient), "{source} {role}");
                assert_eq!(context.common_iv.expose()[..], hex(iv), "{source} {role}");
            }
        }
    }

    /// R8613-3.3-01
    #[test]
    fn bad_material() {
        let good = Material {
            master_secret: &[1; 16],
            master_salt: &[],
            sender_id: &[1],
            recipient_id: &[],
            id_context: None,
        };
        for (what, material, error) in [
            ("same ids", Material { recipient_id: &[1], ..good }, BadMaterial::SameIds),
            ("long sender id", Material { sender_id: &[1; 8], ..good }, BadMaterial::TooLong),
            ("long recipient id", Material { recipient_id: &[1; 8], ..good }, BadMaterial::TooLong),
            ("long id context", Material { id_context: Some(&[1; 33]), ..good }, BadMaterial::TooLong),
            ("no secret", Material { master_secret: &[], ..good }, BadMaterial::NoSecret),
        ] {
            assert_eq!(Context::derive(&RustCrypto, &material).err(), Some(error), "{what}");
        }
        assert!(Context::derive(&RustCrypto, &good).is_ok());
    }

    #[test]
    fn which_requests_it_answers_to() {
        let material = Material {
            master_secret: &[1; 16],
            master_salt: &[],
            sender_id: &[1],
            recipient_id: &[],
            id_context: None,
        };
        let plain = Context::derive(&RustCrypto, &material).unwrap();
        let named = Context::derive(&RustCrypto, &Material { id_context: Some(&[7]), ..material }).unwrap();
        for (kid, kid_context, by_plain, by_named) in [
            (Some(&[][..]), None, true, true),
            (Some(&[]), Some(&[7][..]), false, true),
            (Some(&[]), Some(&[]), false, false),
            (Some(&[]), Some(&[8]), false, false),
            (Some(&[0]), None, false, false),
            (None, None, false, false),
        ] {
            let option = OscoreOption { kid, kid_context, piv: None };
            assert_eq!(plain.answers_to(&option), by_plain, "{option:?}");
            assert_eq!(named.answers_to(&option), by_named, "{option:?}");
        }
    }

    /// A lock keeps one for each peer.
    #[test]
    fn stays_small() {
        assert!(size_of::<Context>() <= 168, "{}", size_of::<Context>());
    }

    #[test]
    fn shows_no_key() {
        let material = Material {
            master_secret: &[0xee; 16],
            master_salt: &[],
            sender_id: &[1],
            recipient_id: &[2],
            id_context: None,
        };
        let context = Context::derive(&RustCrypto, &material).unwrap();
        let shown = format!("{context:?}");
        assert_eq!(
            shown,
            "Context { sender_id: 01, recipient_id: 02, id_context: None, numbers: Numbers { next: 0, below: 1099511627776 }, .. }"
        );
    }
}
