//! Clients come by themselves, change and go (RFC 7591, RFC 7592): look up, decide, record, and only then answer.

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Shell;
use super::revocation::{Lost, Revoked};
use super::revoke::By;
use crate::core::change::{Change, Key, OnConflict, Record, Rev};
use crate::core::entropy::{NoEntropy, Os};
use crate::core::names::ClientId;
use crate::core::records::{Client, InitialToken, OscoreClient, Registered, RevokedWhy};
use crate::core::registration::{self, Fault, Made, Metadata};
use crate::core::revoke::{Target, end};
use crate::store::StoreError;
use crate::store::facts::Committed;

/// Why nothing is registered.
#[derive(Debug, thiserror::Error)]
pub enum NotRegistered {
    /// No token, or one that is not good, or not any more.
    #[error("the token is not good")]
    Token,
    /// The client says something that cannot be.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Somebody else was faster, again and again.
    #[error("somebody changed the same records at this moment")]
    Busy,
    /// Our own trouble.
    #[error("server fault: {0}")]
    Store(#[from] StoreError),
    /// Our own trouble.
    #[error("server fault: {0}")]
    Entropy(#[from] NoEntropy),
}

impl Shell {
    /// `POST /register`: takes one use of the initial access token, and gives what RFC 7591 §3.2.1 answers.
    ///
    /// # Errors
    /// See [`NotRegistered`]. A refused registration uses nothing up.
    pub async fn register(&self, token: &str, body: &[u8]) -> Result<Map<String, Value>, NotRegistered> {
        let hash = registration::initial_hash(&self.keys.secrets, token);
        for _ in 0..ATTEMPTS {
            let found = self.records.find::<InitialToken>(&Key::InitialToken(hash)).await?;
            let (initial, rev) = found.filter(|(it, _)| self.now() < it.expires).ok_or(NotRegistered::Token)?;
            let asked = registration::read(body)?;
            let (made, own) = registration::register(&asked, &self.keys.secrets, self.now(), &mut Os)??;
            let spend = match initial.uses.saturating_sub(1) {
                0 => Change::remove(Key::InitialToken(hash), rev),
                uses => Change::replace(InitialToken { uses, ..initial }, rev),
            };
            let answer = self.told(&made.client, &own, made.secret.as_ref());
            let id = made.client.id.clone();
            match self.records.commit(&[spend, Change::create(made.client)]).await? {
                Committed::Done(_) => {
                    self.noted("registered", &id);
                    return Ok(answer);
                }
                Committed::Conflict(OnConflict::Retry | OnConflict::Refuse(_)) => {}
            }
        }
        Err(NotRegistered::Busy)
    }

    /// `GET /register/{id}` (RFC 7592 §2.1).
    ///
    /// # Errors
    /// See [`NotRegistered`].
    pub async fn registration(&self, id: &str, token: &str) -> Result<Map<String, Value>, NotRegistered> {
        let (client, ..) = self.own_registration(id, token).await?;
        Ok(self.told(&client, token, None))
    }

    /// `PUT /register/{id}` (RFC 7592 §2.2). A change ends what the client had: it waits to be admitted again.
    ///
    /// # Errors
    /// See [`NotRegistered`].
    pub async fn reregister(&self, id: &str, token: &str, body: &[u8]) -> Result<Map<String, Value>, NotRegistered> {
        let (old, registered, rev) = self.own_registration(id, token).await?;
        let asked: Metadata = registration::read(body)?;
        let Made { client, secret } = registration::update(&asked, &old, &registered, &self.keys.secrets, &mut Os)??;
        let answer = self.told(&client, token, secret.as_ref());
        if client != old {
            let id = old.id.clone();
            let mut changes = vec![Change::replace(client, rev)];
            changes.extend(self.ended(&id).await?);
            let done = self.revoke_for(By::Client(id.clone()), Target::Client(id.clone()), changes).await?;
            done.map_err(|Lost(_)| NotRegistered::Busy)?;
            self.noted("changed", &id);
        }
        Ok(answer)
    }

    /// `DELETE /register/{id}` (RFC 7592 §2.3).
    ///
    /// # Errors
    /// See [`NotRegistered`].
    pub async fn deregister(&self, id: &str, token: &str) -> Result<(), NotRegistered> {
        let (client, _, rev) = self.own_registration(id, token).await?;
        self.leave(&client.id, rev).await
    }

    /// Removes the client that was read at `rev`: if an administrator took it over since, it stays.
    pub(super) async fn leave(&self, id: &ClientId, rev: Rev) -> Result<(), NotRegistered> {
        let gone = self.remove_with(By::Client(id.clone()), id, Change::remove(Key::Client(id.clone()), rev)).await?;
        gone.map_err(|Lost(_)| NotRegistered::Busy)?;
        self.noted("deregistered", id);
        Ok(())
    }

    /// Removes a client with all that it had.
    ///
    /// # Errors
    /// The store failed, or somebody was faster: then nothing was removed.
    pub async fn remove_client(&self, by: By, id: &ClientId) -> Result<Result<Revoked, Lost>, StoreError> {
        self.remove_with(by, id, Change::delete(Key::Client(id.clone()))).await
    }

    async fn remove_with(&self, by: By, id: &ClientId, record: Change) -> Result<Result<Revoked, Lost>, StoreError> {
        let mut changes = vec![record, Change::delete(Key::Oscore(id.clone()))];
        if let Some((context, _)) = self.records.find::<OscoreClient>(&Key::Oscore(id.clone())).await? {
            changes.push(Change::delete(Record::from(context.name()).key()));
        }
        // Else they would be good again for a client that is given the same name.
        changes.extend(self.ended(id).await?);
        changes.extend(self.records.rows_of(id).await?.into_iter().map(|row| Change::delete(Record::from(row).key())));
        self.revoke_for(by, Target::Client(id.clone()), changes).await
    }

    async fn ended(&self, id: &ClientId) -> Result<Vec<Change>, StoreError> {
        let grants = self.records.grants_of(&Target::Client(id.clone())).await?;
        Ok(grants.iter().filter_map(|(grant, rev)| end(grant, *rev, RevokedWhy::Asked, self.now())).collect())
    }

    /// The client whose registration this token looks after.
    pub(super) async fn own_registration(
        &self,
        id: &str,
        token: &str,
    ) -> Result<(Client, Registered, Rev), NotRegistered> {
        let id: ClientId = id.parse().map_err(|_| NotRegistered::Token)?;
        let (client, rev) = self.records.find::<Client>(&Key::Client(id)).await?.ok_or(NotRegistered::Token)?;
        match client.registered.clone() {
            Some(registered) if registration::is_token_of(&registered, &self.keys.secrets, token) => {
                Ok((client, registered, rev))
            }
            _ => Err(NotRegistered::Token),
        }
    }

    /// What the client is told of its registration; of our own secrets only what it holds already or must learn now.
    fn told(&self, client: &Client, token: &str, secret: Option<&Zeroizing<String>>) -> Map<String, Value> {
        let Some(registered) = &client.registered else { return Map::new() };
        let mut answer = registration::metadata(client, registered);
        answer.insert("registration_access_token".into(), token.into());
        answer.insert("registration_client_uri".into(), format!("{}/register/{}", self.issuer, client.id).into());
        if let Some(secret) = secret {
            answer.insert("client_secret".into(), secret.as_str().into());
            answer.insert("client_secret_expires_at".into(), 0.into());
        }
        answer
    }

    fn noted(&self, outcome: &'static str, client: &ClientId) {
        self.audit.record(&json!({ "at": self.now(), "event": "registration", "outcome": outcome, "client": client }));
    }
}

/// How often a registration is made anew because somebody else used the same token.
const ATTEMPTS: usize = 8;
