//! Pairwise subjects: two audiences that compare notes cannot tell that they serve the same person.

use super::bytes::base64url;
use super::names::{Audience, ClientId, PersonId};
use super::secret::mac;
use crate::keys::Key32;

/// `sub` of a person for an audience: 43 characters, stable for as long as the server's pairwise key.
#[must_use]
pub fn of_person(key: &Key32, person: &PersonId, audience: &Audience) -> String {
    base64url(
        &mac(
            key,
            &[b"person", person.issuer().as_bytes(), person.subject().as_bytes(), audience.to_string().as_bytes()],
        )
        .0,
    )
}

/// `sub` of a machine client for an audience.
#[must_use]
pub fn of_client(key: &Key32, client: &ClientId, audience: &Audience) -> String {
    base64url(&mac(key, &[b"client", client.as_str().as_bytes(), audience.to_string().as_bytes()]).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9700-4.15.1-01
    #[test]
    fn differs_by_person_and_audience_and_kind_only() {
        let key = Key32::from([7; 32]);
        let person = |issuer, subject| PersonId::new(issuer, subject).unwrap();
        let (a, b): (Audience, Audience) =
            ("urn:latchwork:lock:a".parse().unwrap(), "urn:latchwork:lock:b".parse().unwrap());
        let all = [
            of_person(&key, &person("https://i", "x"), &a),
            of_person(&key, &person("https://i", "x"), &b),
            of_person(&key, &person("https://i", "y"), &a),
            of_person(&key, &person("https://ix", "y"), &a),
            of_client(&key, &"x".parse().unwrap(), &a),
        ];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(place));
        }
        assert_eq!(all[0], of_person(&key, &person("https://i", "x"), &a));
    }
}
