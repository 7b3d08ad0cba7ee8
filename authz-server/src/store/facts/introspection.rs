//! What is known of a token that a resource server asks about.

use super::Records;
use crate::core::change::Key as Name;
use crate::core::introspect::{Facts, Question};
use crate::core::names::Audience;
use crate::core::records::{Client, Grant, Lock, TokenRecord};
use crate::core::request::Presented;
use crate::store::StoreError;

impl Records {
    /// What `introspect` may look at for this question.
    pub async fn introspection(&self, presented: &Presented, question: &Question) -> Result<Facts, StoreError> {
        let client: Option<Client> = match presented.claimed_client() {
            Some(id) => self.find(&Name::Client(id)).await?.map(|(client, _)| client),
            None => None,
        };
        let token: Option<TokenRecord> = self.find(&Name::Token(question.hash())).await?.map(|(token, _)| token);
        let mut facts = Facts { client, token, ..Facts::default() };
        let Some(token) = &facts.token else { return Ok(facts) };
        if let Some(id) = token.grant {
            facts.grant = self.find::<Grant>(&Name::Grant(id)).await?.map(|(grant, _)| grant);
        }
        let spoken_for = facts.client.as_ref().and_then(|client| client.kind.locks());
        for name in spoken_for.into_iter().flatten() {
            if matches!(&token.audience, Audience::Lock(one) if one != name) {
                continue;
            }
            let lock = self.find::<Lock>(&Name::Lock(name.clone())).await?.map(|(lock, _)| lock);
            facts.locks.extend(lock.filter(|lock| lock.is_in(&token.audience)));
        }
        Ok(facts)
    }
}
