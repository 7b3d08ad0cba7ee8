//! Who queries the revocation list, whichever face it comes by (RFC 9770 §6: only registered devices and administrators).

use super::Shell;
use crate::core::authenticate;
use crate::core::refusal::Refusal;
use crate::core::request::Presented;
use crate::core::trl::Requester;

impl Shell {
    /// The requester that a client is, once it has authenticated as at `/token`.
    ///
    /// # Errors
    /// It is not who it claims to be, or a public client: installations of an app share its name, so each has its grant's part only.
    pub async fn requester(&self, presented: &Presented) -> Result<Requester, Refusal> {
        let client = self.claimed(presented).await?;
        let who = authenticate::client(presented, client.as_ref(), &self.keys.secrets, &self.issuer, self.now())?;
        if authenticate::is_public(who.client()) {
            return Err(Refusal::OtherMethod(who.client().id.clone()));
        }
        self.spend(&who.spend()).await?;
        Ok(Requester::Client(who.client().id.clone()))
    }
}

/// The media type of answers (RFC 9770 §15.1).
pub const ACE_TRL_CBOR: &str = "application/ace-trl+cbor";
/// The media type of errors (RFC 9290 §6.3).
pub const PROBLEM_DETAILS_CBOR: &str = "application/concise-problem-details+cbor";
