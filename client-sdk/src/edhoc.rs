//! EDHOC with locks and with the server: method 1, a key that may live in secure hardware signs.

use async_trait::async_trait;
use latchwork_ace::registry::unassigned::{ABBREV_EDHOC, EAD_ACCESS_TOKEN, OPTION_URI_PATH_ABBREV};
use latchwork_coap::OptionNumber;
use latchwork_crypto::CryptoError;
use latchwork_edhoc::Ead;
use latchwork_transport::CoapClient;
use latchwork_transport::client::Response;
use latchwork_transport::client::edhoc::{Abbreviation, Failed, Handshake, Own, Proof, Signer};

use crate::door::WELL_KNOWN;
use crate::error::Error;
use crate::key::{Named, PopKey};

/// How a lock wants EDHOC, and who it has to be (draft-ietf-ace-edhoc-oscore-profile §4.3).
pub(crate) struct Lock<'e> {
    /// The lock's credential.
    pub(crate) credential: &'e [u8],
    /// Whether message_3 may go together with the first request (RFC 9668).
    pub(crate) combined: bool,
    /// Whether the lock must send message_4 (§3.4).
    pub(crate) message_4: bool,
    /// Where it takes EDHOC messages.
    pub(crate) path: &'e str,
}

impl Lock<'_> {
    /// Runs EDHOC with the token in EAD_3, and gives `client` the context that follows. What the lock answers instead is given to
    /// `refused`.
    pub(crate) async fn run(
        &self,
        client: &mut CoapClient,
        key: Named<'_>,
        token: &[u8],
        refused: impl FnOnce(&Response) -> Error,
    ) -> Result<(), Error> {
        let eads = [Ead::critical(EAD_ACCESS_TOKEN, token)];
        let Self { credential: peer, combined, message_4, path } = *self;
        let abbreviation = (path == WELL_KNOWN).then_some(ABBREVIATION);
        let handshake = Handshake { peer, path, abbreviation, eads: &eads, combined, message_4 };
        let done = shake(client, &handshake, key).await?;
        done.map_err(|failed| match failed {
            Failed::Client(error) => crate::open::silent(error),
            Failed::OtherPeer => Error::OtherLock,
            Failed::Answer(response) => refused(&response),
            failed => ours(&failed, "the lock's EDHOC"),
        })
    }
}

/// The same with the server, of this credential (§3.1).
pub(crate) async fn with_server(client: &mut CoapClient, server: &[u8], key: Named<'_>) -> Result<(), Error> {
    let handshake =
        Handshake { peer: server, path: WELL_KNOWN, abbreviation: None, eads: &[], combined: false, message_4: false };
    shake(client, &handshake, key).await?.map_err(|failed| match failed {
        Failed::Client(error) => Error::Unreachable(Box::new(error)),
        Failed::OtherPeer => Error::OtherServer,
        Failed::Answer(response) => Error::unprotected(&response),
        failed => ours(&failed, "the server's EDHOC"),
    })
}

/// What a key says of itself comes first: without it nothing is sent, or nothing that tells who we are.
async fn shake(
    client: &mut CoapClient,
    handshake: &Handshake<'_>,
    key: Named<'_>,
) -> Result<Result<(), Failed>, Error> {
    let ccs = key.ccs()?;
    let signing = Signing(key.key);
    Ok(client.handshake(handshake, &Own { ccs: &ccs, proof: Proof::Sign(&signing) }).await)
}

fn ours(failed: &Failed, nonsense: &'static str) -> Error {
    match failed {
        Failed::NoSignature => Error::Key(crate::key::KeyUnavailable),
        Failed::Edhoc(latchwork_edhoc::Error::Crypto(CryptoError::Backend)) => Error::NoRandomness,
        _ => Error::Nonsense(nonsense),
    }
}

struct Signing<'k>(&'k dyn PopKey);

#[async_trait]
impl Signer for Signing<'_> {
    async fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.0.sign(message).await.ok()
    }
}

/// Every lock of this profile has to know it (§4.2), and so has said so by being one.
const ABBREVIATION: Abbreviation = Abbreviation { option: OptionNumber(OPTION_URI_PATH_ABBREV), value: ABBREV_EDHOC };
