//! Who sees what people's browsers, phones and locks exchange: a test looks for it where it must not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use serde_json::Value;

/// Remembers secrets. Its clones share one memory.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// What each is, by the secret.
    secrets: BTreeMap<String, String>,
    /// Challenges of PKCE, whose verifiers stay where they are until they go to a server alone.
    challenges: BTreeSet<String>,
}

impl Witness {
    /// Remembers a secret, and what it is.
    pub fn saw(&self, what: impl Into<String>, secret: &str) {
        if secret.len() >= MIN_SECRET {
            self.seen().secrets.insert(secret.to_owned(), what.into());
        }
    }

    /// Everything so far: what it is, and the secret as it was seen.
    pub fn told(&self) -> Vec<(String, String)> {
        self.seen().secrets.iter().map(|(secret, what)| (what.clone(), secret.clone())).collect()
    }

    /// The challenges of PKCE so far.
    pub fn challenges(&self) -> BTreeSet<String> {
        self.seen().challenges.clone()
    }

    /// Remembers what a visited URL carries.
    pub(crate) fn saw_url(&self, url: &Url) {
        for (name, value) in url.query_pairs().filter(|(name, _)| SECRET_PARAMETERS.contains(&&**name)) {
            self.saw(format!("{name} at {}", url.path()), &value);
        }
        let challenges = url.query_pairs().filter(|(name, _)| name == "code_challenge");
        self.seen().challenges.extend(challenges.map(|(_, challenge)| challenge.into_owned()));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a phone keeps: `state` is its storage, at whatever depth.
    pub(crate) fn saw_state(&self, state: &Value) {
        match state {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if SECRET_MEMBERS.contains(&&**name) => {
                            self.saw(format!("{name} of a phone"), text);
                        }
                        inner => self.saw_state(inner),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.saw_state(item)),
            _ => {}
        }
    }
}

/// Shorter texts are words, flags and counts.
const MIN_SECRET: usize = 11;

const SECRET_PARAMETERS: [&str; 4] = ["code", "state", "nonce", "request_uri"];
const SECRET_MEMBERS: [&str; 5] = ["refresh_token", "token", "id", "master_secret", "salt"];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_is_secret_and_nothing_else() {
        let witness = Witness::default();
        witness.saw_url(&Url::parse("http://h/callback?code=abcdefghijkl&iss=https://elsewhere.example").unwrap());
        witness.saw_url(&Url::parse("http://h/authorize?code_challenge=a-challenge&client_id=elsewhere-too").unwrap());
        witness.saw_state(&serde_json::json!({
            "issuer": "https://elsewhere.example", "refresh_token": "mnopqrstuvwx", "permissions": { "a": { "token": "yzabcdefghij" } },
        }));
        let told: Vec<_> = witness.clone().told();
        let told: Vec<_> = told.iter().map(|(what, secret)| (what.as_str(), secret.as_str())).collect();
        let all = [
            ("code at /callback", "abcdefghijkl"),
            ("refresh_token of a phone", "mnopqrstuvwx"),
            ("token of a phone", "yzabcdefghij"),
        ];
        assert_eq!(told, all);
        assert_eq!(witness.challenges(), ["a-challenge".to_owned()].into());
    }
}
