//! What every answer and every form of the browser's side shares: security headers, cookies, proof that a form is ours.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;

use crate::core::bytes::{Hash32, base64url};
use crate::core::entropy::{Entropy, NoEntropy, fresh};

/// Headers of every answer that does not bring its own.
#[must_use]
pub fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::PRAGMA, "no-cache"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add(("cross-origin-resource-policy", "same-origin"))
}

/// The policy of a page. `onward` is where its form may lead beside this server: browsers apply `form-action` to the redirect
/// that answers the form, too.
pub(crate) fn page_policy(onward: Option<&str>) -> String {
    let onward = onward.map(|source| format!(" {source}")).unwrap_or_default();
    format!("default-src 'none'; style-src 'self'; form-action 'self'{onward}; base-uri 'none'; frame-ancestors 'none'")
}

/// The CSP source that covers a redirect target: its origin, or its scheme where there is no authority.
pub(crate) fn source_of(target: &str) -> Option<String> {
    let safe = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:[]/".contains(&b));
    let (scheme, rest) = target.split_once(':')?;
    let source = match (scheme, rest.strip_prefix("//")) {
        ("http" | "https", Some(rest)) => {
            let authority = rest.split(['/', '?', '#']).next()?;
            format!("{scheme}://{authority}")
        }
        _ => format!("{scheme}:"),
    };
    safe(&source).then_some(source)
}

/// Ties one sign-in to one browser. The handle travels in URLs and says which cookie; only the cookie's value opens anything.
pub(crate) struct BrowserKey {
    /// Eight characters, no secret.
    pub(crate) handle: String,
    /// The cookie's value.
    pub(crate) value: String,
}

impl BrowserKey {
    pub(crate) fn fresh(entropy: &mut impl Entropy) -> Result<Self, NoEntropy> {
        Ok(Self { handle: base64url(&fresh::<6>(entropy)?), value: base64url(&fresh::<32>(entropy)?) })
    }

    /// The cookie of this handle, if the browser has it.
    pub(crate) fn of(request: &HttpRequest, handle: &str) -> Option<Self> {
        let well_formed =
            handle.len() == HANDLE && handle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !well_formed {
            return None;
        }
        let value = request.cookie(&Self::name(handle))?.value().to_owned();
        Some(Self { handle: handle.to_owned(), value })
    }

    /// Where its pages are.
    pub(crate) fn page(&self) -> String {
        format!("/authorize/{}", self.handle)
    }

    /// The name of the record it opens.
    pub(crate) fn id(&self) -> Hash32 {
        Hash32::of(&[b"browser", self.value.as_bytes()])
    }

    /// What a form on a page of this sign-in must carry.
    pub(crate) fn csrf(&self) -> String {
        csrf(&self.value)
    }

    pub(crate) fn cookie(&self, seconds: i64) -> Cookie<'static> {
        cookie(Self::name(&self.handle), self.value.clone(), seconds)
    }

    fn name(handle: &str) -> String {
        format!("__Host-lw-{handle}")
    }
}

/// A token that only the holder of the cookie and this server know; one-way, so that a page never shows the cookie.
pub(crate) fn csrf(cookie_value: &str) -> String {
    Hash32::of(&[b"csrf", cookie_value.as_bytes()]).to_string()
}

/// Compares without leaking where they differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

pub(crate) fn cookie(name: String, value: String, seconds: i64) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .finish()
}

/// Length of a handle in characters.
pub(crate) const HANDLE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// R6749-10.14-01
    #[test]
    fn the_source_of_a_redirect_target() {
        for (target, source) in [
            ("http://127.0.0.1:7777/cb?x=1", Some("http://127.0.0.1:7777")),
            ("http://[::1]:7/cb", Some("http://[::1]:7")),
            ("https://app.example/cb", Some("https://app.example")),
            ("com.example.app:/cb", Some("com.example.app:")),
            ("com.example.app://host/cb", Some("com.example.app:")),
            ("https://app.example;script-src *", None),
            ("none", None),
        ] {
            assert_eq!(source_of(target).as_deref(), source, "{target}");
        }
    }
}
