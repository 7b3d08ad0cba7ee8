//! `/introspect`, whichever face it came by: look up, decide, spend, write down, answer.

use std::net::IpAddr;

use super::token::Denied;
use super::{Shell, failed};
use crate::core::introspect::{Answer, Question, introspect};
use crate::core::refusal::{Refusal, ServerFault};
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
        self.admitted(presented, from, self.look(presented, question)).await
    }

    async fn look(&self, presented: &Presented, question: &Question) -> Result<Answer, Refusal> {
        let facts = self.records.introspection(presented, question).await.map_err(failed)?;
        let answered = match introspect(presented, question, &facts, &self.keys, &self.issuer, self.now()) {
            Ok(answered) => answered,
            Err(refused) => {
                let (refusal, entry) = *refused;
                self.audit.record(&entry);
                return Err(refusal);
            }
        };
        // What an assertion is good for it is good for once.
        if !answered.changes.is_empty()
            && let Committed::Conflict(conflict) = self.records.commit(&answered.changes).await.map_err(failed)?
        {
            let refusal = conflict.refusal();
            self.audit.record(&answered.entry.refused(&refusal));
            return Err(refusal);
        }
        // Nothing is told of which the log does not tell.
        self.audit.record_first(&answered.entry).map_err(|_| ServerFault::Audit)?;
        Ok(answered.answer)
    }
}
