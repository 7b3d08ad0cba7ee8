//! What the connection of a request shows: the client's certificate on the listener that asks for one (RFC 8705 §5).

use std::any::Any;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

use crate::core::channel::{Certificate, ChannelIdentity};
use crate::core::request::Credential;
use crate::core::time::Timestamp;
use crate::shell::Shell;
use crate::shell::tls::Authorities;

type Tls = actix_tls::accept::rustls_0_23::TlsStream<TcpStream>;

/// What is remembered of a connection to the listener for certificates.
struct Shown(Option<Certificate>);

/// Looks at a new connection once. Only that listener asks for certificates, and `port` is its own.
pub(super) fn look(port: Option<u16>, authorities: &Authorities, now: Timestamp, io: &dyn Any, data: &mut Extensions) {
    let Some(stream) = io.downcast_ref::<Tls>() else { return };
    let (socket, session) = stream.get_ref();
    if port.is_some() && socket.local_addr().ok().map(|address| address.port()) == port {
        let chain = session.peer_certificates().unwrap_or_default();
        data.insert(Shown(authorities.judge(chain, now)));
    }
}

/// A client that only names itself may be shown by its connection. Nothing in the request can take the connection's place.
pub(super) fn through(request: &HttpRequest, credential: Credential) -> Credential {
    match (credential, request.conn_data::<Shown>()) {
        (Credential::Public { id }, Some(Shown(Some(certificate)))) => {
            Credential::Channel { id, channel: ChannelIdentity::Tls(certificate.clone()) }
        }
        (credential, _) => credential,
    }
}

/// The URL of an endpoint as the client of this request knows it: what its DPoP proof must name.
pub(super) fn endpoint(request: &HttpRequest, shell: &Shell, path: &str) -> String {
    let base = match (request.conn_data::<Shown>(), &shell.mtls_url) {
        (Some(_), Some(alias)) => alias,
        _ => &shell.issuer,
    };
    format!("{base}{path}")
}
