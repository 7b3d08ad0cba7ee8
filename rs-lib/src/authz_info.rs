//! What an uploaded token leads to (RFC 9203 §4): a pending session, or new rights for the one it came in.

use crate::Refusal;
use crate::check::refuse_unless;
use crate::clock::Now;
use crate::session::{Seat, Sessions};
use crate::verify::{Bearer, Confirmation};
use latchwork_ace::OscMaterial;
use latchwork_ace::authz_info::{Request, Response};
use latchwork_ace::registry::Alg;
use latchwork_crypto::{Random, Symmetric};
use latchwork_oscore::{Context, Material, master_salt};

/// What the client learns: enough to derive the same context, if it has the key.
pub struct Opened {
    nonce2: [u8; 8],
    recipient_id: [u8; ID_LEN],
}

impl Opened {
    /// The payload of the 2.01 (RFC 9203 §4.2).
    pub fn response(&self) -> Response<'_> {
        Response { nonce2: &self.nonce2, server_recipient_id: &self.recipient_id }
    }
}

/// Opens a pending session for a token that came in the open with this `request`. Nothing that was there before is touched.
#[inline(never)] // not on the stack of the check before it
pub fn open<const N: usize, const P: usize, const I: usize>(
    sessions: &mut Sessions<N, P, I>,
    bearer: &Bearer<'_>,
    request: &Request<'_>,
    now: &Now,
    random: &mut impl Random,
    crypto: &impl Symmetric,
) -> Result<Opened, Refusal> {
    let material = match &bearer.confirmation {
        Confirmation::Osc(material) => material,
        Confirmation::Kid(_) => return Err(Refusal::WrongConfirmation),
        Confirmation::Credential { .. } => {
            refuse_unless!("in-the-open", false, Refusal::InTheOpen);
            return Err(Refusal::NotForOscore);
        }
        Confirmation::PublicKey => return Err(Refusal::NotForOscore),
    };
    let (Some(nonce1), Some(sender_id)) = (request.nonce1, request.client_recipient_id) else {
        return Err(Refusal::NoNonce);
    };
    if !(1..=MAX_INPUT).contains(&nonce1.len()) {
        return Err(Refusal::NoNonce);
    }
    supported(material)?;
    let holder = bearer.holder(material.id)?;

    let mut nonce2 = [0; 8];
    random.fill(&mut nonce2).map_err(|_| Refusal::Broken)?;
    let recipient_id = free_id(sessions, sender_id, random)?;
    let mut buf = [0; SALT_LEN];
    let salt = master_salt(material.salt.unwrap_or_default(), nonce1, &nonce2, &mut buf);
    let master_salt = salt.map_err(|_| Refusal::UnsupportedMaterial)?;
    let context = Context::derive(
        crypto,
        &Material {
            master_secret: material.ms,
            master_salt,
            sender_id,
            recipient_id: &recipient_id,
            id_context: material.context_id,
        },
    );
    let context = context.map_err(|_| Refusal::UnsupportedMaterial)?;
    sessions.open(context, holder, now);
    Ok(Opened { nonce2, recipient_id })
}

/// Gives the session at `seat` the rights of a new token; its context stays. Nonces are ignored.
///
/// Under the profile without EDHOC the token names the key of the context (RFC 9203 §4.2). With EDHOC it has the credential and
/// the series of the token before, and comes `bare` (draft-ietf-ace-edhoc-oscore-profile §4.6.1).
pub(crate) fn update<const N: usize, const P: usize, const I: usize>(
    sessions: &mut Sessions<N, P, I>,
    seat: usize,
    bearer: &Bearer<'_>,
    bare: bool,
    crypto: &impl Symmetric,
) -> Result<(), Refusal> {
    let old = &sessions.at(Seat::Live(seat)).ok_or(Refusal::OtherContext)?.holder;
    let (key, series) = (old.key, old.series);
    let holder = match (&bearer.confirmation, bare) {
        (Confirmation::Kid(kid), false) => bearer.holder(kid)?,
        (Confirmation::Credential { ccs, series }, true) => bearer.holder_of(ccs, series, crypto)?,
        _ => return Err(Refusal::OtherContext),
    };
    refuse_unless!("update-kid", holder.key == key, Refusal::OtherContext);
    refuse_unless!("series", holder.series == series, Refusal::OtherContext);
    refuse_unless!("update-number", sessions.update(seat, holder), Refusal::Expired);
    Ok(())
}

/// Every member of `osc` is honoured or refused, none is ignored (RFC 9203 §3.2.1).
fn supported(material: &OscMaterial<'_>) -> Result<(), Refusal> {
    refuse_unless!("osc-member", !material.unrecognized, Refusal::UnknownMember);
    let known = material.version == 1
        && material.alg == Alg::AES_CCM_16_64_128
        && [Alg::HMAC_256_256, Alg::DIRECT_HKDF_SHA_256].contains(&material.hkdf);
    refuse_unless!("osc-algorithms", known, Refusal::UnsupportedMaterial);
    Ok(())
}

/// A Recipient ID that differs from the client's and from all of ours (RFC 9203 §4.2).
fn free_id<const N: usize, const P: usize, const I: usize>(
    sessions: &Sessions<N, P, I>,
    client: &[u8],
    random: &mut impl Random,
) -> Result<[u8; ID_LEN], Refusal> {
    for _ in 0..ATTEMPTS {
        let mut id = [0; ID_LEN];
        random.fill(&mut id).map_err(|_| Refusal::Broken)?;
        if sessions.find(&id).is_none() && id != client {
            return Ok(id);
        }
    }
    Err(Refusal::Broken)
}

/// Three bytes make it unlikely that a stale identifier meets somebody else's session.
pub(crate) const ID_LEN: usize = 3;

/// With 2^24 identifiers and a handful of sessions, one attempt nearly always does.
const ATTEMPTS: usize = 8;

/// The longest N1, and the longest input salt.
const MAX_INPUT: usize = 64;

/// Input salt, N1 and N2, each as a CBOR byte string.
const SALT_LEN: usize = 2 * (2 + MAX_INPUT) + 1 + 8;
