//! What an administrator sees of a client: all that there is to judge, and at which revision; no secret.

use serde_json::{Value, json};

use crate::core::bytes::hex;
use crate::core::change::Rev;
use crate::core::edhoc;
use crate::core::jwk::PublicKey;
use crate::core::records::{Client, ClientAuth};
use crate::core::registration::jwk;

pub(super) fn shown(client: &Client, rev: Rev) -> Value {
    let (mut keys, mut certificate, mut certificates) = (Vec::new(), None, Vec::new());
    match &client.auth {
        ClientAuth::PrivateKeyJwt(own) => keys.extend(own.iter().map(jwk)),
        ClientAuth::RawPublicKey(own) => keys.extend(own.iter().map(|key: &PublicKey| json!(key))),
        ClientAuth::Edhoc(ccs) => keys.extend(edhoc::key(&ccs.0).map(|key| json!(key))),
        ClientAuth::TlsClientAuth(name) => certificate = Some(name),
        ClientAuth::SelfSignedTls(own) => certificates.extend(own.iter().map(|thumbprint| hex(&thumbprint.0))),
        ClientAuth::None | ClientAuth::SecretHash(_) | ClientAuth::Oscore | ClientAuth::DtlsPsk(_) => {}
    }
    json!({
        "id": client.id, "revision": rev, "title": client.title, "kind": client.kind.name(), "auth": client.auth.method(),
        "keys": keys, "certificate": certificate, "certificates": certificates, "grants": client.grants,
        "ceiling": client.ceiling.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
        "redirect_uris": client.kind.redirect_uris(), "pushed_only": client.pushed_only, "attributes": client.attributes,
        "locks": client.kind.locks(), "origins": client.origins,
        "registered": client.registered.as_ref().map(|it| it.at), "admitted": client.is_admitted(),
    })
}
