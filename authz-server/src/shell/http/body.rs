//! A posted body at the endpoints of OAuth: whole, or refused in OAuth's words with its audit line. Too long is 413, too slow
//! 408, broken off 400.

use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};

use super::answer::wants_cbor;
use super::token::{refused, unread};
use crate::core::refusal::Refusal;
use crate::core::request::Face;
use crate::shell::Shell;

/// How long the whole of a body may take.
#[derive(Clone, Copy)]
pub(super) struct Patience(pub(super) Duration);

/// The bytes, no more than `limits.body_kb`.
pub(super) struct Body(web::Bytes);

impl Deref for Body {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl FromRequest for Body {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = web::Bytes::from_request(request, payload);
        let patience = request.app_data::<Patience>().map_or(PATIENCE, |patience| patience.0);
        let request = request.clone();
        Box::pin(async move {
            let refusal = match tokio::time::timeout(patience, reading).await {
                Ok(Ok(bytes)) => return Ok(Self(bytes)),
                Ok(Err(cause)) if cause.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE => {
                    Refusal::TooLong
                }
                Ok(Err(_)) => Refusal::Malformed("the body breaks off"),
                Err(_) => Refusal::TooSlow,
            };
            Err(answered(&request, refusal))
        })
    }
}

fn answered(request: &HttpRequest, refusal: Refusal) -> actix_web::Error {
    let answer = match request.app_data::<web::Data<Shell>>() {
        Some(shell) => refused(&unread(request, shell, Face::Form, refusal), wants_cbor(request, false)),
        None => return actix_web::error::ErrorInternalServerError(""),
    };
    InternalError::from_response("the body cannot be read", answer).into()
}

/// Less than a request may take, so that this is what answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
