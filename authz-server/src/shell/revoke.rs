//! Who may revoke, and what is written down of it: `/revoke` (RFC 7009), administrators, people.

use std::net::IpAddr;

use serde::Serialize;

use super::revocation::{Lost, Revoked};
use super::token::Denied;
use super::{Shell, failed};
use crate::core::change::Change;
use crate::core::names::{ClientId, PersonId};
use crate::core::records::RevokedWhy;
use crate::core::refusal::Refusal;
use crate::core::request::Presented;
use crate::core::revoke::{self, Named, Revocation, Target};
use crate::store::StoreError;

/// On whose word something was revoked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// An administrator's.
    Administrator,
    /// A client's, of its own token.
    Client(ClientId),
    /// A person's, of their own grant.
    Person(PersonId),
}

impl Shell {
    /// Revokes on somebody's word, with one audit line; durable when it returns. `with` is committed together with the promise.
    ///
    /// # Errors
    /// The store failed, or a guard of `with` did not hold: then nothing was promised.
    pub async fn revoke_for(
        &self,
        by: By,
        target: Target,
        with: Vec<Change>,
    ) -> Result<Result<Revoked, Lost>, StoreError> {
        let revocation = Revocation { target, at: self.now(), why: RevokedWhy::Asked };
        let done = self.revoke(&revocation, with).await?;
        if let Ok(revoked) = done {
            self.audit.record(&Line { at: revocation.at.0, event: EVENT, by, target: &revocation.target, revoked });
        }
        Ok(done)
    }

    /// Answers a request at `/revoke`: what was to end has ended, or was none of ours (RFC 7009 §2.2).
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn revoke_token(&self, presented: &Presented, named: &Named, from: Option<IpAddr>) -> Result<(), Denied> {
        let answer = async {
            self.decide_revocation(presented, named).await.inspect_err(|refusal| {
                let (error, reason) = (refusal.error().name, refusal.to_string());
                let client = presented.claimed_client();
                self.audit.record(&Refused { at: self.now().0, event: EVENT, client, error, reason });
            })
        };
        self.admitted(presented, from, answer).await
    }

    async fn decide_revocation(&self, presented: &Presented, named: &Named) -> Result<(), Refusal> {
        let facts = self.records.revocation_facts(presented, named).await.map_err(failed)?;
        let decided = revoke::decide(presented, named, &facts, &self.keys.secrets, &self.issuer, self.now())?;
        match (decided.target, facts.client) {
            (Some(target), Some(client)) => {
                self.revoke_for(By::Client(client.id), target, decided.changes).await.map_err(failed)??;
            }
            _ => self.spend(&decided.changes).await?,
        }
        Ok(())
    }
}

const EVENT: &str = "revocation";

#[derive(Serialize)]
struct Line<'l> {
    at: i64,
    event: &'static str,
    by: By,
    target: &'l Target,
    #[serde(flatten)]
    revoked: Revoked,
}

#[derive(Serialize)]
struct Refused {
    at: i64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientId>,
    error: &'static str,
    reason: String,
}
