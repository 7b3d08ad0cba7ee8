//! DPoP proofs (RFC 9449): this request was made by the holder of this key, just now, and only once.

use super::bytes::{Hash32, base64url};
use super::change::Change;
use super::jwk::PublicKey;
use super::jws::Jws;
use super::names::Jkt;
use super::records::Seen;
use super::refusal::{ProofFault, Refusal};
use super::request::Proof;
use super::secret::{mac, same};
use super::time::Timestamp;
use crate::keys::Key32;
use serde::Deserialize;

/// A key whose holder made this request. Made only by [`check`].
#[derive(Clone, Debug)]
pub struct ProvenKey {
    key: PublicKey,
    jkt: Jkt,
    seen: Seen,
}

impl ProvenKey {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its thumbprint.
    #[must_use]
    pub fn jkt(&self) -> Jkt {
        self.jkt
    }

    /// Spends the proof: to be committed with whatever it was good for.
    #[must_use]
    pub fn spend(&self) -> Change {
        Change::once(self.seen.clone(), Refusal::Proof(ProofFault::Replayed))
    }
}

/// The nonces that this server gives out and takes (§8): an HMAC of the window of time, so that none is kept. Each is good for the
/// rest of its window and all of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonces {
    current: Hash32,
    previous: Hash32,
}

impl Nonces {
    /// Those of this moment, in windows of so many seconds; `None` if windows have no length: then no nonce is asked for.
    #[must_use]
    pub fn at(now: Timestamp, window: u32, key: &Key32, issuer: &str) -> Option<Self> {
        let number = now.0.checked_div_euclid(i64::from(window))?;
        let of = |number: i64| mac(key, &[b"DPoP nonce", issuer.as_bytes(), &number.to_be_bytes()]);
        Some(Self { current: of(number), previous: of(number.saturating_sub(1)) })
    }

    /// The one to give out.
    #[must_use]
    pub fn current(&self) -> String {
        self.current.to_string()
    }

    fn takes(&self, nonce: &str) -> bool {
        Hash32::from_text(nonce).is_some_and(|nonce| same(&nonce, &self.current) | same(&nonce, &self.previous))
    }
}

/// Checks a proof for a request without an access token (§4.3, steps 1 to 11, and §5).
pub fn check(proof: &Proof, now: Timestamp) -> Result<ProvenKey, ProofFault> {
    check_with(proof, None, now)
}

/// Checks a proof sent with an access token: `ath` must be its hash (§4.3, step 12).
pub fn check_for_token(proof: &Proof, token: &str, now: Timestamp) -> Result<ProvenKey, ProofFault> {
    check_with(proof, Some(token), now)
}

fn check_with(proof: &Proof, token: Option<&str>, now: Timestamp) -> Result<ProvenKey, ProofFault> {
    let jws = Jws::parse(&proof.jwt).ok_or(ProofFault::Malformed)?;
    if jws.header.typ.as_deref() != Some("dpop+jwt") {
        return Err(ProofFault::Malformed);
    }
    if !jws.alg_allowed() {
        return Err(ProofFault::Algorithm);
    }
    let key = jws.header.jwk.clone().ok_or(ProofFault::Malformed)?;
    let claims: Claims = jws.claims().ok_or(ProofFault::Malformed)?;
    if !(1..=MAX_JTI).contains(&claims.jti.len()) {
        return Err(ProofFault::Malformed);
    }
    if claims.htm != proof.method || normal(&claims.htu) != normal(&proof.url) {
        return Err(ProofFault::Target);
    }
    let iat = Timestamp(claims.iat as i64);
    if !(-AHEAD..=MAX_AGE).contains(&now.since(iat)) {
        return Err(ProofFault::Time);
    }
    if let Some(token) = token
        && claims.ath.as_deref() != Some(base64url(&Hash32::of(&[token.as_bytes()]).0).as_str())
    {
        return Err(ProofFault::TokenHash);
    }
    if !jws.verify(&key) {
        return Err(ProofFault::Signature);
    }
    match (&proof.nonces, &claims.nonce) {
        (Some(_), None) => return Err(ProofFault::NonceMissing),
        (Some(nonces), Some(nonce)) if !nonces.takes(nonce) => return Err(ProofFault::Nonce),
        _ => {}
    }
    let jkt = key.thumbprint();
    let what = Hash32::of(&[b"dpop", &jkt.0.0, claims.jti.as_bytes()]);
    Ok(ProvenKey { key, jkt, seen: Seen { what, until: iat.plus(MAX_AGE + 1) } })
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// Scheme and host in lower case, no default port, no query, no fragment (§4.3 step 9; RFC 3986 §6.2.2, §6.2.3).
fn normal(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let default = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    format!("{scheme}://{host}{path}")
}

/// Seconds a proof stays good; a phone's clock may be slow.
const MAX_AGE: i64 = 120;
/// Seconds a proof may lie ahead; a phone's clock may be fast.
const AHEAD: i64 = 60;
const MAX_JTI: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9449 §5, Figure 4.
    const AT_TOKEN: &str = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscE",
        "JoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19",
        ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia",
        "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    );
    /// RFC 9449 §7.1, Figure 12.
    const AT_RESOURCE: &str = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscE",
        "JoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19",
        ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z",
        "WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2o",
        "W9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    );

    /// R9449-4.2-01
    #[test]
    fn the_proofs_of_the_rfc() {
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        let server = Proof {
            jwt: AT_TOKEN.into(),
            method: "POST".into(),
            url: "https://server.example.com/token".into(),
            nonces: None,
        };
        let resource = Proof {
            jwt: AT_RESOURCE.into(),
            method: "GET".into(),
            url: "https://resource.example.org/protectedresource".into(),
            nonces: None,
        };
        let (then, later) = (Timestamp(1_562_262_616), Timestamp(1_562_262_618));
        let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_eq!(check(&server, then).unwrap().jkt().to_string(), jkt);
        assert_eq!(check_for_token(&resource, token, later).unwrap().jkt().to_string(), jkt);
        for (proof, token, now, fault) in [
            (&server, None, then.plus(-61), ProofFault::Time),
            (&server, None, then.plus(121), ProofFault::Time),
            (&server, Some(token), then, ProofFault::TokenHash),
            (&resource, Some("another"), later, ProofFault::TokenHash),
            (&Proof { method: "GET".into(), ..server.clone() }, None, then, ProofFault::Target),
            (&Proof { url: "https://server.example.com/par".into(), ..server.clone() }, None, then, ProofFault::Target),
            (&Proof { jwt: format!("{AT_TOKEN}A"), ..server.clone() }, None, then, ProofFault::Signature),
            (&Proof { jwt: AT_TOKEN.replace('.', ".."), ..server.clone() }, None, then, ProofFault::Malformed),
            (&Proof { jwt: String::new(), ..server.clone() }, None, then, ProofFault::Malformed),
            (&Proof { jwt: "a".repeat(9000), ..server.clone() }, None, then, ProofFault::Malformed),
        ] {
            assert_eq!(check_with(proof, token, now).unwrap_err(), fault, "{token:?} {now:?}");
        }
    }

    /// R9449-8-01, R9449-8-02, R9449-9-01: the nonce of this window and the one before, of this server, and no other.
    #[test]
    fn nonces_that_are_good() {
        use crate::core::testing::{ISSUER, NOW, Pair};
        let (key, other) = (Key32::from([1; 32]), Key32::from([2; 32]));
        let at = |seconds, key| Nonces::at(NOW.plus(seconds), 300, key, ISSUER).unwrap();
        let text = |seconds| Some(at(seconds, &key).current());
        for (what, nonce, outcome) in [
            ("this window's", text(0), Ok(())),
            ("the last one's", text(-300), Ok(())),
            ("a stale one", text(-600), Err(ProofFault::Nonce)),
            ("one of the future", text(300), Err(ProofFault::Nonce)),
            ("another key's", Some(at(0, &other).current()), Err(ProofFault::Nonce)),
            (
                "another server's",
                Nonces::at(NOW, 300, &key, "https://b.example").map(|nonces| nonces.current()),
                Err(ProofFault::Nonce),
            ),
            ("a forged one", Some(Hash32([7; 32]).to_string()), Err(ProofFault::Nonce)),
            ("the RFC's example", Some("eyJ7S_zG.eyJH0-Z.HX4w-7v".into()), Err(ProofFault::Nonce)),
            ("an empty one", Some(String::new()), Err(ProofFault::Nonce)),
            ("none", None, Err(ProofFault::NonceMissing)),
        ] {
            let made = Pair::new(5).proof_with("one", |_, claims| {
                if let Some(nonce) = &nonce {
                    claims["nonce"] = nonce.clone().into();
                }
            });
            let proof = Proof { nonces: Some(at(0, &key)), ..made.clone() };
            assert_eq!(check(&proof, NOW).map(drop), outcome, "{what}");
            assert!(check(&made, NOW).is_ok(), "{what}, where none is asked for");
        }
        assert_eq!(Nonces::at(NOW, 0, &key, ISSUER), None);
    }

    /// R9449-4.3-03
    #[test]
    fn urls_that_are_the_same() {
        for (a, b, same) in [
            ("https://a.example/token", "HTTPS://A.Example:443/token?x#y", true),
            ("https://a.example", "https://a.example/", true),
            ("http://[::1]:80/t", "http://[::1]/t", true),
            ("https://a.example/token", "https://a.example/Token", false),
            ("https://a.example/token", "http://a.example/token", false),
            ("https://a.example/token", "https://a.example:8443/token", false),
            ("https://a.example/token", "https://a.example.evil/token", false),
        ] {
            assert_eq!(normal(a) == normal(b), same, "{a} {b}");
        }
    }
}
