//! The CoAP face: `POST /token`, `POST /introspect` and `GET /trl` under OSCORE, and nothing else.
//!
//! Without OSCORE there are only `/.well-known/core`, and `/.well-known/edhoc`, by which a client gets a context. Whoever asks for the others unprotected gets the same 4.01 whatever it sends.

mod contexts;
mod edhoc;
mod introspect;
mod token;
mod trl;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use latchwork_transport::{Resources, Server};

use super::Shell;
use contexts::Contexts;
use edhoc::Edhoc;
use introspect::Introspect;
use token::Token;
use trl::Trl;

/// A bound socket and what answers on it.
pub struct Coap {
    server: Server,
    resources: Resources,
    shell: Arc<Shell>,
}

impl Coap {
    /// Binds `address`. Bodies have at most `body` bytes.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub async fn bind(shell: Arc<Shell>, address: SocketAddr, body: usize) -> io::Result<Self> {
        let server = Server::bind(address).await?;
        let contexts = Arc::new(Contexts::new(Arc::clone(&shell)));
        let token = Token::new(Arc::clone(&shell), Arc::clone(&contexts), body);
        let introspect = Introspect::new(Arc::clone(&shell), Arc::clone(&contexts), body);
        let trl = Trl::new(Arc::clone(&shell), Arc::clone(&contexts));
        let mut resources = Resources::new()
            .resource("/token", Some("ct=19;osc"), token)
            .resource("/introspect", Some("ct=19;osc"), introspect)
            .resource(trl::PATH, Some("ct=262;obs;osc"), trl);
        if shell.keys.edhoc.is_some() {
            let edhoc = Edhoc::new(Arc::clone(&shell), Arc::clone(&contexts));
            resources = resources.resource(edhoc::PATH, Some("rt=core.edhoc;ed-r;ed-csuite=2"), edhoc);
        }
        Ok(Self { server: server.with_contexts(contexts), resources, shell })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.server.local_addr()
    }

    /// Serves until dropped.
    ///
    /// # Errors
    /// The socket failed.
    pub async fn serve(self) -> io::Result<()> {
        let notifier = self.server.notifier();
        let resources = self.resources.start().await?;
        tokio::select! {
            ended = self.server.serve(resources) => ended,
            () = trl::notify(self.shell, notifier) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
