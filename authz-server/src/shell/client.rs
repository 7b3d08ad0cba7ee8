//! What a client asks beside tokens, once it has shown who it is: look up, decide, record, and only then answer.

use std::net::IpAddr;

use super::Shell;
use super::token::Denied;
use crate::core::authenticate;
use crate::core::change::{Change, Key, OnConflict};
use crate::core::pushed;
use crate::core::records::Client;
use crate::core::refusal::{Refusal, ServerFault};
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

    /// `decide` gets the record of the client that is claimed, and gives the answer with what has to be committed first.
    pub(super) async fn for_client<T>(
        &self,
        event: &'static str,
        presented: &Presented,
        from: Option<IpAddr>,
        decide: impl FnOnce(Option<&Client>) -> Result<(T, Vec<Change>), Refusal>,
    ) -> Result<T, Denied> {
        let claimed = presented.claimed_client();
        self.admit(from, claimed.as_ref().map(|id| id.as_str())).map_err(Denied::Slow)?;
        let client = match &claimed {
            Some(id) => self.records.find::<Client>(&Key::Client(id.clone())).await,
            None => Ok(None),
        };
        let decided = match client {
            Ok(client) => decide(client.as_ref().map(|(client, _)| client)),
            Err(cause) => Err(failed(&cause)),
        };
        let decided = match decided {
            Ok((answer, changes)) => match self.records.commit(&changes).await {
                Ok(Committed::Done(_)) => Ok(answer),
                Ok(Committed::Conflict(OnConflict::Refuse(refusal))) => Err(refusal),
                Ok(Committed::Conflict(OnConflict::Retry)) => Err(Refusal::Busy),
                Err(cause) => Err(failed(&cause)),
            },
            Err(refusal) => Err(refusal),
        };
        self.counted(presented, from, decided.as_ref().err());
        self.audit.record(&match &decided {
            Ok(_) => serde_json::json!({ "at": self.now(), "event": event, "outcome": "granted", "client": claimed }),
            Err(refusal) => serde_json::json!({
                "at": self.now(), "event": event, "outcome": "refused", "client": claimed,
                "error": refusal.error().name, "reason": refusal.to_string(),
            }),
        });
        decided.map_err(Denied::Refused)
    }
}

fn failed(cause: &crate::store::StoreError) -> Refusal {
    tracing::error!(%cause, "the store failed");
    ServerFault::Store.into()
}
