//! Removes what has expired, a little at a time, so that no sweep is ever felt.

use super::{Batch, Check, Key, Op, Outcome, Store, StoreError};

/// Where the sweep is; it goes round.
#[derive(Debug, Default)]
pub struct Sweeper {
    after: Option<Key>,
}

impl Sweeper {
    /// Looks at the next `limit` records and deletes those that ended at least a grace time before `now`.
    /// Returns how many, and whether the round is complete.
    pub async fn step(&mut self, store: &dyn Store, now: i64, limit: usize) -> Result<(usize, bool), StoreError> {
        let page = store.scan(&[], self.after.as_ref(), limit).await?;
        let complete = page.len() < limit;
        let mut batch = Batch::default();
        for (key, stored) in &page {
            if !stored.live(now.saturating_sub(GRACE)) {
                // Not if somebody renewed it meanwhile.
                batch.checks.push((key.clone(), Check::Rev(stored.rev)));
                batch.ops.push(Op::Delete { key: key.clone() });
            }
        }
        self.after = if complete { None } else { page.into_iter().next_back().map(|(key, _)| key) };
        let found = batch.ops.len();
        if found == 0 {
            return Ok((0, complete));
        }
        match store.commit(batch).await? {
            Outcome::Committed(_) => Ok((found, complete)),
            // The next round gets them.
            Outcome::Conflict { .. } => Ok((0, complete)),
        }
    }
}

/// Seconds an expired record stays, so that clocks that differ a little find it.
const GRACE: i64 = 300;
