//! Queries of the list and what they are answered (RFC 9770 §6.3, §8, §9), before any hash is read.

use std::ops::Range;

use super::{Collection, Limits};

/// The query parameters of a `GET` at the TRL endpoint, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    diff: Option<Given>,
    cursor: Option<Given>,
}

/// A parameter's value: a number, or what is none. One above 2^64 - 1 counts as 2^64 - 1.
type Given = Result<u64, NotANumber>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotANumber;

impl Query {
    /// From names and values. Unknown names are ignored (§6.3); what comes twice is no number.
    pub fn new<'q>(pairs: impl IntoIterator<Item = (&'q str, &'q str)>) -> Self {
        let mut query = Self::default();
        for (name, value) in pairs {
            let place = match name {
                "diff" => &mut query.diff,
                "cursor" => &mut query.cursor,
                _ => continue,
            };
            *place = Some(if place.is_some() { Err(NotANumber) } else { number(value) });
        }
        query
    }
}

fn number(text: &str) -> Given {
    match text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Err(NotANumber),
        false => Ok(text.parse().unwrap_or(u64::MAX)),
    }
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The hashes in the requester's portions (§7).
    Full {
        /// `cursor` (§9.1); None is null.
        cursor: Option<u64>,
    },
    /// Series items, the most recent first (§8).
    Diff {
        /// Their numbers.
        items: Range<u64>,
        /// `cursor` (§9.2); None is null.
        cursor: Option<u64>,
        /// Whether there is more to ask for; with a null cursor: something was missed.
        more: bool,
    },
}

/// An error answer (§6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `error-id`.
    pub trouble: Trouble,
    /// The field `cursor`: absent, null, or the latest index.
    pub cursor: Option<Option<u64>>,
    /// `detail`, for engineers.
    pub detail: &'static str,
}

/// The registered error ids (§15.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble(pub u8);

impl Trouble {
    /// "Invalid parameter value".
    pub const INVALID_VALUE: Self = Self(0);
    /// "Invalid set of parameters".
    pub const INVALID_SET: Self = Self(1);
    /// "Out of bound cursor value".
    pub const OUT_OF_BOUND: Self = Self(2);

    /// Its registered text.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::INVALID_VALUE => "Invalid parameter value",
            Self::INVALID_SET => "Invalid set of parameters",
            _ => "Out of bound cursor value",
        }
    }
}

/// What a query is answered, given the requester's collection; None if it is empty.
///
/// # Errors
/// The conditions of §6.3.
pub fn plan(query: &Query, collection: Option<&Collection>, limits: Limits) -> Result<Plan, Refused> {
    let latest = collection.and_then(|known| known.added.checked_sub(1)).map(|number| limits.index(number));
    let wanted = match query.diff {
        Some(Err(NotANumber)) => {
            return Err(Refused { trouble: Trouble::INVALID_VALUE, cursor: None, detail: "diff is not 0 or positive" });
        }
        Some(Ok(diff)) => diff,
        None if query.cursor.is_some() => {
            return Err(Refused { trouble: Trouble::INVALID_SET, cursor: None, detail: "cursor without diff" });
        }
        None => return Ok(Plan::Full { cursor: latest }),
    };
    let cursor = match query.cursor {
        Some(Ok(cursor)) if cursor <= limits.max_index => Some(cursor),
        None => None,
        Some(_) => {
            let detail = "cursor is not 0 or positive, or above MAX_INDEX";
            return Err(Refused { trouble: Trouble::INVALID_VALUE, cursor: Some(latest), detail });
        }
    };
    let Some(collection) = collection.filter(|known| known.added > 0) else {
        return Ok(Plan::Diff { items: 0..0, cursor: None, more: false });
    };
    let most = if wanted == 0 { limits.max_n } else { wanted.min(limits.max_n) };
    let numbers = collection.numbers();
    let after = match cursor {
        None => numbers.start,
        Some(cursor) => {
            let wrapped = limits.max_index.checked_add(1).is_some_and(|modulus| collection.added > modulus);
            if !wrapped && latest.is_some_and(|latest| cursor > latest) {
                let detail = "cursor is ahead of every update";
                return Err(Refused { trouble: Trouble::OUT_OF_BOUND, cursor: None, detail });
            }
            let following = if cursor == limits.max_index { 0 } else { cursor + 1 };
            let numbered = |index| numbers.clone().find(|number| limits.index(*number) == index);
            match numbered(cursor).map(|number| number + 1).or_else(|| numbered(following)) {
                Some(after) => after,
                None => return Ok(Plan::Diff { items: 0..0, cursor: None, more: true }), // case A: lost
            }
        }
    };
    // The latest `most` of those after the cursor, and of these the eldest that fit one answer.
    let first = after.max(numbers.end.saturating_sub(most));
    let end = numbers.end.min(first.saturating_add(limits.max_diff_batch));
    let cursor = end.checked_sub(1).map(|number| limits.index(number));
    Ok(Plan::Diff { items: first..end, cursor, more: end < numbers.end })
}
