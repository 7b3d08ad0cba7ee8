//! Confirmation keys in JSON (RFC 7800): keys as `jwk`, what has no JOSE form by its COSE name with bytes as base64url.

use super::bytes::base64url;
use super::jwk::PublicKey;
use latchwork_ace::cose_key::Key;
use latchwork_ace::registry::Alg;
use latchwork_ace::{Cnf, CoseKey, OscMaterial};
use serde_json::{Map, Value, json};

/// The JSON object; `None` for a key that has no such form. It may hold a secret.
pub(crate) fn to_json(cnf: &Cnf<'_>) -> Option<Value> {
    Some(match cnf {
        Cnf::CoseKey(key) => json!({ "jwk": jwk(key)? }),
        Cnf::EncryptedCoseKey(raw) => json!({ "Encrypted_COSE_Key": base64url(raw) }),
        Cnf::Kid(kid) => json!({ "kid": base64url(kid) }),
        Cnf::Osc(osc) => json!({ "osc": material(osc) }),
        Cnf::Kccs(ccs) => json!({ "kccs": base64url(ccs) }),
        _ => return None,
    })
}

/// The key that a public COSE_Key holds, of the two kinds we take.
pub(crate) fn public_key(key: &CoseKey<'_>) -> Option<PublicKey> {
    if let Some((x, y)) = key.as_p256() {
        return Some(PublicKey::P256 { x: *x, y: *y });
    }
    key.as_ed25519().map(|x| PublicKey::Ed25519 { x: *x })
}

fn jwk(key: &CoseKey<'_>) -> Option<Value> {
    let mut jwk = match key.key {
        Key::Symmetric { k } => json!({ "kty": "oct", "k": base64url(k) }),
        _ => serde_json::to_value(public_key(key)?).ok()?,
    };
    if let (Some(kid), Some(members)) = (key.kid, jwk.as_object_mut()) {
        members.insert("kid".into(), json!(base64url(kid)));
    }
    Some(jwk)
}

/// RFC 9203 §3.2.1: members that equal their defaults are left out.
fn material(osc: &OscMaterial<'_>) -> Value {
    let mut members =
        Map::from_iter([("id".to_owned(), json!(base64url(osc.id))), ("ms".to_owned(), json!(base64url(osc.ms)))]);
    let default = OscMaterial::new(osc.id, osc.ms);
    let mut add = |name: &str, value: Option<Value>| drop(value.map(|value| members.insert(name.to_owned(), value)));
    add("version", (osc.version != default.version).then(|| json!(osc.version)));
    add("hkdf", (osc.hkdf != default.hkdf).then(|| number(osc.hkdf)));
    add("alg", (osc.alg != default.alg).then(|| number(osc.alg)));
    add("salt", osc.salt.map(|salt| json!(base64url(salt))));
    add("contextId", osc.context_id.map(|id| json!(base64url(id))));
    Value::Object(members)
}

fn number(alg: Alg) -> Value {
    alg.0.into()
}
