//! PKCE (RFC 7636), S256 only: `plain` protects nothing.

use super::bytes::Hash32;
use super::secret::same;

/// The challenge as it stands in a request; `None` unless it is 43 characters of base64url.
#[must_use]
pub fn challenge(text: &str) -> Option<Hash32> {
    Hash32::from_text(text)
}

/// Whether the verifier is well formed (§4.1: 43 to 128 unreserved characters) and hashes to the challenge.
#[must_use]
pub fn verify(verifier: &[u8], challenge: &Hash32) -> bool {
    let unreserved = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    (43..=128).contains(&verifier.len()) && verifier.iter().all(unreserved) && same(&Hash32::of(&[verifier]), challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R7636-4.2-02, R7636-4.6-01
    #[test]
    fn appendix_b_and_its_neighbours() {
        let expected = challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let short = &verifier[..42];
        for (text, holds) in [
            (verifier, true),
            (short, false),
            ("", false),
            ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", false), // the challenge itself: `plain`
        ] {
            assert_eq!(verify(text.as_bytes(), &expected), holds, "{text}");
        }
        let odd = [b'!'; 43];
        assert!(!verify(&odd, &Hash32::of(&[&odd])), "a character outside the unreserved set");
        let long = [b'a'; 129];
        assert!(!verify(&long, &Hash32::of(&[&long])), "too long");
        assert_eq!(challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c"), None);
    }
}
