//! The HTTP face (actix-web): routes, limits and listeners.

pub mod admin;
mod answer;
mod approvals;
mod apps;
mod authorize;
mod body;
mod channel;
mod cors;
mod device;
mod doors;
mod grants;
pub mod guard;
mod introspect;
mod meta;
mod nonce;
mod par;
mod register;
mod revoke;
mod sealed;
mod session;
mod sign_in;
mod token;
mod trl;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpResponse, HttpServer, web};

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
    /// How long a client may take.
    pub times: Times,
}

/// How long a client may take to say what it wants.
#[derive(Clone, Copy)]
pub struct Times {
    /// For the head of a request, its TLS handshake apart.
    pub head: Duration,
    /// For its body, at the endpoints of OAuth.
    pub body: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { head: HEAD_TIMEOUT, body: body::PATIENCE }
    }
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
    let times = listeners.times;
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(body::Patience(times.body))
            .wrap(from_fn(cors::cors))
            .wrap(from_fn(in_time))
            .wrap(guard::headers())
            .configure(|config| routes(config, data.clone(), body))
    })
    .on_connect(move |io, data| channel::look(port, &authorities, clock(), io, data))
    .workers(listeners.workers)
    .max_connections(listeners.connections.div_ceil(listeners.workers.max(1)))
    .client_request_timeout(times.head)
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
        .configure(register::routes)
        .configure(sign_in::routes)
        .configure(authorize::routes)
        .configure(approvals::routes)
        .configure(apps::routes)
        .configure(device::routes)
        .configure(doors::routes)
        .configure(grants::routes)
        .configure(revoke::routes)
        .configure(trl::routes);
}

/// A request that takes longer than this is given up, so that slow bodies hold nothing. What came by TLS comes so for a year
/// (RFC 6797; the answer by plain HTTP must not say so, §7.2).
async fn in_time<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let secure = request.app_config().secure();
    if head_of(&request) > MAX_HEAD {
        let answer = HttpResponse::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        return Ok(request.into_response(answer).map_into_right_body());
    }
    match tokio::time::timeout(REQUEST_TIMEOUT, next.call(request)).await {
        Ok(answer) => answer.map(|mut answer| {
            if secure {
                answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, A_YEAR_OF_TLS);
            }
            answer.map_into_left_body()
        }),
        Err(_) => Err(actix_web::error::ErrorRequestTimeout("")),
    }
}

/// Bytes of what came before the body.
fn head_of(request: &ServiceRequest) -> usize {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    fields.fold(request.uri().path_and_query().map_or(0, |path| path.as_str().len()), usize::saturating_add)
}

const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longer than a provider may take for discovery, keys, token and user information.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const A_YEAR_OF_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// Bytes of a head: many times a proof and an assertion, or the cookies of ten sign-ins.
const MAX_HEAD: usize = 32 << 10;
const SHUTDOWN_SECONDS: u64 = 10;
/// Bytes of a declaration: many more doors than fit a form.
const MAX_DECLARATION: usize = 8 << 20;

#[cfg(test)]
mod tests;
