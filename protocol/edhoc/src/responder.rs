//! The responder, state by state (RFC 9528 Appendix I.2).
//!
//! [`ReceivedMessage1`] → [`SentMessage2`] → [`ReceivedMessage3`] → [`VerifiedMessage3`]

use latchwork_cbor::{Reader, Writer};
use latchwork_crypto::{Agree, Ephemeral, P256Peer, Random, Secret, Symmetric, Verify};

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
    suites::Suites,
    transcript,
    wire::{self, Draft, Plaintext},
};

/// Somebody wants to talk. It may be anybody, and no key was touched yet.
#[derive(Clone, Copy)]
pub struct ReceivedMessage1<'m> {
    message: &'m [u8],
    method: Method,
    g_x: [u8; 32],
    c_i: ConnectionId,
    eads: Eads<'m>,
}

impl<'m> ReceivedMessage1<'m> {
    /// Reads message_1 (RFC 9528 §5.2.3). `methods` are those that the application takes, `known` the labels of critical items
    /// that it deals with.
    pub fn parse(message: &'m [u8], methods: &[Method], known: &[u32]) -> Result<Self, Error> {
        let mut cbor = Reader::new(message);
        let method = cbor.int()?;
        let suites = Suites::read(&mut cbor)?;
        let g_x = cbor.bytes()?;
        let c_i = ConnectionId::read(&mut cbor)?;
        // What the suite decides comes after the suite: others have other curves, and maybe other methods.
        if !suites.select_ours() {
            return Err(Error::WrongSuite);
        }
        let method = Method::from_number(method).filter(|method| methods.contains(method));
        Ok(Self {
            message,
            method: method.ok_or(Error::MethodNotSupported)?,
            g_x: g_x.try_into().map_err(|_| Error::Malformed)?,
            c_i,
            eads: Eads::read(&cbor, known)?,
        })
    }

    /// How the initiator is going to authenticate.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// What the initiator wants to be called. We must take another name.
    pub const fn c_i(&self) -> ConnectionId {
        self.c_i
    }

    /// EAD_1, unproved.
    pub const fn eads(&self) -> Eads<'m> {
        self.eads
    }

    /// Writes message_2, under an ephemeral key that is never used again. Whoever sent message_1 can read who we are, and
    /// `eads`, EAD_2.
    pub fn answer<'o, C: Symmetric + Ephemeral>(
        self,
        c: &C,
        random: &mut (impl Random + ?Sized),
        identity: &Identity<'_, &dyn Agree>,
        c_r: ConnectionId,
        eads: &[Ead<'_>],
        out: &'o mut [u8],
    ) -> Result<(SentMessage2<C::Key>, &'o [u8]), Error> {
        let Self { message, method, g_x, c_i, .. } = self;
        if c_r == c_i {
            return Err(Error::SameConnectionIds);
        }
        let (y, g_y) = c.ephemeral(random)?;
        let th_2 = transcript::th_2(c, &g_y, &c.sha256(&[message])?)?;
        let prk_2e = transcript::prk_2e(c, &th_2, &y, &g_x)?;
        let prk_3e2m = transcript::prk_3e2m(c, &prk_2e, &th_2, identity.key, &P256Peer::X(g_x))?;
        let draft = Draft { c_r: Some(c_r), id_cred: identity.id_cred, proof_len: MAC_LEN, eads };
        let mut th_3 = [0; 32];
        let message = wire::with_content(out, draft.encoded_len().saturating_add(g_y.len()), |content| {
            let (head, text) = content.split_first_chunk_mut().ok_or(Error::NoRoom)?;
            *head = g_y;
            draft.write(text, |eads, proof| {
                let claim = Claim { id_cred: identity.id_cred, th: &th_2, cred: identity.cred, eads };
                wire::copy(claim.mac_2(c, &prk_3e2m, c_r.encoded().as_bytes())?.expose(), proof);
                Ok(())
            })?;
            th_3 = transcript::next(c, &th_2, text, identity.cred)?;
            Ok(kdf::apply_keystream_2(c, &prk_2e, &th_2, text)?)
        })?;
        Ok((SentMessage2 { method, y, c_i, c_r, th_3, prk_3e2m }, message))
    }
}

/// Waits for message_3.
pub struct SentMessage2<K> {
    method: Method,
    y: K,
    c_i: ConnectionId,
    c_r: ConnectionId,
    th_3: [u8; 32],
    prk_3e2m: Secret<32>,
}

impl<K: Agree> SentMessage2<K> {
    /// What we are called in this session: where to find this state when message_3 comes.
    pub const fn c_r(&self) -> ConnectionId {
        self.c_r
    }

    /// Decrypts message_3 in place. It comes from whoever sent message_1; who that is, is not proved yet. `known` are the labels
    /// of critical items that the application deals with.
    pub fn receive<'m>(
        self,
        c: &impl Symmetric,
        message: &'m mut [u8],
        known: &[u32],
    ) -> Result<ReceivedMessage3<'m, K>, Error> {
        let text = Aead::of_message_3(c, &self.prk_3e2m, &self.th_3)?.open(c, message)?;
        let proof_len = match self.method {
            Method::SignatureStaticDh => SIGNATURE_LEN,
            Method::StaticDhStaticDh => MAC_LEN,
        };
        let plaintext = Plaintext::read(&mut Reader::new(text), proof_len, known)?;
        Ok(ReceivedMessage3 { sent: self, text, plaintext })
    }
}

/// The initiator says who it is.
pub struct ReceivedMessage3<'m, K> {
    sent: SentMessage2<K>,
    text: &'m [u8],
    plaintext: Plaintext<'m>,
}

impl<'m, K: Agree> ReceivedMessage3<'m, K> {
    /// Whose credential to look up.
    pub const fn id_cred(&self) -> IdCred<'m> {
        self.plaintext.id_cred
    }

    /// EAD_3. Confidential, but whoever sent it is not proved: what it says may be needed to find the credential.
    pub const fn eads(&self) -> Eads<'m> {
        self.plaintext.eads
    }

    /// Checks that the initiator holds the key of this credential.
    pub fn verify(self, c: &(impl Symmetric + Verify), credential: &Credential<'_>) -> Result<VerifiedMessage3, Error> {
        let Self { sent: SentMessage2 { method, y, c_i, c_r, th_3, prk_3e2m }, text, plaintext } = self;
        let claim =
            Claim { id_cred: plaintext.id_cred, th: &th_3, cred: credential.cred, eads: plaintext.eads.as_bytes() };
        let prk_4e3m = match method {
            Method::SignatureStaticDh => {
                claim.verify(c, &credential.key, &claim.mac_3(c, &prk_3e2m)?, plaintext.signature_or_mac)?;
                prk_3e2m
            }
            Method::StaticDhStaticDh => {
                let prk_4e3m = transcript::prk_4e3m(c, &prk_3e2m, &th_3, &y, &credential.key)?;
                check_mac(&claim.mac_3(c, &prk_4e3m)?, plaintext.signature_or_mac)?;
                prk_4e3m
            }
        };
        let th_4 = transcript::next(c, &th_3, text, credential.cred)?;
        Ok(VerifiedMessage3 { session: Session::new(c, &prk_4e3m, &th_4, c_r, c_i)?, prk_4e3m, th_4 })
    }
}

/// Both know who is at the other end.
pub struct VerifiedMessage3 {
    session: Session,
    prk_4e3m: Secret<32>,
    th_4: [u8; 32],
}

impl VerifiedMessage3 {
    /// Where the first OSCORE response confirms the keys.
    pub fn finish(self) -> Session {
        self.session
    }

    /// Writes message_4, with `eads`, EAD_4.
    pub fn answer<'o>(
        self,
        c: &impl Symmetric,
        eads: &[Ead<'_>],
        out: &'o mut [u8],
    ) -> Result<(Session, &'o [u8]), Error> {
        let text_len = eads.iter().map(Ead::encoded_len).fold(0, usize::saturating_add);
        let message = wire::with_content(out, text_len.saturating_add(MAC_LEN), |content| {
            let (text, tag) = content.split_at_mut_checked(text_len).ok_or(Error::NoRoom)?;
            wire::write_eads(eads, &mut Writer::new(text))?;
            Ok(Aead::of_message_4(c, &self.prk_4e3m, &self.th_4)?.seal(c, text, tag)?)
        })?;
        Ok((self.session, message))
    }
}
