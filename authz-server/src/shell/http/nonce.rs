//! The server's nonces in DPoP proofs (RFC 9449 §8, §9): given out with every success of a proof, and where one was missing. An
//! answer that was refused for another reason brings none, so that nobody repeats it in vain.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::core::dpop::Nonces;
use crate::shell::Shell;

/// Marks an answer that asks for the same again with a nonce.
pub(super) struct Wanted;

impl Shell {
    /// The nonces of this moment, if any are asked for.
    pub(super) fn nonces(&self) -> Option<Nonces> {
        Nonces::at(self.now(), self.lifetimes.dpop_nonce, &self.keys.secrets, &self.issuer)
    }
}

/// Adds the newest nonce to the answer.
pub(super) async fn offer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let proven = request.headers().contains_key("dpop");
    let nonces = request.app_data::<web::Data<Shell>>().filter(|_| proven).and_then(|shell| shell.nonces());
    let mut answer = next.call(request).await?;
    let due = answer.status().is_success() || answer.response().extensions().contains::<Wanted>();
    if let Some(nonces) = nonces
        && due
        && let Ok(value) = HeaderValue::try_from(nonces.current())
    {
        answer.headers_mut().insert(HeaderName::from_static("dpop-nonce"), value);
    }
    Ok(answer)
}
