//! A client that registers itself, and changes its mind: what it says, what becomes of it, and what must never.

use latchwork_authz_server::core::entropy::{Entropy, NoEntropy};
use latchwork_authz_server::core::records::{Client, ClientKind, Registered};
use latchwork_authz_server::core::redirect;
use latchwork_authz_server::core::registration::{self, Made};
use latchwork_authz_server::keys::Keys;
use serde_json::{Map, Value};

use crate::NOW;

/// The same bytes each time.
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

/// Registers with the first line and updates with each further one (RFC 7591, RFC 7592); gives how many were taken.
///
/// # Panics
/// A client gets what it must not have.
#[must_use]
pub fn register(data: &[u8], keys: &Keys) -> usize {
    let mut says = data.split(|byte| *byte == b'\n');
    let first = says.next().unwrap_or_default();
    let Some((mut client, mut registered)) = begin(first, keys) else { return 0 };
    let mut taken = 1;
    for update in says {
        // As if an administrator let it in, with attributes and an origin.
        client.attributes.insert("role".into(), "cleaning".into());
        client.origins.extend("https://pages.example".parse());
        registered.admitted = true;
        client.registered = Some(registered.clone());
        let Ok(asked) = registration::read(&named(update, &client)) else { continue };
        let Ok(Ok(made)) = registration::update(&asked, &client, &registered, &keys.secrets, &mut Counting(9)) else {
            continue;
        };
        taken += 1;
        let now = made.client.registered.clone().expect("as before");
        assert_eq!(now.admitted, made.client == client, "a change takes its admission away, and nothing else does");
        assert_eq!((&made.client.id, now.token, now.at), (&client.id, registered.token, registered.at));
        assert_eq!((&made.client.attributes, &made.client.origins), (&client.attributes, &client.origins));
        harmless(&made.client, update);
        said_back(&made.client, &now, keys);
        (client, registered) = (made.client, now);
    }
    taken
}

fn begin(first: &[u8], keys: &Keys) -> Option<(Client, Registered)> {
    let asked = registration::read(first).ok()?;
    let (Made { client, secret }, token) =
        registration::register(&asked, &keys.secrets, NOW, &mut Counting(0)).expect("entropy").ok()?;
    let registered = client.registered.clone().expect("it came by itself");
    assert!(!registered.admitted && !client.is_admitted(), "no doors before an administrator says so");
    assert!(client.attributes.is_empty() && client.origins.is_empty() && client.profiles.is_empty());
    assert!(registration::is_token_of(&registered, &keys.secrets, &token));
    assert!(secret.is_none_or(|secret| secret.len() >= 43));
    harmless(&client, first);
    said_back(&client, &registered, keys);
    Some((client, registered))
}

/// An update names its client; the fuzzer cannot know it.
fn named(update: &[u8], client: &Client) -> Vec<u8> {
    let id = Value::from(client.id.as_str()).to_string();
    String::from_utf8_lossy(update).replace("\"ID\"", &id).into_bytes()
}

/// No resource server, no target that a declared client could not have, and no URL but those of people's browsers.
fn harmless(client: &Client, said: &[u8]) {
    assert!(!matches!(client.kind, ClientKind::ResourceServer { .. }));
    assert!(client.kind.redirect_uris().iter().all(|uri| redirect::kind(uri).is_some()));
    let Ok(Value::Object(said)) = serde_json::from_slice(said) else { return };
    for name in ["jwks_uri", "software_statement"] {
        assert!(said.get(name).is_none_or(Value::is_null), "{name} was taken");
    }
    let kept = serde_json::to_string(client).expect("a record");
    for (name, value) in said.iter().filter(|(name, _)| !KEPT.contains(&name.as_str())) {
        let marked = |text: &&str| text.len() > 12 && !elsewhere(&said, text);
        if let Some(text) = value.as_str().filter(marked) {
            assert!(!kept.contains(text), "{name} is kept");
        }
    }
}

fn elsewhere(said: &Map<String, Value>, text: &str) -> bool {
    let mut others = said.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
    others.any(|(_, value)| value.to_string().contains(text)) || !text.contains("://")
}

/// RFC 7592 §2.2: a client sends back what it was told. That changes nothing.
fn said_back(client: &Client, registered: &Registered, keys: &Keys) {
    let mut told = registration::metadata(client, registered);
    told.remove("client_id_issued_at");
    let asked = registration::read(Value::from(told).to_string().as_bytes()).expect("our own words");
    let again = registration::update(&asked, client, registered, &keys.secrets, &mut Counting(1)).expect("entropy");
    let again = again.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(again.client == *client && again.secret.is_none(), "what was told, said back, is a change");
}

/// Members that have a place in a record.
const KEPT: &[&str] = &[
    "redirect_uris",
    "client_name",
    "scope",
    "jwks",
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_email",
];

#[cfg(test)]
mod tests {
    use latchwork_authz_server::keys::Keys;

    /// Every line of a seed is taken, but for those of seeds that say so.
    #[test]
    fn the_seeds_are_taken() {
        let keys = Keys::random().expect("entropy");
        for seed in std::fs::read_dir("../seeds/server_registration").expect("seeds") {
            let path = seed.expect("a seed").path();
            let said = std::fs::read(&path).expect("a seed");
            let lines = said.split(|byte| *byte == b'\n').count();
            let refused = path.file_name().expect("a name").to_string_lossy().starts_with("refused");
            let expected = if refused { 0 } else { lines };
            assert_eq!(super::register(&said, &keys), expected, "{}", path.display());
        }
    }
}
