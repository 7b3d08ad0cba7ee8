//! To the provider and back (OpenID Connect Core §3.1, RFC 9700 §4.7): state is single use and bound to the browser's cookie and
//! to the provider it was sent to.

use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::{Stop, page, see_other};
use super::guard::{BrowserKey, HANDLE};
use super::token::peer;
use super::{approvals, authorize};
use crate::core::bytes::Hash32;
use crate::core::names::PersonId;
use crate::core::records::Person;
use crate::shell::form::Form;
use crate::shell::oidc::{Arrival, Departure, Provider, SignInError, SignedIn};
use crate::shell::{Shell, form};
use crate::web::{Choice, Message, Providers};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/callback/{provider}", web::get().to(callback));
}

/// What a sign-in is for; the first letter of its `state`.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// An app waits at the end.
    App,
    /// A person wants to see the pages.
    Page,
}

impl Purpose {
    fn letter(self) -> char {
        match self {
            Self::App => 'a',
            Self::Page => 'p',
        }
    }
}

/// The provider to use, or a page to choose one. `path` is where the choice leads, with everything in it.
pub(super) fn choose<'s>(shell: &'s Shell, named: Option<&str>, path: &str) -> Result<&'s Provider, Box<HttpResponse>> {
    let chosen = match (named, shell.providers.as_slice()) {
        (Some(name), _) => shell.provider(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    if let Some(provider) = chosen {
        return Ok(provider);
    }
    if shell.providers.is_empty() {
        let message = Message {
            title: "Nobody can sign in yet",
            what: "This server has no sign-in provider.",
            advice: Some("Whoever administers Latchwork adds a [[provider]] to latchwork.toml."),
            ..Message::default()
        };
        return Err(Box::new(page(actix_web::http::StatusCode::SERVICE_UNAVAILABLE, &message, None)));
    }
    let separator = if path.contains('?') { '&' } else { '?' };
    let choice = |provider: &Provider| Choice {
        name: provider.name().to_owned(),
        href: format!("{path}{separator}{PROVIDER}={}", provider.name()),
    };
    let providers = Providers { providers: shell.providers.iter().map(choice).collect() };
    Err(Box::new(page(actix_web::http::StatusCode::OK, &providers, None)))
}

/// Prepares to send this browser to the provider.
pub(super) async fn depart(
    shell: &Shell,
    provider: &Provider,
    purpose: Purpose,
    browser: &BrowserKey,
) -> Result<Departure, SignInError> {
    let prefix = format!("{}{}", purpose.letter(), browser.handle);
    provider.depart(&shell.callback(provider.name()), &prefix, shell.now().0).await
}

/// Only the hash of a `state` is kept.
pub(super) fn state_hash(state: &str) -> Hash32 {
    Hash32::of(&[b"state", state.as_bytes()])
}

/// What came back, once the state led to a departure.
pub(super) struct Returned<'r> {
    /// The provider in the path; the departure must name the same.
    pub(super) provider: &'r Provider,
    /// The whole answer.
    pub(super) answer: &'r Form,
}

impl Returned<'_> {
    /// Redeems the code. `nonce` and `verifier` are the departure's.
    pub(super) async fn person(&self, shell: &Shell, nonce: &str, verifier: &str) -> Result<Person, SignInError> {
        if let Some(error) = self.answer.value("error") {
            return Err(SignInError::Refused(error.chars().filter(char::is_ascii_graphic).take(60).collect()));
        }
        let code = self.answer.value("code").ok_or_else(|| SignInError::Nonsense("neither code nor error".into()))?;
        let arrival = Arrival { code, iss: self.answer.value("iss") };
        let now = shell.now();
        let callback = shell.callback(self.provider.name());
        let SignedIn { issuer, subject, name, groups } =
            self.provider.arrive(&callback, nonce, verifier, &arrival, now.0).await?;
        let id = PersonId::new(&issuer, &subject).map_err(|cause| SignInError::Nonsense(cause.to_string()))?;
        Ok(Person { id, name, groups: groups.into_iter().collect(), signed_in: now })
    }
}

/// `GET /callback/{provider}`
async fn callback(
    request: HttpRequest,
    name: web::Path<String>,
    shell: web::Data<Shell>,
) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let answer = Form::parse(request.query_string().as_bytes(), &[]).map_err(|_| STALE)?;
    let provider = shell.provider(&name).ok_or(STALE)?;
    let state = answer.value("state").ok_or(STALE)?;
    let mut letters = state.chars();
    let purpose = letters.next();
    let handle: String = letters.by_ref().take(HANDLE).collect();
    let browser = BrowserKey::of(&request, &handle).ok_or(STALE)?;
    let returned = Returned { provider, answer: &answer };
    match purpose {
        Some('a') => authorize::signed_in(&shell, &browser, state, returned).await,
        Some('p') => approvals::signed_in(&shell, &browser, state, returned).await,
        _ => Err(STALE),
    }
}

/// The page for a provider that did not do its part. `back` lets the person return to the app.
pub(super) fn failed(shell: &Shell, provider: &str, error: &SignInError, back: Option<(&str, &str)>) -> HttpResponse {
    let reference = super::answer::reference();
    // Parts of the text come from the provider: it must not forge lines of our log.
    let reason = error.to_string().replace(char::is_control, " ");
    tracing::warn!(reason, provider, reference, "sign-in failed");
    let (status, what, advice) = match error {
        SignInError::Unreachable(_) => (
            actix_web::http::StatusCode::BAD_GATEWAY,
            "Your sign-in provider does not answer.",
            "Try again in a minute. If it stays like this, tell whoever runs the provider.",
        ),
        SignInError::Nonsense(_) => (
            actix_web::http::StatusCode::BAD_GATEWAY,
            "Your sign-in provider gave an answer that cannot be trusted, so nobody was signed in.",
            "Start again from the app. If it happens again, give your administrator the reference below; the server's log says why.",
        ),
        SignInError::Refused(_) => (
            actix_web::http::StatusCode::FORBIDDEN,
            "Your sign-in provider did not sign you in.",
            "Start again from the app, and sign in there with your own account.",
        ),
    };
    shell.audit.record(&serde_json::json!({
        "at": shell.now(), "event": "sign-in", "provider": provider, "outcome": "refused", "reason": reason,
    }));
    let message =
        Message { title: "You are not signed in", what, advice: Some(advice), link: back, reference: Some(&reference) };
    page(status, &message, None)
}

/// Sends the browser on its way, with the cookie that it must bring back or forget.
pub(super) fn away(target: &str, cookie: &actix_web::cookie::Cookie<'static>) -> HttpResponse {
    let mut answer = see_other(target);
    match answer.add_cookie(cookie) {
        Ok(()) => answer,
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// The decoded query, where nothing needs to be unique yet.
pub(super) fn query(request: &HttpRequest) -> Result<Vec<(String, String)>, Stop> {
    let pairs = form::pairs(request.query_string().as_bytes()).map_err(|_| Stop::Theirs {
        title: "This link is broken",
        what: "The app sent you here with a request that cannot be read.",
        advice: "Tell whoever makes the app.",
    })?;
    Ok(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

/// The parameter of ours that names the chosen provider.
pub(super) const PROVIDER: &str = "latchwork_provider";

/// The browser came with a sign-in that is over, is not its own, or never was.
pub(super) const STALE: Stop = Stop::Theirs {
    title: "This sign-in is over",
    what: "It was finished already, it took too long, or it was started in another browser.",
    advice: "Go back to the app and start again. Cookies must be allowed for this site.",
};
