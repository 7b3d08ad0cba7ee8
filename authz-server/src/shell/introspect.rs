//! `/introspect`, whichever face it came by: look up, decide, spend, write down, answer.

use std::net::IpAddr;

use super::Shell;
use super::token::Denied;
use crate::core::introspect::{Answer, Question, introspect};
use crate::core::refusal::{OAuthError, Refusal, ServerFault};
use crate::core::request::Presented;
use crate::store::facts::Committed;

impl Shell {
    /// Answers a question about a token. `from` is where it came from, for counting.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn introspect(
        &self,
        presented: &Presented,
        question: &Question,
        from: Option<IpAddr>,
    ) -> Result<Answer, Denied> {
        let claimed = presented.claimed_client();
        let claimed = claimed.as_ref().map(|id| id.as_str());
        self.admit(from, claimed).map_err(Denied::Slow)?;
        let decided = self.look(presented, question).await;
        let known = !matches!(&decided, Err(refusal) if refusal.error() == OAuthError::INVALID_CLIENT);
        self.authenticated(from, claimed, known);
        decided.map_err(Denied::Refused)
    }

    async fn look(&self, presented: &Presented, question: &Question) -> Result<Answer, Refusal> {
        let store_failed = |cause| {
            tracing::error!(%cause, "the store failed");
            Refusal::Server(ServerFault::Store)
        };
        let facts = self.records.introspection(presented, question).await.map_err(store_failed)?;
        match introspect(presented, question, &facts, &self.keys, &self.issuer, self.now()) {
            Err(refused) => {
                let (refusal, entry) = *refused;
                self.audit.record(&entry);
                Err(refusal)
            }
            Ok(answered) => {
                if !answered.changes.is_empty() {
                    match self.records.commit(&answered.changes).await.map_err(store_failed)? {
                        Committed::Done(_) => {}
                        // What an assertion is good for it is good for once.
                        Committed::Conflict(conflict) => {
                            let refusal = conflict.refusal();
                            self.audit.record(&answered.entry.refused(&refusal));
                            return Err(refusal);
                        }
                    }
                }
                self.audit.record(&answered.entry);
                Ok(answered.answer)
            }
        }
    }
}
