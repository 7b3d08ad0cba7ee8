//! To the provider and back (OpenID Connect Core §3.1, RFC 9700 §4.7): state is single use and bound to the browser's cookie and
//! to the provider it was sent to.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::answer::{Stop, page, see_other};
use super::authorize::commit;
use super::guard::{BrowserKey, HANDLE};
use super::sealed::{open, seal};
use super::token::peer;
use super::{approvals, authorize, device};
use crate::core::bytes::Hash32;
use crate::core::change::Change;
use crate::core::entropy::Os;
use crate::core::names::PersonId;
use crate::core::pushed::Asked;
use crate::core::records::{Person, Seen};
use crate::core::refusal::Refusal;
use crate::core::time::Timestamp;
use crate::shell::form::Form;
use crate::shell::oidc::{Arrival, Provider, SignInError, SignedIn};
use crate::shell::{Shell, form};
use crate::web::{Choice, Message, Providers};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/callback/{provider}", web::get().to(callback));
}

/// Where a sign-in leads.
#[derive(Serialize, Deserialize)]
pub(super) enum Then {
    /// An app waits at the end.
    App(Box<Asked>),
    /// An owner wants to see who asks.
    Approvals,
    /// A person wants to see their apps.
    Apps,
    /// Somebody has a device that shows a code.
    Device {
        /// The code, if it came along.
        code: Option<String>,
    },
}

impl Then {
    /// Where a person goes on when it came to nothing, and what the button says.
    fn back(&self, shell: &Shell, error: &str) -> (String, &'static str) {
        match self {
            Self::App(asked) => {
                let request = &asked.request;
                let state = request.state.as_deref();
                (authorize::error_target(shell, &request.redirect_uri, state, error), "Back to the app")
            }
            Self::Approvals => ("/approvals".to_owned(), "Try again"),
            Self::Apps => ("/apps".to_owned(), "Try again"),
            Self::Device { .. } => ("/device".to_owned(), "Try again"),
        }
    }
}

/// All that is remembered of a browser that is at the provider: it keeps it itself, sealed, in a cookie. Nobody fills our store
/// by leaving.
#[derive(Serialize, Deserialize)]
struct Departed {
    provider: String,
    /// SHA-256 of the `state` sent.
    state: Hash32,
    /// The `nonce` expected in the ID token.
    nonce: String,
    /// Our PKCE verifier towards the provider.
    verifier: String,
    expires: Timestamp,
    then: Then,
}

/// The provider to use, or a page to choose one. `path` is where the choice leads, with everything in it.
fn choose<'s>(shell: &'s Shell, named: Option<&str>, path: &str) -> Result<&'s Provider, Box<HttpResponse>> {
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

/// Sends this browser to the provider that `query` names, or to the page where one is chosen. `path` is this page's own.
pub(super) async fn depart(
    shell: &Shell,
    query: &[(String, String)],
    path: &str,
    then: Then,
) -> Result<HttpResponse, Stop> {
    let named = query.iter().find(|(name, _)| name == PROVIDER).map(|(_, value)| value.as_str());
    let provider = match choose(shell, named, path) {
        Ok(provider) => provider,
        Err(page) => return Ok(*page),
    };
    let mut browser = BrowserKey::fresh(&mut Os)?;
    let departure = match provider.depart(&shell.callback(provider.name()), &browser.handle, shell.now().0).await {
        Ok(departure) => departure,
        Err(error) => return Ok(failed(shell, provider.name(), &error, then.back(shell, "temporarily_unavailable"))),
    };
    let life = i64::from(shell.lifetimes.sign_in);
    let departed = Departed {
        provider: provider.name().to_owned(),
        state: state_hash(&departure.state),
        nonce: departure.nonce,
        verifier: departure.verifier,
        expires: shell.now().plus(life),
        then,
    };
    browser.value = seal(shell, DEPARTED, &departed)?;
    Ok(away(&departure.url, &browser.cookie(life)))
}

/// Only the hash of a `state` is kept.
fn state_hash(state: &str) -> Hash32 {
    Hash32::of(&[b"state", state.as_bytes()])
}

/// Redeems the provider's code.
async fn arrive(shell: &Shell, provider: &Provider, departed: &Departed, answer: &Form) -> Result<Person, SignInError> {
    if let Some(error) = answer.value("error") {
        return Err(SignInError::Refused(error.chars().filter(char::is_ascii_graphic).take(60).collect()));
    }
    let code = answer.value("code").ok_or_else(|| SignInError::Nonsense("neither code nor error".into()))?;
    let arrival = Arrival { code, iss: answer.value("iss") };
    let now = shell.now();
    let callback = shell.callback(provider.name());
    let SignedIn { issuer, subject, name, groups } =
        provider.arrive(&callback, &departed.nonce, &departed.verifier, &arrival, now.0).await?;
    let id = PersonId::new(&issuer, &subject).map_err(|cause| SignInError::Nonsense(cause.to_string()))?;
    Ok(Person { id, name, groups: groups.into_iter().collect(), signed_in: now })
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
    let handle: String = state.chars().take(HANDLE).collect();
    let mut browser = BrowserKey::of(&request, &handle).ok_or(STALE)?;
    let departed: Departed = open(&shell, DEPARTED, &browser.value).ok_or(STALE)?;
    let own = departed.provider == provider.name() && departed.state == state_hash(state);
    if !own || departed.expires <= shell.now() {
        return Err(STALE);
    }
    // Spent before it is used, and remembered for as long as the cookie would still be good.
    let mut spent = vec![Seen { what: departed.state, until: departed.expires }];
    if let Then::App(asked) = &departed.then {
        spent.extend(asked.once.clone());
    }
    let spent: Vec<Change> = spent.into_iter().map(|seen| Change::once(seen, Refusal::NotPresented)).collect();
    commit(&shell, &spent).await?;
    let person = match arrive(&shell, provider, &departed, &answer).await {
        Ok(person) => person,
        Err(error) => return Ok(failed(&shell, provider.name(), &error, departed.then.back(&shell, "access_denied"))),
    };
    browser.value = BrowserKey::fresh(&mut Os)?.value;
    match departed.then {
        Then::App(asked) => authorize::signed_in(&shell, &browser, asked.request, person).await,
        Then::Approvals => approvals::signed_in(&shell, &browser, person, "/approvals"),
        Then::Apps => approvals::signed_in(&shell, &browser, person, "/apps"),
        Then::Device { code } => device::signed_in(&shell, &browser, person, code.as_deref()),
    }
}

/// The page for a provider that did not do its part. `back` lets the person return to the app.
fn failed(shell: &Shell, provider: &str, error: &SignInError, back: (String, &str)) -> HttpResponse {
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
    let message = Message {
        title: "You are not signed in",
        what,
        advice: Some(advice),
        link: Some((&back.0, back.1)),
        reference: Some(&reference),
    };
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
const PROVIDER: &str = "latchwork_provider";

/// The browser came with a sign-in that is over, is not its own, or never was.
pub(super) const STALE: Stop = Stop::Theirs {
    title: "This sign-in is over",
    what: "It was finished already, it took too long, or it was started in another browser.",
    advice: "Go back to the app and start again. Cookies must be allowed for this site.",
};

const DEPARTED: &str = "a sign-in under way";
