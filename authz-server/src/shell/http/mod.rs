//! The HTTP face (actix-web): routes, limits and listeners.

pub mod admin;
mod answer;
mod approvals;
mod authorize;
mod channel;
mod device;
mod doors;
mod grants;
pub mod guard;
mod introspect;
mod meta;
mod nonce;
mod par;
mod revoke;
mod sealed;
mod sign_in;
mod token;
mod trl;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpServer, web};

use super::Shell;
use super::tls::Authorities;

/// Sockets and sizes of the HTTP face.
pub struct Listeners {
    /// HTTPS and its certificate.
    pub https: Option<(TcpListener, rustls::ServerConfig)>,
    /// HTTPS that asks clients for a certificate, and who may vouch for them.
    pub mtls: Option<(TcpListener, rustls::ServerConfig, Authorities)>,
    /// Plain HTTP on a loopback address, for a reverse proxy on this machine.
    pub plain: Option<TcpListener>,
    /// Threads.
    pub workers: usize,
    /// Bytes of a request body.
    pub body: usize,
    /// Open connections, over all threads.
    pub connections: usize,
}

/// Starts to serve; the future ends when the server is stopped through its handle.
///
/// # Errors
/// A socket cannot be used.
pub fn serve(shell: Arc<Shell>, listeners: Listeners) -> std::io::Result<Server> {
    let data = web::Data::from(shell);
    let body = listeners.body;
    let clock = data.clock;
    let port = listeners.mtls.as_ref().and_then(|(socket, ..)| socket.local_addr().ok()).map(|address| address.port());
    let authorities = listeners.mtls.as_ref().map(|(.., authorities)| authorities.clone()).unwrap_or_default();
    let mut server = HttpServer::new(move || {
        App::new().wrap(from_fn(in_time)).wrap(guard::headers()).configure(|config| routes(config, data.clone(), body))
    })
    .on_connect(move |io, data| channel::look(port, &authorities, clock(), io, data))
    .workers(listeners.workers)
    .max_connections(listeners.connections.div_ceil(listeners.workers.max(1)))
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals();
    if let Some((socket, tls)) = listeners.https {
        server = server.listen_rustls_0_23(socket, tls)?;
    }
    if let Some((socket, tls, _)) = listeners.mtls {
        server = server.listen_rustls_0_23(socket, tls)?;
    }
    if let Some(socket) = listeners.plain {
        server = server.listen(socket)?;
    }
    Ok(server.run())
}

/// All routes, on any actix application: also those of tests.
pub fn routes(config: &mut web::ServiceConfig, shell: web::Data<Shell>, body: usize) {
    config
        .app_data(shell)
        .app_data(web::PayloadConfig::new(body))
        .app_data(web::JsonConfig::default().limit(MAX_DECLARATION))
        .configure(meta::routes)
        .configure(admin::routes)
        .configure(token::routes)
        .configure(introspect::routes)
        .configure(par::routes)
        .configure(sign_in::routes)
        .configure(authorize::routes)
        .configure(approvals::routes)
        .configure(device::routes)
        .configure(doors::routes)
        .configure(grants::routes)
        .configure(revoke::routes)
        .configure(trl::routes);
}

/// A request that takes longer than this is given up, so that slow bodies hold nothing. What came by TLS comes so for a year
/// (RFC 6797; the answer by plain HTTP must not say so, §7.2).
async fn in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let secure = request.app_config().secure();
    match tokio::time::timeout(REQUEST_TIMEOUT, next.call(request)).await {
        Ok(answer) => answer.map(|mut answer| {
            if secure {
                answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, A_YEAR_OF_TLS);
            }
            answer
        }),
        Err(_) => Err(actix_web::error::ErrorRequestTimeout("")),
    }
}

const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longer than a provider may take for discovery, keys, token and user information.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const A_YEAR_OF_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const SHUTDOWN_SECONDS: u64 = 10;
/// Bytes of a declaration: many more doors than fit a form.
const MAX_DECLARATION: usize = 8 << 20;

#[cfg(test)]
mod tests;
