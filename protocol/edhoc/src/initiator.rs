//! The initiator, state by state (RFC 9528 Appendix I.1).
//!
//! [`start`] → [`SentMessage1`] → [`ReceivedMessage2`] → [`VerifiedMessage2`] → [`SentMessage3`]

use latchwork_cbor::{Reader, Writer};
use latchwork_crypto::{Agree, Ephemeral, P256Peer, Random, Secret, Sign, Symmetric};

use crate::{
    cose::{Aead, Claim, MAC_LEN, SIGNATURE_LEN, check_mac},
    credential::{Credential, Identity},
    ead::{Ead, Eads},
    error::Error,
    id_cred::IdCred,
    identifier::ConnectionId,
    kdf,
    method::Method,
    session::Session,
    suites, transcript,
    wire::{self, Draft, Plaintext},
};

/// What message_1 says (RFC 9528 §5.2.2).
#[derive(Clone, Copy, Debug)]
pub struct Offer<'o> {
    /// How we are going to authenticate.
    pub method: Method,
    /// The suites that we prefer to suite 2, best first. All of them, and known not to be the responder's.
    pub prefer: &'o [i64],
    /// What we want to be called.
    pub c_i: ConnectionId,
    /// EAD_1. Everybody can read it.
    pub eads: &'o [Ead<'o>],
}

/// The key that proves who we are, of the kind that the method wants. It may sit in secure hardware.
#[derive(Clone, Copy)]
pub enum Key<'k> {
    /// For method 1.
    Sign(&'k dyn Sign),
    /// For method 1, by a key that takes its time: the signature over what [`VerifiedMessage2::to_sign`] gave.
    Signed(&'k [u8; SIGNATURE_LEN]),
    /// For method 3.
    Agree(&'k dyn Agree),
}

/// Writes message_1, under an ephemeral key that is never used again.
pub fn start<'o, C: Symmetric + Ephemeral>(
    c: &C,
    random: &mut (impl Random + ?Sized),
    offer: &Offer<'_>,
    out: &'o mut [u8],
) -> Result<(SentMessage1<C::Key>, &'o [u8]), Error> {
    let (x, g_x) = c.ephemeral(random)?;
    let mut cbor = Writer::new(out);
    cbor.int(offer.method.number())?;
    suites::write(offer.prefer, &mut cbor)?;
    cbor.bytes(&g_x)?;
    offer.c_i.write(&mut cbor)?;
    wire::write_eads(offer.eads, &mut cbor)?;
    let message = cbor.finish();
    let hash_of_message_1 = c.sha256(&[message])?;
    Ok((SentMessage1 { method: offer.method, x, c_i: offer.c_i, hash_of_message_1 }, message))
}

/// Waits for message_2.
pub struct SentMessage1<K> {
    method: Method,
    x: K,
    c_i: ConnectionId,
    hash_of_message_1: [u8; 32],
}

impl<K: Agree> SentMessage1<K> {
    /// Decrypts message_2 in place. Nothing of it is proved yet: anybody can have sent it. `known` are the labels of critical
    /// items that the application deals with.
    pub fn receive<'m>(
        self,
        c: &impl Symmetric,
        message: &'m mut [u8],
        known: &[u32],
    ) -> Result<ReceivedMessage2<'m, K>, Error> {
        let (g_y, text) = wire::content(message)?.split_first_chunk_mut().ok_or(Error::Malformed)?;
        let g_y: [u8; 32] = *g_y;
        let th_2 = transcript::th_2(c, &g_y, &self.hash_of_message_1)?;
        let prk_2e = transcript::prk_2e(c, &th_2, &self.x, &g_y)?;
        kdf::apply_keystream_2(c, &prk_2e, &th_2, text)?;
        let text: &'m [u8] = text;
        let mut cbor = Reader::new(text);
        let c_r = ConnectionId::read(&mut cbor)?;
        let plaintext = Plaintext::read(&mut cbor, MAC_LEN, known)?;
        if c_r == self.c_i {
            return Err(Error::SameConnectionIds);
        }
        Ok(ReceivedMessage2 { sent: self, g_y, th_2, prk_2e, c_r, text, plaintext })
    }
}

/// Somebody answered, and says who it is.
pub struct ReceivedMessage2<'m, K> {
    sent: SentMessage1<K>,
    g_y: [u8; 32],
    th_2: [u8; 32],
    prk_2e: Secret<32>,
    c_r: ConnectionId,
    text: &'m [u8],
    plaintext: Plaintext<'m>,
}

impl<'m, K: Agree> ReceivedMessage2<'m, K> {
    /// Whose credential to look up.
    pub const fn id_cred(&self) -> IdCred<'m> {
        self.plaintext.id_cred
    }

    /// EAD_2, unproved.
    pub const fn eads(&self) -> Eads<'m> {
        self.plaintext.eads
    }

    /// Checks that the responder holds the key of this credential.
    pub fn verify(self, c: &impl Symmetric, credential: &Credential<'_>) -> Result<VerifiedMessage2, Error> {
        let Self { sent, g_y, th_2, prk_2e, c_r, text, plaintext } = self;
        let prk_3e2m = transcript::prk_3e2m(c, &prk_2e, &th_2, &sent.x, &credential.key)?;
        let claim =
            Claim { id_cred: plaintext.id_cred, th: &th_2, cred: credential.cred, eads: plaintext.eads.as_bytes() };
        check_mac(&claim.mac_2(c, &prk_3e2m, c_r.encoded().as_bytes())?, plaintext.signature_or_mac)?;
        let th_3 = transcript::next(c, &th_2, text, credential.cred)?;
        Ok(VerifiedMessage2 { method: sent.method, c_i: sent.c_i, c_r, g_y, th_3, prk_3e2m })
    }
}

/// The responder is who its credential says. Our turn.
pub struct VerifiedMessage2 {
    method: Method,
    c_i: ConnectionId,
    c_r: ConnectionId,
    g_y: [u8; 32],
    th_3: [u8; 32],
    prk_3e2m: Secret<32>,
}

impl VerifiedMessage2 {
    /// What the responder calls itself.
    pub const fn c_r(&self) -> ConnectionId {
        self.c_r
    }

    /// What has to be signed in method 1, for a key that signs elsewhere, or asks a person first. `id_cred`, `cred` and `eads` have to be
    /// those that go into [`answer`](Self::answer), with the signature as [`Key::Signed`].
    pub fn to_sign<'o>(
        &self,
        c: &impl Symmetric,
        (id_cred, cred): (IdCred<'_>, &[u8]),
        eads: &[Ead<'_>],
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Error> {
        let mut cbor = Writer::new(out);
        wire::write_eads(eads, &mut cbor)?;
        let claim = Claim { id_cred, th: &self.th_3, cred, eads: cbor.written() };
        let mac_3 = claim.mac_3(c, &self.prk_3e2m)?;
        let eads_len = cbor.len();
        // The items stand at the front of `out` until they are copied to their place: the structure is put behind them.
        let (eads, rest) = out.split_at_mut_checked(eads_len).ok_or(Error::NoRoom)?;
        let claim = Claim { id_cred, th: &self.th_3, cred, eads };
        let mut cbor = Writer::new(rest);
        claim.with_sig_structure(&mac_3, |parts| parts.iter().try_for_each(|part| cbor.raw(part).map(drop)))?;
        Ok(cbor.finish())
    }

    /// Writes message_3. Only the responder can read who we are, and `eads`, EAD_3.
    pub fn answer<'o>(
        self,
        c: &impl Symmetric,
        identity: &Identity<'_, Key<'_>>,
        eads: &[Ead<'_>],
        out: &'o mut [u8],
    ) -> Result<(SentMessage3, &'o [u8]), Error> {
        let Self { method, c_i, c_r, g_y, th_3, prk_3e2m } = self;
        let static_dh = match (method, identity.key) {
            (Method::StaticDhStaticDh, Key::Agree(key)) => Some(key),
            (Method::SignatureStaticDh, Key::Sign(_) | Key::Signed(_)) => None,
            _ => return Err(Error::WrongKey),
        };
        let prk_4e3m = match static_dh {
            Some(key) => transcript::prk_4e3m(c, &prk_3e2m, &th_3, key, &P256Peer::X(g_y))?,
            None => prk_3e2m.clone(),
        };
        let proof_len = if static_dh.is_none() { SIGNATURE_LEN } else { MAC_LEN };
        let draft = Draft { c_r: None, id_cred: identity.id_cred, proof_len, eads };
        let mut th_4 = [0; 32];
        let length = draft.encoded_len().saturating_add(MAC_LEN);
        let message = wire::with_content(out, length, |content| {
            let (text, tag) = content.split_at_mut_checked(draft.encoded_len()).ok_or(Error::NoRoom)?;
            draft.write(text, |eads, proof| {
                let claim = Claim { id_cred: identity.id_cred, th: &th_3, cred: identity.cred, eads };
                match identity.key {
                    Key::Sign(key) => wire::copy(&claim.sign(key, &claim.mac_3(c, &prk_4e3m)?)?, proof),
                    Key::Signed(signature) => wire::copy(signature, proof),
                    Key::Agree(_) => wire::copy(claim.mac_3::<MAC_LEN>(c, &prk_4e3m)?.expose(), proof),
                }
                Ok(())
            })?;
            th_4 = transcript::next(c, &th_3, text, identity.cred)?;
            Ok(Aead::of_message_3(c, &prk_3e2m, &th_3)?.seal(c, text, tag)?)
        })?;
        let session = Session::new(c, &prk_4e3m, &th_4, c_i, c_r)?;
        Ok((SentMessage3 { session, prk_4e3m, th_4 }, message))
    }
}

/// Everything is said, and keys are there. Whether the responder accepted shows in its next message.
pub struct SentMessage3 {
    session: Session,
    prk_4e3m: Secret<32>,
    th_4: [u8; 32],
}

impl SentMessage3 {
    /// For the first protected request, which may go with message_3 (RFC 9668).
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Where the application knows otherwise that the responder has the keys.
    pub fn finish(self) -> Session {
        self.session
    }

    /// Decrypts message_4 in place: the responder has the keys. Gives EAD_4 too.
    pub fn receive<'m>(
        self,
        c: &impl Symmetric,
        message: &'m mut [u8],
        known: &[u32],
    ) -> Result<(Session, Eads<'m>), Error> {
        let text = Aead::of_message_4(c, &self.prk_4e3m, &self.th_4)?.open(c, message)?;
        Ok((self.session, Eads::read(&Reader::new(text), known)?))
    }
}
