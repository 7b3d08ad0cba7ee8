//! Token series: what ties an update of rights to the token before it (draft-ietf-ace-edhoc-oscore-profile §3.2).

use super::bytes::Blob;
use super::entropy::{Entropy, fresh};
use super::names::{Audience, ClientId, GrantId};
use super::refusal::ServerFault;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A series with a token that is still good. No secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Whose.
    pub client: ClientId,
    /// Whom its tokens are for.
    pub audience: Audience,
    /// Its `session_id`.
    pub id: Blob,
    /// Under which grant; another installation of the same app may not go on with it.
    pub grant: Option<GrantId>,
    /// The credential that its first token was asked for, byte for byte.
    pub ccs: Blob,
    /// When its latest token ends, and it with it.
    pub expires: Timestamp,
}

/// A name that no series of anybody had before: 64 random bits, and a commit that fails where it lives.
pub(super) fn fresh_id(entropy: &mut dyn Entropy) -> Result<Blob, ServerFault> {
    fresh::<8>(entropy).map(|id| Blob(id.to_vec())).map_err(|_| ServerFault::Entropy)
}
