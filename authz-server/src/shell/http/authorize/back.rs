//! What goes back to the app, and what is shown where nothing may go back (RFC 6749 §4.1.2, RFC 9207 §2).

use super::commit;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use openidconnect::url::form_urlencoded;

use crate::core::change::{Change, Key};
use crate::core::device::{Answer, Asking, Device};
use crate::core::records::{Client, Person};
use crate::core::refusal::{AuthorizationFault, OAuthError, Refusal};
use crate::core::request::AuthorizationRequest;
use crate::shell::Shell;
use crate::shell::http::answer::{Stop, page, see_other};
use crate::shell::http::sign_in::STALE;
use crate::web::Message;

/// The redirect target with the answer in its query (RFC 6749 §4.1.2, RFC 9207 §2).
pub(super) fn target(shell: &Shell, redirect_uri: &str, answer: &[(&str, &str)], state: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", &shell.issuer);
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{separator}{}", query.finish())
}

pub(in crate::shell::http) fn error_target(
    shell: &Shell,
    redirect_uri: &str,
    state: Option<&str>,
    error: &str,
) -> String {
    target(shell, redirect_uri, &[("error", error)], state)
}

pub(super) async fn refuse_person(
    shell: &Shell,
    asked: &AuthorizationRequest,
    refusal: &Refusal,
    person: &Person,
) -> Result<HttpResponse, Stop> {
    let state = asked.state.as_deref();
    written_down(shell, refusal, Some(asked.client.as_str()), Some(person));
    if let Some(asking) = &asked.device {
        commit(shell, &[answer_device(shell, asking, Answer::No).await?]).await?;
        return Ok(page(StatusCode::OK, &NO_DEVICE, None));
    }
    Ok(see_other(&error_target(shell, &asked.redirect_uri, state, error_name(refusal))))
}

/// What the device hears; only one answer counts, and only while it waits.
pub(super) async fn answer_device(shell: &Shell, asking: &Asking, answer: Answer) -> Result<Change, Stop> {
    let found = shell.records.find::<Device>(&Key::Device(asking.user_code)).await?;
    let own = |device: &Device| device.device_code == asking.device_code && device.waits(shell.now());
    let (device, rev) = found.filter(|(device, _)| own(device)).ok_or(STALE)?;
    Ok(Change::replace(Device { answer, ..device }, rev))
}

/// The device may go on.
pub(super) const YES_DEVICE: Message<'static> = Message {
    title: "Your device is connected",
    what: "It goes on by itself within a few seconds.",
    advice: Some("You can close this page."),
    link: None,
    reference: None,
};

const NO_DEVICE: Message<'static> = Message {
    title: "The device gets nothing",
    what: "You said no, or what it asked for is not yours to give.",
    advice: Some("You can close this page."),
    link: None,
    reference: None,
};

pub(super) fn refuse_app(shell: &Shell, asked: &AuthorizationRequest, refusal: &Refusal) -> HttpResponse {
    written_down(shell, refusal, Some(asked.client.as_str()), None);
    see_other(&error_target(shell, &asked.redirect_uri, asked.state.as_deref(), error_name(refusal)))
}

pub(super) fn refuse(
    shell: &Shell,
    redirect_uri: &str,
    state: Option<&str>,
    refusal: &Refusal,
    client: Option<&Client>,
) -> HttpResponse {
    written_down(shell, refusal, client.map(|client| client.id.as_str()), None);
    see_other(&error_target(shell, redirect_uri, state, error_name(refusal)))
}

/// At this endpoint a person is refused, not a scope.
fn error_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NothingGranted => OAuthError::ACCESS_DENIED.name,
        other => other.error().name,
    }
}

/// Neither client nor target can be trusted: a page, and never a redirect (RFC 6749 §4.1.2.1).
pub(super) fn untrusted(shell: &Shell, refusal: &Refusal) -> HttpResponse {
    written_down(shell, refusal, None, None);
    let message = match refusal {
        Refusal::Authorization(AuthorizationFault::RequestUri) => Message {
            title: "This link is over",
            what: "The app sent you here with a request that was used, is too old, or is not its own.",
            advice: Some("Go back to the app and start again."),
            ..Message::default()
        },
        Refusal::Authorization(AuthorizationFault::NotAdmitted) => Message {
            title: "This app is not admitted yet",
            what: "The app registered itself, or changed what it said of itself, and nobody has looked at it since.",
            advice: Some("Ask whoever administers Latchwork to admit it."),
            ..Message::default()
        },
        Refusal::UnknownClient(_) | Refusal::NotPresented | Refusal::Authorization(AuthorizationFault::Redirect) => {
            Message {
                title: "This app is not known here",
                what: "The request names an app or a way back to it that nobody registered, so it goes no further.",
                advice: Some("Tell whoever makes the app, or whoever administers Latchwork."),
                ..Message::default()
            }
        }
        _ => Message {
            title: "This request makes no sense",
            what: "The app sent you here with a request that is not as it must be, so it goes no further.",
            advice: Some("Tell whoever makes the app."),
            ..Message::default()
        },
    };
    page(StatusCode::BAD_REQUEST, &message, None)
}

fn written_down(shell: &Shell, refusal: &Refusal, client: Option<&str>, person: Option<&Person>) {
    shell.audit.record(&serde_json::json!({
        "at": shell.now(), "event": "authorization", "outcome": "refused", "error": error_name(refusal),
        "reason": refusal.to_string(), "client": client, "person": person.map(|person| &person.id),
    }));
}
