//! Client assertions and DPoP proofs. Input: a header, a line end, claims. They are signed with a key that is registered, so that
//! what stands behind the signature is reached; what was not signed for this request is refused.
#![no_main]

use latchwork_authz_server::core::bytes::base64url;
use latchwork_authz_server::core::records::ClientKey;
use latchwork_authz_server::core::request::Proof;
use latchwork_authz_server::core::time::Timestamp;
use latchwork_authz_server::core::{assertion, dpop};
use latchwork_fuzz_server::{ISSUER, NOW, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let client = "signer".parse().expect("a client id");
    let key = SigningKey::fixed();
    let registered = [ClientKey { kid: None, key: key.public() }];
    let proof = |jwt: &str| Proof {
        jwt: jwt.to_owned(),
        method: "POST".to_owned(),
        url: format!("{ISSUER}/token"),
        nonces: None,
    };
    let (soon, now) = (Timestamp(NOW.0 + 1), NOW);

    if let Ok(text) = std::str::from_utf8(data) {
        assert!(assertion::check(data, &client, &registered, ISSUER, now).is_err(), "nobody signed this");
        let _ = dpop::check(&proof(text), now);
    }
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, claims) = data.split_at(at);
    let signed =
        key.sign(&format!("{}.{}", base64url(header), base64url(claims.strip_prefix(b"\n").unwrap_or(claims))));
    if let Ok((by, _)) = assertion::check(signed.as_bytes(), &client, &registered, ISSUER, now) {
        assert_eq!(by, key.public());
    }
    if let Ok(proven) = dpop::check(&proof(&signed), soon) {
        assert_eq!(proven.key(), &key.public());
    }
});
