//! Scopes: text for people (`door:open door:state`), AIF for locks (RFC 9237), mapped per lock.

use super::bytes::Blob;
use super::names::{NotAName, ScopeName};
use latchwork_ace::Aif;
use latchwork_ace::aif::Methods;
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

/// What these words mean together at a lock, paths in the order first named.
#[must_use]
pub fn union<'w>(map: &ScopeMap, words: impl IntoIterator<Item = &'w ScopeName>) -> Vec<AifEntry> {
    let mut all: Vec<AifEntry> = Vec::new();
    for AifEntry(path, methods) in words.into_iter().filter_map(|word| map.get(word)).flatten() {
        match all.iter_mut().find(|entry| entry.0 == *path) {
            Some(entry) => entry.1 |= methods,
            None => all.push(AifEntry(path.clone(), *methods)),
        }
    }
    all
}

/// What is in both.
#[must_use]
pub fn intersection(asked: &[AifEntry], allowed: &[AifEntry]) -> Vec<AifEntry> {
    let common = |AifEntry(path, methods): &AifEntry| {
        let mask = allowed.iter().filter(|entry| entry.0 == *path).fold(0, |mask, entry| mask | entry.1) & methods;
        (mask != 0).then(|| AifEntry(path.clone(), mask))
    };
    asked.iter().filter_map(common).collect()
}

/// The CBOR of claim 9; `None` if it is empty or more than a session keeps: 8 entries, 96 bytes. Administration checks each lock's map.
#[must_use]
pub fn encode(entries: &[AifEntry]) -> Option<Blob> {
    let entries: Vec<_> = entries.iter().map(|AifEntry(path, methods)| (path.as_str(), Methods(*methods))).collect();
    let mut out = [0; Aif::MAX_LEN];
    let aif = Aif::encode(&entries, &mut out).ok()?;
    (!entries.is_empty()).then(|| Blob(aif.as_bytes().to_vec()))
}

/// Reads an AIF value that a client asks for.
#[must_use]
pub fn decode(aif: &Blob) -> Option<Vec<AifEntry>> {
    let aif = Aif::parse(&aif.0).ok()?;
    Some(aif.iter().map(|(path, methods)| AifEntry(path.to_owned(), methods.0)).collect())
}

/// A scope as the client wrote it; the answer repeats the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeAsked {
    /// Words.
    Text(Scope),
    /// The CBOR of an AIF value.
    Aif(Blob),
}

const MAX_WORDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(&str, u64)]) -> Vec<AifEntry> {
        list.iter().map(|(path, methods)| AifEntry((*path).into(), *methods)).collect()
    }

    #[test]
    fn words_map_to_rights_and_back_never_wider() {
        let word = |text: &str| text.parse::<ScopeName>().unwrap();
        let map = ScopeMap::from([
            (word("door:open"), entries(&[("/door", 2)])),
            (word("door:state"), entries(&[("/door", 1), ("/log", 1)])),
        ]);
        let both = union(&map, &[word("door:open"), word("door:state"), word("none")]);
        assert_eq!(both, entries(&[("/door", 3), ("/log", 1)]));
        for (asked, got) in [
            (entries(&[("/door", 7)]), entries(&[("/door", 3)])),
            (entries(&[("/door/", 1), ("/DOOR", 1)]), entries(&[])),
            (entries(&[("/log", 6), ("/door", 2)]), entries(&[("/door", 2)])),
        ] {
            assert_eq!(intersection(&asked, &both), got, "{asked:?}");
        }
        let open = encode(&entries(&[("/door", 2)])).unwrap();
        assert_eq!(open.0, [0x81, 0x82, 0x65, b'/', b'd', b'o', b'o', b'r', 0x02]);
        assert_eq!(decode(&open), Some(entries(&[("/door", 2)])));
    }

    #[test]
    fn too_much_for_a_session_is_no_scope() {
        let nine: Vec<_> = (0..9).map(|n| AifEntry(format!("/{n}"), 1)).collect();
        for list in [
            nine,
            entries(&[]),
            entries(&[(
                "/a-path-that-is-much-too-long-for-a-session-because-the-whole-scope-may-have-only-96-bytes-in-it",
                1,
            )]),
        ] {
            assert_eq!(encode(&list), None, "{list:?}");
        }
    }

    #[test]
    fn text_is_words_with_single_spaces() {
        for (text, words) in [("door:open", 1), ("a b a", 2)] {
            assert_eq!(text.parse::<Scope>().map(|scope| scope.iter().count()), Ok(words), "{text}");
        }
        for text in
            ["", " ", "a  b", " a", "a ", "a\"b", "a\\b", "a\tb", "ä", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"]
        {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
    }
}
