//! Answers and errors in the forms of the HTTP face: JSON, CBOR, pages.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use super::guard;
use crate::core::entropy::NoEntropy;
use crate::core::refusal::ServerFault;
use crate::keys::KeyError;
use crate::shell::throttle::Wait;
use crate::store::StoreError;
use crate::web::Message;

/// `application/ace+cbor` (RFC 9200 §8.16).
pub(crate) const ACE_CBOR: &str = "application/ace+cbor";

/// Whether `Accept` prefers CBOR to JSON. Without `Accept`, the answer comes as the question came.
pub(crate) fn wants_cbor(request: &HttpRequest, asked_in_cbor: bool) -> bool {
    let mut named = None;
    for value in request.headers().get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let cbor = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                ACE_CBOR => true,
                "application/json" => false,
                _ => continue,
            };
            let quality =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
            if quality > 0.0 && named.is_none_or(|(_, best)| quality > best) {
                named = Some((cbor, quality));
            }
        }
    }
    named.map_or(asked_in_cbor, |(cbor, _)| cbor)
}

/// A page.
pub(crate) fn page(status: StatusCode, page: &impl Template, onward: Option<&str>) -> HttpResponse {
    match page.render() {
        Ok(html) => HttpResponse::build(status)
            .insert_header((header::CONTENT_SECURITY_POLICY, guard::page_policy(onward)))
            .content_type("text/html; charset=utf-8")
            .body(html),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// Elsewhere, by GET: 303, so that no form is posted again (RFC 9700 §4.12).
pub(crate) fn see_other(target: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, target)).finish()
}

/// What stops a handler on the browser's side. The page says what to do; the log says what happened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The store, the keys or the system failed us.
    #[error("{0}")]
    Ours(String),
    /// The request makes no sense, or not any more.
    #[error("{what}")]
    Theirs {
        /// The page's title.
        title: &'static str,
        /// What happened.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Too many requests.
    #[error("too many requests")]
    Slow(Wait),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<NoEntropy> for Stop {
    fn from(error: NoEntropy) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<KeyError> for Stop {
    fn from(error: KeyError) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<ServerFault> for Stop {
    fn from(error: ServerFault) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<Wait> for Stop {
    fn from(wait: Wait) -> Self {
        Self::Slow(wait)
    }
}

impl ResponseError for Stop {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Ours(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Theirs { .. } => StatusCode::BAD_REQUEST,
            Self::Slow(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        match self {
            Self::Ours(cause) => {
                let reference = reference();
                tracing::error!(%cause, %reference, "a page failed");
                let message = Message {
                    title: "Something went wrong here",
                    what: "The server could not finish this. Nothing was granted.",
                    advice: Some("Try again in a minute. If it stays like this, tell whoever administers Latchwork."),
                    reference: Some(&reference),
                    ..Message::default()
                };
                page(status, &message, None)
            }
            Self::Theirs { title, what, advice } => {
                page(status, &Message { title, what, advice: Some(advice), ..Message::default() }, None)
            }
            Self::Slow(Wait(seconds)) => {
                let message = Message {
                    title: "Too many tries",
                    what: "There were too many requests from where you are.",
                    advice: Some("Wait a little and try again."),
                    ..Message::default()
                };
                let mut answer = page(status, &message, None);
                answer.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
                answer
            }
        }
    }
}

/// A short random name under which the log has more.
pub(crate) fn reference() -> String {
    let mut bytes = [0_u8; 4];
    let _ = getrandom::fill(&mut bytes);
    crate::core::bytes::hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn accept_decides() {
        for (accept, asked_in_cbor, cbor) in [
            (None, false, false),
            (None, true, true),
            (Some("*/*"), true, true),
            (Some("*/*"), false, false),
            (Some("application/json"), true, false),
            (Some("application/ace+cbor"), false, true),
            (Some("Application/ACE+CBOR"), false, true),
            (Some("application/json;q=0.5, application/ace+cbor"), false, true),
            (Some("application/ace+cbor;q=0"), false, false),
            (Some("application/ace+cbor;q=0.1, application/json;q=0.2"), true, false),
            (Some("text/html"), false, false),
        ] {
            let request = TestRequest::default();
            let request = match accept {
                Some(accept) => request.insert_header(("accept", accept)),
                None => request,
            };
            assert_eq!(wants_cbor(&request.to_http_request(), asked_in_cbor), cbor, "{accept:?}");
        }
    }
}
