//! Signing keys between the store and the ring: made when due, announced, deleted when gone (`core::rotation` says when).

use serde::Serialize;

use super::Shell;
use crate::core::bytes::{Blob, Sealed, hex};
use crate::core::change::{Change, Key, Rev};
use crate::core::records::SigningKey;
use crate::core::rotation::{Phase, Purpose};
use crate::core::time::Timestamp;
use crate::keys::ring::{self, Held};
use crate::keys::{Key32, KeyError};
use crate::store::StoreError;
use crate::store::facts::Committed;

/// Why the signing keys cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum SigningFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be made or opened.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Another server did the same at this moment.
    #[error("somebody changed the signing keys at this moment; try again")]
    Conflict,
    /// The next key is known already.
    #[error("the next {purpose} key is announced already; it signs from {signs_from}, or with --now at once")]
    Announced {
        /// Of which purpose.
        purpose: Purpose,
        /// From when, in seconds since 1970.
        signs_from: i64,
    },
    /// More would be published than anybody wants to keep.
    #[error("there are {MAX_KEYS} {0} keys; wait until the oldest has ended, or remove one")]
    TooMany(Purpose),
    /// Nobody would sign.
    #[error("this key signs at this moment; rotate first")]
    Signs,
    /// There is no such key.
    #[error("no signing key has this kid")]
    NoSuchKey,
}

impl Shell {
    /// Reads the signing keys, makes those that are due, deletes those that are gone. To be called at the start and now and then.
    ///
    /// # Errors
    /// See [`SigningFault`]; the keys before stay in use.
    pub async fn turn_signing_keys(&self) -> Result<(), SigningFault> {
        let now = self.now();
        for purpose in Purpose::ALL {
            let schedule = self.keys.signing.schedules().of(purpose);
            let keys = self.signing_keys(purpose).await?;
            let begins: Vec<Timestamp> = keys.iter().map(|(key, _)| key.signs_from).collect();
            let mut changes: Vec<Change> = keys
                .iter()
                .zip(begins.iter().skip(1))
                .filter(|(_, successor)| schedule.gone(**successor, now))
                .map(|((key, _), _)| Change::delete(Key::SigningKey((purpose, key.number))))
                .collect();
            if let Some(signs_from) = schedule.due(&begins, now) {
                let number = keys.last().map_or(1, |(key, _)| key.number.saturating_add(1));
                changes.push(Change::create(self.sealed(purpose, number, signs_from, &ring::private(purpose)?)?));
            }
            // Of several servers one makes the next key; the others find it.
            if !changes.is_empty() && matches!(self.records.commit(&changes).await?, Committed::Done(_)) {
                for change in &changes {
                    self.note(&change.key(), &change.write);
                }
            }
        }
        self.read_signing_keys().await
    }

    /// Takes over keys that are not in the store, the one in use last; does nothing where the store has some.
    ///
    /// # Errors
    /// See [`SigningFault`].
    pub async fn adopt_signing_keys(&self, purpose: Purpose, privates: &[Key32]) -> Result<bool, SigningFault> {
        if privates.is_empty() || !self.signing_keys(purpose).await?.is_empty() {
            return Ok(false);
        }
        let now = self.now();
        let numbered = (1..).zip(privates);
        let made: Result<Vec<_>, _> =
            numbered.map(|(number, private)| self.sealed(purpose, number, now, private).map(Change::create)).collect();
        match self.records.commit(&made?).await? {
            Committed::Done(_) => Ok(true),
            Committed::Conflict(_) => Err(SigningFault::Conflict),
        }
    }

    /// Makes the next key. It signs after its announcement, or `at_once`: then nobody had time to fetch it.
    ///
    /// # Errors
    /// See [`SigningFault`].
    pub async fn rotate(&self, purpose: Purpose, at_once: bool) -> Result<(), SigningFault> {
        let now = self.now();
        let keys = self.signing_keys(purpose).await?;
        if keys.len() >= MAX_KEYS {
            return Err(SigningFault::TooMany(purpose));
        }
        let mut changes = Vec::new();
        for (key, rev) in keys.iter().filter(|(key, _)| key.signs_from > now) {
            if !at_once {
                return Err(SigningFault::Announced { purpose, signs_from: key.signs_from.0 });
            }
            // It may have signed before a clock was set back, so it is retired, not dropped.
            changes.push(Change::replace(SigningKey { signs_from: now, ..key.clone() }, *rev));
        }
        let number = keys.last().map_or(1, |(key, _)| key.number.saturating_add(1));
        let signs_from = if at_once { now } else { now + self.keys.signing.schedules().of(purpose).announce };
        changes.push(Change::create(self.sealed(purpose, number, signs_from, &ring::private(purpose)?)?));
        self.change_signing_keys(changes).await
    }

    /// Stops to publish a key that does not sign. What it signed is void for whoever fetches the keys anew.
    ///
    /// # Errors
    /// See [`SigningFault`].
    pub async fn remove_signing_key(&self, kid: &str) -> Result<(), SigningFault> {
        let now = self.now();
        let all = Purpose::ALL.into_iter().flat_map(|purpose| self.keys.signing.all(purpose, now));
        let mut named = all.filter(|(held, _)| hex(&held.signer.kid()) == kid);
        match named.next() {
            None => Err(SigningFault::NoSuchKey),
            Some((_, Phase::Signing)) => Err(SigningFault::Signs),
            Some((held, _)) => {
                self.change_signing_keys(vec![Change::delete(Key::SigningKey((held.purpose, held.number)))]).await
            }
        }
    }

    async fn change_signing_keys(&self, changes: Vec<Change>) -> Result<(), SigningFault> {
        match self.records.commit(&changes).await? {
            Committed::Conflict(_) => Err(SigningFault::Conflict),
            Committed::Done(_) => {
                for change in &changes {
                    self.note(&change.key(), &change.write);
                }
                self.read_signing_keys().await
            }
        }
    }

    async fn read_signing_keys(&self) -> Result<(), SigningFault> {
        let mut held = Vec::new();
        for (key, _) in self.records.all::<SigningKey>().await? {
            let bytes = self.keys.storage.open(&key.label(), &key.secret.0.0)?;
            let private = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Sealed)?;
            held.push(Held {
                purpose: key.purpose,
                number: key.number,
                made: key.made,
                signs_from: key.signs_from,
                signer: ring::signer(key.purpose, &Key32::from(private))?,
            });
        }
        self.keys.signing.replace(held);
        Ok(())
    }

    async fn signing_keys(&self, purpose: Purpose) -> Result<Vec<(SigningKey, Rev)>, StoreError> {
        let mut keys = self.records.all::<SigningKey>().await?;
        keys.retain(|(key, _)| key.purpose == purpose);
        keys.sort_by_key(|(key, _)| key.number);
        Ok(keys)
    }

    fn sealed(
        &self,
        purpose: Purpose,
        number: u32,
        signs_from: Timestamp,
        private: &Key32,
    ) -> Result<SigningKey, KeyError> {
        let mut key = SigningKey { purpose, number, made: self.now(), signs_from, secret: Sealed(Blob::default()) };
        key.secret = Sealed(Blob(self.keys.storage.seal(&key.label(), private.expose())?));
        Ok(key)
    }

    /// Writes down what happened to a key.
    fn note(&self, key: &Key, write: &crate::core::change::Write) {
        use crate::core::change::{Record, Write};
        #[derive(Serialize)]
        struct Line {
            at: i64,
            event: &'static str,
            action: &'static str,
            purpose: Purpose,
            number: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            signs_from: Option<Timestamp>,
        }
        let Key::SigningKey((purpose, number)) = *key else { return };
        let (action, signs_from) = match write {
            Write::Put(Record::SigningKey(key)) => ("announce", Some(key.signs_from)),
            _ => ("delete", None),
        };
        self.audit.record(&Line { at: self.now().0, event: "signing_key", action, purpose, number, signs_from });
    }
}

/// Keys of one purpose at a time, whatever their phase.
const MAX_KEYS: usize = 16;
