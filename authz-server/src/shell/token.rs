//! `/token`, whichever face it came by: look up, decide, record, and only then answer.

use std::net::IpAddr;

use serde::Serialize;

use super::throttle::Wait;
use super::{Shell, failed};
use crate::core::change::OnConflict;
use crate::core::channel::ChannelIdentity;
use crate::core::entropy::Os;
use crate::core::entry::{Entry, Outcome};
use crate::core::grant::Lifetimes;
use crate::core::issue::{Minting, issue};
use crate::core::names::ClientId;
use crate::core::refusal::{DeviceFault, OAuthError, Refusal, ServerFault};
use crate::core::request::{Credential, Face, Presented, TokenRequest};
use crate::core::response::IssuedResponse;
use crate::core::time::Seconds;
use crate::keys::Alg;
use crate::store::facts::Committed;

/// Why there is no token.
#[derive(Debug)]
pub enum Denied {
    /// Decided, and written down.
    Refused(Refusal),
    /// Not even looked at.
    Slow(Wait),
}

impl Shell {
    /// Answers a request at `/token`. What comes back is durable already. `from` is where it came from, for counting.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn token(
        &self,
        presented: &Presented,
        request: &TokenRequest,
        from: Option<IpAddr>,
    ) -> Result<IssuedResponse, Denied> {
        let decided = async {
            match self.decide(presented, request).await {
                Err(Refusal::Device(DeviceFault::Pending)) if self.polls_too_fast(request.code_hash()) => {
                    Err(DeviceFault::SlowDown.into())
                }
                decided => decided,
            }
        };
        let issued = self.admitted(presented, from, decided).await?;
        if let Credential::Public { id } = &presented.credential {
            // Who redeems a grant has its key.
            self.authenticated(from, Some(id.as_str()), true);
        }
        Ok(issued)
    }

    /// Takes note of how a client's authentication went, from what came of its request.
    pub(super) fn counted(&self, presented: &Presented, from: Option<IpAddr>, refusal: Option<&Refusal>) {
        let claimed = presented.claimed_client();
        let claimed = claimed.as_ref().map(|id| id.as_str());
        match (refusal, &presented.credential) {
            (Some(refusal), _) if refusal.error() == OAuthError::INVALID_CLIENT => {
                self.authenticated(from, claimed, false);
            }
            // Anybody can ask for a public client: that shows nothing, and must not use up what its users may ask.
            (_, Credential::Public { .. })
            | (Some(_), Credential::Channel { channel: ChannelIdentity::Tls(_), .. }) => {}
            _ => self.authenticated(from, claimed, true),
        }
    }

    /// Writes down a request that could not be read: it never becomes a decision.
    pub fn unread(&self, face: Face, client: Option<ClientId>, refusal: Refusal) -> Denied {
        let (error, reason) = (refusal.error().name, refusal.to_string());
        self.audit.record(&Unread { at: self.now().0, face, client, error, reason });
        Denied::Refused(refusal)
    }

    /// The same for a client that authenticated itself before anything of its request was read.
    ///
    /// # Errors
    /// Always; it may have to wait, too.
    pub fn unread_by<T>(
        &self,
        face: Face,
        client: ClientId,
        from: Option<IpAddr>,
        refusal: Refusal,
    ) -> Result<T, Denied> {
        self.admit(from, Some(client.as_str())).map_err(Denied::Slow)?;
        self.authenticated(from, Some(client.as_str()), true);
        Err(self.unread(face, Some(client), refusal))
    }

    async fn decide(&self, presented: &Presented, request: &TokenRequest) -> Result<IssuedResponse, Refusal> {
        let lifetimes = Lifetimes {
            grant: Seconds(self.lifetimes.grant),
            idle: Seconds(self.lifetimes.grant_idle),
            api: Seconds(self.lifetimes.api_token),
        };
        let minting = Minting {
            issuer: &self.issuer,
            keys: &self.keys,
            alg: Alg::Es256,
            policy: self.policy.as_ref(),
            lifetimes: &lifetimes,
        };
        let mut last: Option<Entry> = None;
        for _ in 0..ATTEMPTS {
            let facts = self.records.facts(presented, request).await.map_err(failed)?;
            let (changes, mut entry, answer) = match issue(presented, request, &facts, &minting, self.now(), &mut Os) {
                Ok(issued) => (issued.changes, issued.entry, Ok(issued.response)),
                Err(refused) => (refused.changes, refused.entry, Err(refused.refusal)),
            };
            let committed = match changes.as_slice() {
                [] => Committed::Done(Default::default()),
                changes => self.records.commit(changes).await.map_err(failed)?,
            };
            match committed {
                Committed::Done(_) => {
                    // No token leaves of which the log does not tell.
                    let written = self.audit.record_first(&entry).map_err(|_| Refusal::Server(ServerFault::Audit));
                    self.fulfil_all(&changes).await.map_err(failed)?;
                    return written.and(answer);
                }
                Committed::Conflict(OnConflict::Refuse(refusal)) => {
                    entry.outcome = Outcome::refused(&refusal);
                    self.audit.record(&entry);
                    return Err(refusal);
                }
                Committed::Conflict(OnConflict::Retry) => last = Some(entry),
            }
        }
        if let Some(mut entry) = last {
            entry.outcome = Outcome::refused(&Refusal::Busy);
            self.audit.record(&entry);
        }
        Err(Refusal::Busy)
    }
}

/// The audit line of a request that could not be read.
#[derive(Serialize)]
struct Unread {
    at: i64,
    face: Face,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientId>,
    error: &'static str,
    reason: String,
}

/// How often a decision is made anew because somebody else was faster.
const ATTEMPTS: usize = 8;
