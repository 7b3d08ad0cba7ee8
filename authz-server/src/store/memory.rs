//! A store that forgets: for tests, held to the same suite as the others.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Batch, Key, Op, Outcome, Rev, Store, StoreError, Stored, appended, holds};

/// Everything in one map.
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<Key, Stored>,
    rev: u64,
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state.records.get(key).cloned())
    }

    async fn scan(&self, prefix: &[u8], after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Stored)>, StoreError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = Key::from(prefix);
        let from = match after {
            Some(key) if *key >= first => Bound::Excluded(key),
            _ => Bound::Included(&first),
        };
        Ok(state
            .records
            .range::<Key, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.bytes().starts_with(prefix))
            .take(limit)
            .map(|(key, stored)| (key.clone(), stored.clone()))
            .collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, (key, check)) in batch.checks.iter().enumerate() {
            if !holds(*check, state.records.get(key).map(|stored| stored.rev)) {
                return Ok(Outcome::Conflict { check: index });
            }
        }
        state.rev += 1;
        let rev = Rev(state.rev);
        for (index, op) in (0..).zip(batch.ops) {
            match op {
                Op::Put { key, value, expires } => {
                    state.records.insert(key, Stored { value, rev, expires });
                }
                Op::Delete { key } => {
                    state.records.remove(&key);
                }
                Op::Append { prefix, value, expires } => {
                    state.records.insert(appended(&prefix, rev, index), Stored { value, rev, expires });
                }
            }
        }
        Ok(Outcome::Committed(rev))
    }
}
