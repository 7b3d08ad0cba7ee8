//! What a client asks beside tokens, once it has shown who it is: look up, decide, record, and only then answer.

use std::net::IpAddr;

use super::revocation::Lost;
use super::token::Denied;
use super::{Shell, failed};
use crate::core::authenticate;
use crate::core::change::{Change, Key};
use crate::core::pushed;
use crate::core::records::Client;
use crate::core::refusal::Refusal;
use crate::core::request::Presented;
use crate::core::time::Seconds;
use crate::store::facts::Committed;

impl Shell {
    /// Answers a request at `/par` (RFC 9126 §2): the reference, and how many seconds it is good.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn push(
        &self,
        presented: &Presented,
        parameters: &[(String, String)],
        from: Option<IpAddr>,
    ) -> Result<(String, u32), Denied> {
        let (keys, life, now) = (&self.keys, Seconds(self.lifetimes.pushed_request), self.now());
        let decide = |client: Option<&Client>| {
            let who = authenticate::by_method(presented, client, &keys.secrets, &self.issuer, now)?;
            Ok((pushed::push(&who, parameters, &keys.storage, life, now)?, who.spend()))
        };
        let reference = self.for_client("pushed request", presented, from, decide).await?;
        Ok((reference, life.0))
    }

    /// Lets a client's request in, answers it, and takes note of how its authentication went.
    pub(super) async fn admitted<T>(
        &self,
        presented: &Presented,
        from: Option<IpAddr>,
        answer: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Denied> {
        let claimed = presented.claimed_client();
        self.admit(from, claimed.as_ref().map(|id| id.as_str())).map_err(Denied::Slow)?;
        let answer = answer.await;
        self.counted(presented, from, answer.as_ref().err());
        answer.map_err(Denied::Refused)
    }

    /// `decide` gets the record of the client that is claimed, and gives the answer with what has to be committed first.
    pub(super) async fn for_client<T>(
        &self,
        event: &'static str,
        presented: &Presented,
        from: Option<IpAddr>,
        decide: impl FnOnce(Option<&Client>) -> Result<(T, Vec<Change>), Refusal>,
    ) -> Result<T, Denied> {
        let answer = async {
            let decided = self.decided_for(presented, decide).await;
            let (at, client) = (self.now(), presented.claimed_client());
            self.audit.record(&match &decided {
                Ok(_) => serde_json::json!({ "at": at, "event": event, "outcome": "granted", "client": client }),
                Err(refusal) => serde_json::json!({
                    "at": at, "event": event, "outcome": "refused", "client": client,
                    "error": refusal.error().name, "reason": refusal.to_string(),
                }),
            });
            decided
        };
        self.admitted(presented, from, answer).await
    }

    async fn decided_for<T>(
        &self,
        presented: &Presented,
        decide: impl FnOnce(Option<&Client>) -> Result<(T, Vec<Change>), Refusal>,
    ) -> Result<T, Refusal> {
        let client = self.claimed(presented).await?;
        let (answer, changes) = decide(client.as_ref())?;
        self.spend(&changes).await?;
        Ok(answer)
    }

    /// The client that this one claims to be.
    pub(super) async fn claimed(&self, presented: &Presented) -> Result<Option<Client>, Refusal> {
        let Some(id) = presented.claimed_client() else { return Ok(None) };
        Ok(self.records.find(&Key::Client(id)).await.map_err(failed)?.map(|(client, _)| client))
    }

    /// Commits what a decision spends; what was spent before is a refusal.
    pub(super) async fn spend(&self, changes: &[Change]) -> Result<(), Refusal> {
        if changes.is_empty() {
            return Ok(());
        }
        match self.records.commit(changes).await.map_err(failed)? {
            Committed::Done(_) => Ok(()),
            Committed::Conflict(conflict) => Err(Lost(conflict).into()),
        }
    }
}
