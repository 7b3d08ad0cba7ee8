//! A person's doors, and the permissions to open them.

use latchwork_ace::registry::{Alg, Profile};
use latchwork_ace::{Cnf, TokenResponse};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::encoding;
use crate::error::Error;

/// A door of this person, as the server lists it. What a lock says of itself must agree with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Its name: 1 to 64 of `a-z 0-9 . -`.
    pub name: String,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// The audience of its lock, `urn:latchwork:lock:NAME`.
    pub audience: String,
    /// Where the lock listens: host and port of CoAP over UDP.
    pub address: String,
    /// The token endpoint that the lock trusts.
    pub as_uri: String,
    /// What this person may ask for, in text, separated by spaces.
    #[serde(default)]
    pub scopes: String,
    /// What the server says it takes to get a token.
    #[serde(default, rename = "state")]
    pub standing: Standing,
}

/// What it takes to get a token for a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing: the sign-in covers it.
    #[default]
    Granted,
    /// A sign-in that names its audience.
    Available,
    /// Such a sign-in, and a yes of the door's owner.
    NeedsConsent,
}

/// A token for one lock and the secret it is bound to. Whoever has both opens the door.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Permission {
    #[serde(with = "encoding::bytes")]
    pub(crate) token: Vec<u8>,
    #[serde(with = "encoding::bytes")]
    pub(crate) id: Vec<u8>,
    #[serde(with = "encoding::bytes")]
    pub(crate) master_secret: Vec<u8>,
    #[serde(with = "encoding::optional_bytes")]
    pub(crate) salt: Option<Vec<u8>>,
    #[serde(with = "encoding::optional_bytes")]
    pub(crate) context_id: Option<Vec<u8>>,
    /// By the phone's clock, in seconds since 1970. The lock decides by its own.
    pub(crate) expires: u64,
}

impl Permission {
    /// From the answer of `/token` (RFC 9203 §3.2) that arrived at `now`.
    pub(crate) fn granted(response: &TokenResponse<'_>, now: u64) -> Result<Self, Error> {
        if response.ace_profile.is_some_and(|profile| profile != Profile::COAP_OSCORE) {
            return Err(Error::Nonsense("a token for a profile that we did not ask for"));
        }
        let Some(Cnf::Osc(osc)) = response.cnf else {
            return Err(Error::Nonsense("a token without the secret it is bound to"));
        };
        if osc.unrecognized || osc.version != 1 || osc.hkdf != Alg::HMAC_256_256 || osc.alg != Alg::AES_CCM_16_64_128 {
            return Err(Error::Nonsense("an OSCORE context of a kind that we do not speak"));
        }
        // A token whose end we cannot learn is not used (RFC 9200 §5.10.4).
        let lifetime = response.expires_in.ok_or(Error::Nonsense("a token without an end"))?;
        Ok(Self {
            token: response.access_token.to_vec(),
            id: osc.id.to_vec(),
            master_secret: osc.ms.to_vec(),
            salt: osc.salt.map(<[u8]>::to_vec),
            context_id: osc.context_id.map(<[u8]>::to_vec),
            expires: now.saturating_add(lifetime),
        })
    }

    pub(crate) fn is_valid(&self, now: u64) -> bool {
        now < self.expires
    }
}
