//! `latchwork serve`: configuration, store, listeners, run.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Failure, policy};
use crate::audit::Audit;
use crate::clock;
use crate::config::{Config, Engine, Log, ProviderSettings};
use crate::core::rotation::Purpose;
use crate::keys::{self, Keys, Ring};
use crate::shell::coap::Coap;
use crate::shell::http::{self, Listeners};
use crate::shell::revocation::Trl;
use crate::shell::throttle::{Rates, Throttle};
use crate::shell::tls::{AnyCertificate, Authorities};
use crate::shell::{Shell, oidc};
use crate::store::Store;
use crate::store::facts::Records;
use crate::store::memory::Memory;
use crate::store::sled::Sled;
use crate::store::sweep::Sweeper;

/// Serve until told to stop
#[derive(Args)]
pub(super) struct Serve {
    /// The directory that `latchwork init` made
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.dir)?;
        start_log(&config.log);
        let https = bind("http.listen", config.http.listen)?;
        let address = https.local_addr().map_err(|cause| Failure::setting("http.listen", cause))?;
        let plain = config.http.plain_listen.map(|address| bind("http.plain_listen", address)).transpose()?;
        let plain_address = plain.as_ref().and_then(|plain| plain.local_addr().ok());
        let tls = tls(&config.http.tls_cert, &config.http.tls_key, None)?;
        let mtls = mtls(&config)?;
        let mtls_address = mtls.as_ref().and_then(|(socket, ..)| socket.local_addr().ok());
        let mtls_url =
            mtls_address.map(|address| config.http.mtls_url.clone().unwrap_or_else(|| format!("https://{address}")));
        let shell = Arc::new(Shell { mtls_url, ..shell(&self.dir, &config, config.issuer_at(address))? });
        let listeners = Listeners {
            https: Some((https, tls)),
            mtls,
            plain,
            workers: config.http.workers,
            body: config.limits.body,
            connections: config.limits.connections,
            times: http::Times::default(),
        };
        actix_web::rt::System::new().block_on(async move {
            let stop = Stop::listen()?;
            signing_keys(&shell, &self.dir.join("keys")).await?;
            // Before anybody is answered: what was promised holds.
            shell.resume_revocations().await?;
            let coap = match config.coap.listen {
                Some(address) => Some(coap(&shell, address, config.limits.body).await?),
                None => None,
            };
            let coap_address = coap.as_ref().map(|(address, _)| *address);
            let server = http::serve(Arc::clone(&shell), listeners).map_err(|cause| Failure::io("HTTP", cause))?;
            let handle = server.handle();
            let serving = actix_web::rt::spawn(server);
            let sweeping = actix_web::rt::spawn(sweep(shell.records.clone()));
            let turning = actix_web::rt::spawn(turn(Arc::clone(&shell)));
            let expiring = actix_web::rt::spawn(expire_listed(Arc::clone(&shell)));
            let mut speaking = actix_web::rt::spawn(async move {
                match coap {
                    Some((_, coap)) => coap.serve().await,
                    None => std::future::pending().await,
                }
            });
            if let Err(cause) = ready(address, mtls_address, plain_address, coap_address) {
                // Nobody listens there; everybody may listen at the ports.
                tracing::warn!(%cause, "standard output is closed");
            }
            let stopped = tokio::select! {
                () = stop.asked() => Ok(()),
                ended = &mut speaking => ended
                    .unwrap_or_else(|cause| Err(std::io::Error::other(cause)))
                    .map_err(|cause| Failure::io("CoAP", cause)),
            };
            tracing::info!("stopping: requests under way are finished");
            speaking.abort();
            sweeping.abort();
            turning.abort();
            expiring.abort();
            handle.stop(true).await;
            match serving.await {
                Ok(ended) => ended.map_err(|cause| Failure::io("HTTP", cause)).and(stopped),
                Err(_) => stopped,
            }
        })
    }
}

fn shell(dir: &Path, config: &Config, issuer: String) -> Result<Shell, Failure> {
    let store: Arc<dyn Store> = match config.store.engine {
        Engine::Sled => Arc::new(Sled::open(&config.store.path, config.store.cache)?),
        Engine::Memory => Arc::new(Memory::default()),
    };
    Ok(Shell {
        issuer,
        mtls_url: None,
        records: Records::new(store),
        keys: Keys { signing: Ring::new(config.keys.schedules), ..Keys::load(&dir.join("keys"), &config.keys.kek)? },
        policy: Arc::new(policy::load(&config.policy_dir)?),
        providers: config.providers.iter().map(provider).collect::<Result<_, _>>()?,
        lifetimes: config.lifetimes.clone(),
        clock: clock::now,
        audit: Audit::open(config.audit_file.as_deref())
            .map_err(|cause| Failure::setting("audit.file", cause))?
            .required(config.audit_required),
        throttle: Mutex::new(Throttle::new(Rates {
            per_address: config.limits.per_address,
            per_client: config.limits.per_client,
        })),
        devices: Default::default(),
        trl: Trl::default(),
    })
}

fn provider(settings: &ProviderSettings) -> Result<oidc::Provider, Failure> {
    oidc::Provider::new(settings.clone()).map_err(|cause| Failure::setting("provider", cause))
}

fn tls(cert: &Path, key: &Path, ask: Option<Arc<AnyCertificate>>) -> Result<rustls::ServerConfig, Failure> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| Failure::setting("http.tls_cert", format!("{}: {cause}", cert.display())))?;
    let unusable =
        |cause: &dyn std::fmt::Display| Failure::setting("http.tls_key", format!("{}: {cause}", key.display()));
    let key = PrivateKeyDer::from_pem_file(key).map_err(|cause| unusable(&cause))?;
    let builder = match ask {
        Some(any) => rustls::ServerConfig::builder().with_client_cert_verifier(any),
        None => rustls::ServerConfig::builder().with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).map_err(|cause| unusable(&cause))
}

/// The listener that asks clients for certificates.
fn mtls(config: &Config) -> Result<Option<(TcpListener, rustls::ServerConfig, Authorities)>, Failure> {
    let Some(address) = config.http.mtls_listen else { return Ok(None) };
    let authorities = match &config.http.mtls_ca {
        Some(file) => Authorities::load(file)
            .map_err(|cause| Failure::setting("http.mtls_ca", format!("{}: {cause}", file.display())))?,
        None => Authorities::default(),
    };
    let tls = tls(&config.http.tls_cert, &config.http.tls_key, AnyCertificate::new())?;
    Ok(Some((bind("http.mtls_listen", address)?, tls, authorities)))
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |cause| Failure::setting(key, format!("{address}: {cause}"));
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

async fn coap(shell: &Arc<Shell>, address: SocketAddr, body: usize) -> Result<(SocketAddr, Coap), Failure> {
    let failed = |cause| Failure::setting("coap.listen", format!("{address}: {cause}"));
    let coap = Coap::bind(Arc::clone(shell), address, body).await.map_err(failed)?;
    Ok((coap.address().map_err(failed)?, coap))
}

/// Deletes what has ended: quickly while there is something, rarely otherwise.
async fn sweep(records: Records) {
    let mut sweeper = Sweeper::default();
    loop {
        let pause = match sweeper.step(records.store(), clock::now().0, SWEEP_PAGE).await {
            Ok((_, true)) => SWEEP_ROUND,
            Ok((_, false)) => SWEEP_PAUSE,
            Err(error) => {
                tracing::error!(%error, "the sweep failed");
                SWEEP_ROUND
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Has the signing keys ready: those of a server before are taken over, missing ones are made.
async fn signing_keys(shell: &Shell, dir: &Path) -> Result<(), Failure> {
    for purpose in Purpose::ALL {
        if shell.adopt_signing_keys(purpose, &keys::legacy(dir, purpose)?).await? {
            tracing::warn!(%purpose, "the signing keys in keys/*.pem are in the store now, sealed; delete the files");
        }
    }
    Ok(shell.turn_signing_keys().await?)
}

/// Signing keys come and go, also those that another server of this store made.
async fn turn(shell: Arc<Shell>) {
    loop {
        tokio::time::sleep(TURN).await;
        if let Err(error) = shell.turn_signing_keys().await {
            tracing::error!(%error, "the signing keys could not be turned");
        }
    }
}

/// Takes expired tokens off the revocation list.
async fn expire_listed(shell: Arc<Shell>) {
    loop {
        if let Err(error) = shell.expire_listed().await {
            tracing::error!(%error, "the revocation list keeps expired tokens");
        }
        tokio::time::sleep(LIST_ROUND).await;
    }
}

struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let failed = |cause| Failure::io("signals", cause);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// One URL a line, for people and for scripts that asked for port 0. All at once: whoever reads may stop at the line it wants.
fn ready(
    https: SocketAddr,
    mtls: Option<SocketAddr>,
    plain: Option<SocketAddr>,
    coap: Option<SocketAddr>,
) -> std::io::Result<()> {
    let mtls = mtls.map_or(String::new(), |address| format!("https://{address}\n"));
    let plain = plain.map_or(String::new(), |address| format!("http://{address}\n"));
    let coap = coap.map_or(String::new(), |address| format!("coap://{address}\n"));
    let mut out = std::io::stdout().lock();
    out.write_all(format!("https://{https}\n{mtls}{plain}{coap}").as_bytes())?;
    out.flush()
}

fn start_log(log: &Log) {
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&log.filter)).with_writer(std::io::stderr);
    if log.json { builder.json().init() } else { builder.init() }
}

/// Records that one step of the sweep looks at.
/// Short against every announcement, for another server may have made the key.
const TURN: Duration = Duration::from_secs(60);
const SWEEP_PAGE: usize = 256;
const SWEEP_PAUSE: Duration = Duration::from_millis(5);
const SWEEP_ROUND: Duration = Duration::from_secs(60);
/// Tokens that expire within this time leave the revocation list together (RFC 9770 §5.1).
const LIST_ROUND: Duration = Duration::from_secs(5);
