//! The signing keys that are ready for use, changed as a whole while others sign.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Ed25519Signer, Key32, KeyError, P256Signer, Public, Signer};
use crate::core::rotation::{self, Phase, Purpose, Schedule};
use crate::core::time::{Seconds, Timestamp};

/// One key.
#[derive(Clone)]
pub struct Held {
    /// What it signs.
    pub purpose: Purpose,
    /// Its number within the purpose.
    pub number: u32,
    /// When it was made.
    pub made: Timestamp,
    /// When it begins to sign.
    pub signs_from: Timestamp,
    /// The key.
    pub signer: Arc<dyn Signer>,
}

impl Held {
    /// A new key that has signed since the beginning of time.
    pub(super) fn first(purpose: Purpose) -> Result<Self, KeyError> {
        let signer = signer(purpose, &private(purpose)?)?;
        Ok(Self { purpose, number: 1, made: Timestamp(0), signs_from: Timestamp(0), signer })
    }
}

/// Their turns, by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedules {
    /// Of keys for CWTs, which locks keep and may not be able to fetch.
    pub cwt: Schedule,
    /// Of keys for JWTs of our own API, which we ourselves verify.
    pub api: Schedule,
}

impl Schedules {
    /// The one of a purpose.
    #[must_use]
    pub fn of(&self, purpose: Purpose) -> &Schedule {
        match purpose {
            Purpose::Es256 | Purpose::Eddsa => &self.cwt,
            Purpose::Api => &self.api,
        }
    }
}

impl Default for Schedules {
    /// By hand, and published for longer than any token lives.
    fn default() -> Self {
        let by_hand = Schedule { announce: Seconds(0), sign: None, retire: Seconds(31 * 86_400) };
        Self { cwt: by_hand, api: by_hand }
    }
}

/// All signing keys.
#[derive(Default)]
pub struct Ring {
    schedules: Schedules,
    held: RwLock<Arc<[Held]>>,
}

impl Ring {
    /// No keys yet.
    #[must_use]
    pub fn new(schedules: Schedules) -> Self {
        Self { schedules, held: RwLock::default() }
    }

    /// Their turns.
    #[must_use]
    pub fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// Takes these from now on.
    pub fn replace(&self, mut held: Vec<Held>) {
        held.sort_by_key(|key| (key.purpose, key.number));
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held.into();
    }

    /// All keys of a purpose, oldest first, and their phases.
    #[must_use]
    pub fn all(&self, purpose: Purpose, now: Timestamp) -> Vec<(Held, Phase)> {
        let held = Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner));
        let keys: Vec<Held> = held.iter().filter(|key| key.purpose == purpose).cloned().collect();
        let begins: Vec<Timestamp> = keys.iter().map(|key| key.signs_from).collect();
        let phases = self.schedules.of(purpose).phases(&begins, now);
        keys.into_iter().zip(phases).collect()
    }

    /// The one that signs.
    ///
    /// # Errors
    /// There is none.
    pub fn signer(&self, purpose: Purpose, now: Timestamp) -> Result<Arc<dyn Signer>, KeyError> {
        let held = Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner));
        let keys = || held.iter().filter(|key| key.purpose == purpose);
        let signing = rotation::signing(keys().map(|key| key.signs_from), now).and_then(|at| keys().nth(at));
        signing.map(|key| Arc::clone(&key.signer)).ok_or(KeyError::NoSigner(purpose))
    }

    /// What others verify with: the one that signs first, then those announced and those retired.
    #[must_use]
    pub fn published(&self, purpose: Purpose, now: Timestamp) -> Vec<Public> {
        let mut keys = self.all(purpose, now);
        keys.retain(|(_, phase)| *phase != Phase::Ended);
        keys.sort_by_key(|(_, phase)| *phase != Phase::Signing);
        keys.iter().map(|(key, _)| key.signer.public()).collect()
    }
}

/// New private bytes.
///
/// # Errors
/// No randomness.
pub fn private(purpose: Purpose) -> Result<Key32, KeyError> {
    match purpose {
        Purpose::Es256 | Purpose::Api => Ok(P256Signer::random()?.secret_bytes()),
        Purpose::Eddsa => Key32::random(),
    }
}

/// The signer of private bytes.
///
/// # Errors
/// They are no key of this kind.
pub fn signer(purpose: Purpose, private: &Key32) -> Result<Arc<dyn Signer>, KeyError> {
    Ok(match purpose {
        Purpose::Es256 | Purpose::Api => {
            Arc::new(P256Signer::new(p256::SecretKey::from_slice(private.expose()).map_err(|_| KeyError::Refused)?)?)
        }
        Purpose::Eddsa => Arc::new(Ed25519Signer::new(ed25519_dalek::SigningKey::from_bytes(private.expose()))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signs_and_what_is_published() {
        let turn = Schedule { announce: Seconds(10), sign: Some(Seconds(100)), retire: Seconds(50) };
        let ring = Ring::new(Schedules { cwt: turn, api: turn });
        assert!(matches!(ring.signer(Purpose::Es256, Timestamp(0)), Err(KeyError::NoSigner(Purpose::Es256))));
        let key = |number: u32| Held {
            number,
            signs_from: Timestamp(i64::from(number) * 100),
            ..Held::first(Purpose::Es256).unwrap()
        };
        let keys = [key(1), key(2), key(3)];
        let [one, two, three] = keys.clone().map(|key| key.signer.public());
        ring.replace(keys.into_iter().rev().collect());
        for (now, published) in [
            (0, vec![one, two, three]), // the clock was set back: the first signs all the same
            (100, vec![one, two, three]),
            (200, vec![two, one, three]),
            (250, vec![two, three]),
            (300, vec![three, two]),
            (9_999, vec![three]),
        ] {
            assert_eq!(ring.published(Purpose::Es256, Timestamp(now)), published, "{now}");
            assert_eq!(ring.signer(Purpose::Es256, Timestamp(now)).unwrap().public(), published[0], "{now}");
        }
        assert!(ring.published(Purpose::Eddsa, Timestamp(0)).is_empty());
    }
}
