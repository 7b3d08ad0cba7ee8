//! Scopes: text for people (`door:open door:state`), AIF for locks (RFC 9237), mapped per lock.

use super::bytes::Blob;
use super::names::{NotAName, ScopeName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A set of scope words, in the order first named.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Vec<ScopeName>);

impl Scope {
    /// The words.
    pub fn iter(&self) -> std::slice::Iter<'_, ScopeName> {
        self.0.iter()
    }

    /// Whether the word is in it.
    #[must_use]
    pub fn contains(&self, word: &ScopeName) -> bool {
        self.0.contains(word)
    }

    /// Whether it has no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words that pass.
    #[must_use]
    pub fn only(&self, mut keep: impl FnMut(&ScopeName) -> bool) -> Self {
        Self(self.0.iter().filter(|word| keep(word)).cloned().collect())
    }

    /// Whether every word is in `other`.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.0.iter().all(|word| other.contains(word))
    }
}

impl FromIterator<ScopeName> for Scope {
    fn from_iter<I: IntoIterator<Item = ScopeName>>(words: I) -> Self {
        let mut scope = Self::default();
        for word in words {
            if !scope.contains(&word) {
                scope.0.push(word);
            }
        }
        scope
    }
}

impl FromStr for Scope {
    type Err = NotAName;
    /// Words parted by single spaces (RFC 6749 §3.3); at most 16 of them.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text.split(' ').count() > MAX_WORDS {
            return Err(NotAName { what: "scope", rule: "at most 16 words" });
        }
        text.split(' ').map(ScopeName::from_str).collect()
    }
}

impl TryFrom<String> for Scope {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse() }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in self.0.iter().enumerate() {
            write!(f, "{}{word}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// One AIF entry: a path and the methods allowed on it, bit n for method code n + 1 (RFC 9237 §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AifEntry(pub String, pub u64);

/// What each scope word of a lock means there.
pub type ScopeMap = BTreeMap<ScopeName, Vec<AifEntry>>;

/// A scope as the client wrote it; the answer repeats the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeAsked {
    /// Words.
    Text(Scope),
    /// The CBOR of an AIF value.
    Aif(Blob),
}

const MAX_WORDS: usize = 16;
