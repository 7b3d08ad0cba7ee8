//! Redirect targets (RFC 8252 §7, RFC 9700 §2.1): exact, but for the port of a loopback address.

use super::records::Client;

/// Whether `asked` is one of the client's registered targets.
#[must_use]
pub fn is_registered(client: &Client, asked: &str) -> bool {
    client.kind.redirect_uris().iter().any(|registered| {
        kind(registered).is_some()
            && (registered == asked || loopback(registered).is_some_and(|r| Some(r) == loopback(asked)))
    })
}

/// Whether the app's own consent page may be left out: nobody else can receive this redirect (RFC 8252 §8.6), and an administrator
/// declared that it may. Who registered itself shows people what it wants.
#[must_use]
pub fn is_claimed(client: &Client, redirect: &str) -> bool {
    client.registered.is_none() && kind(redirect) == Some(Kind::Claimed)
}

/// A kind of target that may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `http://127.0.0.1` or `http://[::1]`, any port.
    Loopback,
    /// A scheme of the app's own, with a dot in it.
    PrivateUse,
    /// `https`, claimed by the app or served by the client.
    Claimed,
}

/// What kind of target this is; `None` for one that may not be registered, `localhost` among them.
#[must_use]
pub fn kind(uri: &str) -> Option<Kind> {
    if uri.len() > MAX_LEN || uri.contains('#') || !uri.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    if loopback(uri).is_some() {
        return Some(Kind::Loopback);
    }
    let (scheme, rest) = uri.split_once(':')?;
    if scheme == "https" {
        let host = rest.strip_prefix("//")?.split(['/', '?']).next()?;
        return (!host.is_empty() && !host.contains('@')).then_some(Kind::Claimed);
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(allowed);
    (well_formed && scheme.contains('.') && rest.starts_with('/')).then_some(Kind::PrivateUse)
}

/// A loopback target without its port: the address, and the path with query.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let address = ["127.0.0.1", "[::1]"].into_iter().find(|address| authority.starts_with(address))?;
    let port_fits = match authority.strip_prefix(address)?.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()),
        None => authority == address,
    };
    port_fits.then_some((address, path))
}

const MAX_LEN: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// R6749-3.1.2-01, R8252-7-01, R8252-8.4-03, R9700-2.6-02
    #[test]
    fn kinds() {
        for (uri, expected) in [
            ("http://127.0.0.1/cb", Some(Kind::Loopback)),
            ("http://127.0.0.1:8080/cb", Some(Kind::Loopback)),
            ("http://[::1]:1/", Some(Kind::Loopback)),
            ("com.example.app:/cb", Some(Kind::PrivateUse)),
            ("https://app.example/cb?x=1", Some(Kind::Claimed)),
            ("http://localhost/cb", None),
            ("http://127.0.0.1.evil.example/cb", None),
            ("http://127.0.0.1@evil.example/cb", None),
            ("http://127.0.0.1:80@evil.example/", None),
            ("http://127.0.0.1:99999/", None),
            ("http://127.0.0.1:+80/", None),
            ("http://app.example/cb", None),
            ("myapp:/cb", None),
            ("com.example.app:cb", None),
            ("javascript:alert(1)", None),
            ("https://app.example/cb#x", None),
            ("https://user@app.example/cb", None),
            ("https:///cb", None),
            ("https://app.example/c b", None),
            ("", None),
        ] {
            assert_eq!(kind(uri), expected, "{uri}");
        }
    }

    /// R6749-3.1.2.3-01, R8252-7-01, R8252-7.3-01, R8252-8.4-02, R9700-2.1-01
    #[test]
    fn exact_but_for_a_loopback_port() {
        for (registered, asked, same) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb/", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb?x", false),
            ("http://127.0.0.1/cb", "http://[::1]:49152/cb", false),
            ("http://127.0.0.1/cb", "http://localhost:49152/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb", false),
            ("https://app.example/cb", "https://app.example/cb", true),
            ("https://app.example/cb", "https://app.example:8443/cb", false),
            ("https://app.example/cb", "https://app.example/cb/x", false),
            ("https://app.example/cb", "https://app.example.evil/cb", false),
            ("com.example.app:/cb", "com.example.app:/cb", true),
            ("com.example.app:/cb", "com.example.app:/other", false),
            ("http://localhost/cb", "http://localhost/cb", false), // however it came to be registered
        ] {
            let client = crate::core::testing::native("app", &[registered]);
            assert_eq!(is_registered(&client, asked), same, "{registered} {asked}");
        }
    }

    /// R8252-8.6-01
    #[test]
    fn who_needs_no_consent_page() {
        use crate::core::bytes::Hash32;
        use crate::core::records::{ClientAuth, ClientKind, Registered};
        use crate::core::testing::{machine, native};
        use crate::core::time::Timestamp;

        let app = native("app", &[]);
        let mut web = machine("web", ClientAuth::None);
        web.kind = ClientKind::Confidential { redirect_uris: Vec::new() };
        let mut stranger = web.clone();
        stranger.registered =
            Some(Registered { token: Hash32([0; 32]), at: Timestamp(0), admitted: true, post: false });
        for (client, redirect, claimed) in [
            (&app, "https://app.example/cb", true),
            (&web, "https://web.example/cb", true),
            (&app, "http://127.0.0.1:1/cb", false),
            (&web, "http://127.0.0.1:1/cb", false),
            (&app, "com.example.app:/cb", false),
            (&web, "com.example.app:/cb", false),
            (&stranger, "https://web.example/cb", false),
        ] {
            assert_eq!(is_claimed(client, redirect), claimed, "{} {redirect}", client.id);
        }
    }
}
