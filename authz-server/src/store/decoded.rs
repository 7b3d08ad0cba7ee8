//! Records that were read before, decoded: the same few clients, locks and doors are part of every decision.
//!
//! The store stays the truth. Every read asks it, and what was decoded counts only for the revision that it gives.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Key, Rev};

/// The records, by where they lie; bounded.
#[derive(Default)]
pub(super) struct Decoded(Mutex<HashMap<Key, (Rev, Shared)>>);

/// A record of any kind.
type Shared = Arc<dyn Any + Send + Sync>;

impl Decoded {
    /// The record at `key` as of `rev`; `decode` makes it if it is not here.
    pub(super) fn at<T, E>(&self, key: &Key, rev: Rev, decode: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some((at, record)) = known
            && at == rev
            && let Some(record) = record.downcast_ref::<T>()
        {
            return Ok(record.clone());
        }
        let record = decode()?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CAPACITY {
            all.clear();
        }
        all.insert(key.clone(), (rev, Arc::new(record.clone())));
        Ok(record)
    }
}

/// Records kept; with more in use than this, each is decoded as often as without.
const CAPACITY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_per_revision() {
        let decoded = Decoded::default();
        let key = Key::new("lock", "front");
        let read = |rev, value: Result<u8, ()>| decoded.at(&key, Rev(rev), || value);
        assert_eq!(read(1, Err(())), Err(()), "a failure is not kept");
        assert_eq!(read(1, Ok(7)), Ok(7));
        assert_eq!(read(1, Err(())), Ok(7), "known");
        assert_eq!(read(2, Ok(8)), Ok(8), "changed since");
        assert_eq!(read(1, Ok(9)), Ok(9), "an older one is no answer either");
        assert_eq!(decoded.at(&key, Rev(1), || Ok::<_, ()>("text")), Ok("text"), "nor is one of another kind");
    }

    #[test]
    fn memory_is_bounded() {
        let decoded = Decoded::default();
        for n in 0..u32::try_from(CAPACITY * 2).unwrap() {
            decoded.at(&Key::new("lock", n.to_string()), Rev(1), || Ok::<_, ()>(n)).unwrap();
        }
        assert!(decoded.0.lock().unwrap().len() <= CAPACITY);
    }
}
