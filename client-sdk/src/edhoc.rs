//! EDHOC with a lock (draft-ietf-ace-edhoc-oscore-profile §4.3): method 1, the installation key signs, and the token travels in EAD_3.

use std::time::Duration;

use latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::{CryptoError, Random, RustCrypto};
use latchwork_edhoc::initiator::{self, Key, Offer, SentMessage3};
use latchwork_edhoc::{ConnectionId, Credential, Ead, Identity, Method, OscoreKeys, correlation};
use latchwork_oscore::{Context, Material};
use latchwork_transport::CoapClient;
use latchwork_transport::client::Response;

use crate::encoding::random;
use crate::error::Error;
use crate::key::{PopKey, ccs};

/// How a lock wants EDHOC, and who it has to be.
pub(crate) struct Edhoc<'e> {
    /// The lock's credential.
    pub(crate) lock: &'e [u8],
    /// Whether message_3 may go together with the first request (RFC 9668).
    pub(crate) combined: bool,
    /// Whether the lock must send message_4.
    pub(crate) message_4: bool,
    /// Where it takes EDHOC messages.
    pub(crate) path: &'e str,
    /// The installation key.
    pub(crate) key: &'e dyn PopKey,
}

/// Why there is no context.
pub(crate) enum Failed {
    /// Something happened to us.
    Us(Error),
    /// The lock answered with this, unprotected.
    Lock(Response),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Us(error.into())
    }
}

impl Edhoc<'_> {
    /// Runs EDHOC and gives `client` the context that follows. Combined, message_3 waits for the first request, and it is that one's
    /// answer that shows whether the lock took the token.
    pub(crate) async fn run(&self, client: &mut CoapClient, token: &[u8]) -> Result<(), Failed> {
        let c_i = ConnectionId::new(&random::<2>()?).ok_or(NO_EDHOC)?;
        let offer = Offer { method: Method::SignatureStaticDh, prefer: &[], c_i, eads: &[] };
        let mut buffer = vec![0; token.len() + 512];
        let (sent, message_1) = initiator::start(&RustCrypto, &mut System, &offer, &mut buffer).map_err(of_lock)?;
        let mut message_2 = self.post(client, None, message_1).await?;

        let received = sent.receive(&RustCrypto, &mut message_2, &[]).map_err(of_lock)?;
        let credential = Credential::ccs(self.lock).map_err(|_| NO_EDHOC)?;
        if !credential.is_meant_by(received.id_cred()) {
            return Err(Error::OtherLock.into());
        }
        let verified = received.verify(&RustCrypto, &credential).map_err(of_lock)?;

        let ccs = ccs(self.key)?;
        let eads = [Ead::critical(EAD_ACCESS_TOKEN, token)];
        let id_cred = Identity::ccs(&ccs, ()).map_err(|_| NO_EDHOC)?.id_cred;
        let to_sign = verified.to_sign(&RustCrypto, (id_cred, &ccs), &eads, &mut buffer).map_err(of_lock)?;
        let signature = self.key.sign(to_sign).await.map_err(Error::from)?;
        let c_r = verified.c_r();
        let (sent, message_3) = {
            let identity = Identity { id_cred, cred: &ccs, key: Key::Signed(&signature) };
            verified.answer(&RustCrypto, &identity, &eads, &mut buffer).map_err(of_lock)?
        };
        let context = context(&sent.session().oscore(&RustCrypto).map_err(of_lock)?)?;
        if self.combined {
            client.set_new_context(context, message_3.to_vec());
        } else {
            let mut message_4 = self.post(client, Some(&c_r), message_3).await?;
            self.confirmed(sent, &mut message_4)?;
            client.set_context(Some(context));
        }
        Ok(())
    }

    async fn post(
        &self,
        client: &mut CoapClient,
        c_r: Option<&ConnectionId>,
        message: &[u8],
    ) -> Result<Vec<u8>, Failed> {
        let mut payload = vec![0; message.len() + 16];
        let prefix = correlation::prefix(c_r, &mut payload).map_err(of_lock)?;
        payload.truncate(prefix);
        payload.extend_from_slice(message);
        let format = Some(ContentFormat::CID_EDHOC_CBOR_SEQ);
        for turn in 0..=TURNS {
            let asked = client.request(Code::POST, self.path, format, None, &payload).await;
            let response = asked.map_err(crate::open::silent)?;
            match response.code {
                Code::CHANGED => return Ok(response.payload),
                // Others came first: a lock begins few handshakes in a second.
                Code::TOO_MANY_REQUESTS if turn < TURNS => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => return Err(Failed::Lock(response)),
            }
        }
        Err(NO_EDHOC.into())
    }

    /// Where message_4 is mandatory, a lock that sends none breaks what the server says of it (§3.4).
    fn confirmed(&self, sent: SentMessage3, message_4: &mut [u8]) -> Result<(), Error> {
        if self.message_4 {
            sent.receive(&RustCrypto, message_4, &[]).map_err(of_lock)?;
        }
        Ok(())
    }
}

fn context(keys: &OscoreKeys) -> Result<Context, Error> {
    let material = Material {
        master_secret: keys.master_secret.expose(),
        master_salt: keys.master_salt.expose(),
        sender_id: keys.sender_id.as_bytes(),
        recipient_id: keys.recipient_id.as_bytes(),
        id_context: None,
    };
    Context::derive(&RustCrypto, &material).map_err(|_| NO_EDHOC)
}

/// What the lock did, as we see it.
fn of_lock(error: latchwork_edhoc::Error) -> Error {
    match error {
        latchwork_edhoc::Error::NotAuthenticated => Error::OtherLock,
        latchwork_edhoc::Error::Crypto(CryptoError::Backend) => Error::NoRandomness,
        _ => NO_EDHOC,
    }
}

struct System;

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Backend)
    }
}

/// How often a busy lock is asked again, a second apart.
const TURNS: u32 = 5;

const NO_EDHOC: Error = Error::Nonsense("the lock's EDHOC");
