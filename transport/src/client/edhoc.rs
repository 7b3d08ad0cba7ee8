//! EDHOC as the initiator over CoAP (RFC 9528 Appendix A.2): from two keys to the context that follows.

use std::time::Duration;

use async_trait::async_trait;
use latchwork_coap::{Code, ContentFormat, OptionNumber};
use latchwork_crypto::{Agree, RustCrypto};
use latchwork_edhoc::initiator::{self, Key, Offer, VerifiedMessage2};
use latchwork_edhoc::{ConnectionId, Credential, Ead, Identity, Method, NotACcs, correlation};

use super::{CoapClient, Error, Response, Target};
use crate::edhoc::{self, System};
use crate::random;

/// Whom we want to reach, and how it wants to be spoken to.
#[derive(Clone, Copy)]
pub struct Handshake<'h> {
    /// The credential, a CCS, whose key the other end has to prove before it learns anything of us.
    pub peer: &'h [u8],
    /// Where it takes EDHOC messages.
    pub path: &'h str,
    /// What stands for that path, where the other end is to understand it; answered by 4.02, the path is spelled out.
    pub abbreviation: Option<Abbreviation>,
    /// EAD_3: only that end can read it.
    pub eads: &'h [Ead<'h>],
    /// Whether message_3 goes together with the first request under the new context (RFC 9668).
    pub combined: bool,
    /// Whether the other end must send message_4. It has no place in a combined request (RFC 9668 §5).
    pub message_4: bool,
}

/// A well-known path by its number (draft-ietf-core-uri-path-abbrev). The option has no number for good yet, so it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abbreviation {
    /// Uri-Path-Abbrev, which has its place between Content-Format and Uri-Query.
    pub option: OptionNumber,
    /// The path's number.
    pub value: u32,
}

/// Who we are: a CCS, by whose name we go, and how its key proves it.
#[derive(Clone, Copy)]
pub struct Own<'o> {
    /// CRED_I.
    pub ccs: &'o [u8],
    /// Its private half.
    pub proof: Proof<'o>,
}

/// A private key, by what it does.
#[derive(Clone, Copy)]
pub enum Proof<'p> {
    /// It signs: method 1.
    Sign(&'p dyn Signer),
    /// It agrees: method 3.
    Agree(&'p (dyn Agree + Sync)),
}

/// A key that signs by ES256, and may take its time over it.
#[async_trait]
pub trait Signer: Sync {
    /// r and s, 32 bytes each. `None`: the key cannot be used.
    async fn sign(&self, message: &[u8]) -> Option<[u8; 64]>;
}

/// Why there is no context.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// No response came.
    #[error(transparent)]
    Client(#[from] Error),
    /// What came is no EDHOC, or a key of ours does not serve.
    #[error("EDHOC: {0}")]
    Edhoc(latchwork_edhoc::Error),
    /// Whoever answered did not prove the key that we asked for.
    #[error("another than the one we asked for")]
    OtherPeer,
    /// [`Signer`] gave no signature.
    #[error("the key cannot be used")]
    NoSignature,
    /// The other end said no; unprotected, so anybody may have said it.
    #[error("answered by {:?}", .0.code)]
    Answer(Response),
}

impl From<latchwork_edhoc::Error> for Failed {
    fn from(error: latchwork_edhoc::Error) -> Self {
        match error {
            latchwork_edhoc::Error::NotAuthenticated => Self::OtherPeer,
            error => Self::Edhoc(error),
        }
    }
}

impl From<NotACcs> for Failed {
    fn from(_: NotACcs) -> Self {
        Self::Edhoc(latchwork_edhoc::Error::UnfitCredential)
    }
}

impl CoapClient {
    /// Runs EDHOC and goes on under the context that follows, in the place of any before. Combined, message_3 waits for the next
    /// request, and it is that one's answer that shows whether it was taken.
    ///
    /// # Errors
    /// There is no context then, not the one before either.
    pub async fn handshake(&mut self, with: &Handshake<'_>, own: &Own<'_>) -> Result<(), Failed> {
        self.set_context(None);
        let c_i = random::u16().map_err(Error::from)?.to_be_bytes();
        let c_i = ConnectionId::new(&c_i).ok_or(latchwork_edhoc::Error::NoRoom)?;
        let method = match own.proof {
            Proof::Sign(_) => Method::SignatureStaticDh,
            Proof::Agree(_) => Method::StaticDhStaticDh,
        };
        let offer = Offer { method, prefer: &[], c_i, eads: &[] };
        let eads: usize = with.eads.iter().map(|ead| ead.value.map_or(0, <[u8]>::len) + 16).sum();
        let mut buffer = vec![0; eads + own.ccs.len() + 512];
        let (sent, message_1) = initiator::start(&RustCrypto, &mut System, &offer, &mut buffer)?;
        let mut target = with.abbreviation.map_or(Target::Path(with.path), Target::Abbreviated);
        let mut message_2 = self.say(with, &mut target, None, message_1).await?;

        let received = sent.receive(&RustCrypto, &mut message_2, &[])?;
        let credential = Credential::ccs(with.peer)?;
        if !credential.is_meant_by(received.id_cred()) {
            return Err(Failed::OtherPeer);
        }
        let verified = received.verify(&RustCrypto, &credential)?;

        let c_r = verified.c_r();
        let signature = signature(&verified, with, own, &mut buffer).await?;
        let (sent, message_3) = {
            let key = match (own.proof, &signature) {
                (Proof::Agree(key), _) => Key::Agree(key),
                (Proof::Sign(_), Some(signature)) => Key::Signed(signature),
                (Proof::Sign(_), None) => return Err(Failed::NoSignature),
            };
            verified.answer(&RustCrypto, &Identity::ccs(own.ccs, key)?, with.eads, &mut buffer)?
        };
        let keys = sent.session().oscore(&RustCrypto)?;
        let context = edhoc::context(&keys).map_err(|_| latchwork_edhoc::Error::NoRoom)?;
        if with.combined {
            self.set_new_context(context, message_3.to_vec());
        } else {
            let mut message_4 = self.say(with, &mut target, Some(&c_r), message_3).await?;
            if with.message_4 {
                sent.receive(&RustCrypto, &mut message_4, &[])?;
            }
            self.set_context(Some(context));
        }
        Ok(())
    }

    async fn say<'h>(
        &mut self,
        with: &Handshake<'h>,
        target: &mut Target<'h>,
        c_r: Option<&ConnectionId>,
        message: &[u8],
    ) -> Result<Vec<u8>, Failed> {
        let mut payload = vec![0; message.len() + 16];
        let prefix = correlation::prefix(c_r, &mut payload)?;
        payload.truncate(prefix);
        payload.extend_from_slice(message);
        let format = Some(ContentFormat::CID_EDHOC_CBOR_SEQ);
        let mut turns = TURNS;
        loop {
            let response = self.request_at(Code::POST, *target, format, None, &payload).await?;
            match response.code {
                Code::CHANGED => return Ok(response.payload),
                // Others came first: few handshakes begin in a second.
                Code::TOO_MANY_REQUESTS if turns > 0 => tokio::time::sleep(Duration::from_secs(1)).await,
                Code::BAD_OPTION if matches!(target, Target::Abbreviated(_)) => *target = Target::Path(with.path),
                _ => return Err(Failed::Answer(response)),
            }
            turns = turns.saturating_sub(1);
        }
    }
}

/// What a key that signs says to this handshake.
async fn signature(
    verified: &VerifiedMessage2,
    with: &Handshake<'_>,
    own: &Own<'_>,
    buffer: &mut [u8],
) -> Result<Option<[u8; 64]>, Failed> {
    let Proof::Sign(key) = own.proof else { return Ok(None) };
    let id_cred = Identity::ccs(own.ccs, ())?.id_cred;
    let to_sign = verified.to_sign(&RustCrypto, (id_cred, own.ccs), with.eads, buffer)?;
    Ok(key.sign(to_sign).await)
}

/// How often a busy peer is asked again, a second apart.
const TURNS: u32 = 5;
