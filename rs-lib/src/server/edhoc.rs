//! `/.well-known/edhoc`, and requests that come together with message_3.

use super::{Event, Reply, ResourceServer};
use crate::Refusal;
use crate::check::refuse_unless;
use crate::edhoc::{Edhoc, KNOWN_IN_3, NotBegun};
use crate::session::TokenHash;
use crate::strangers;
use crate::verify::{Bearer, Confirmation};
use latchwork_ace::cose::Token;
use latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
use latchwork_coap::{Code, ContentFormat, Full, Message, OptionNumber, Options, Writer};
use latchwork_crypto::{Random, Symmetric, Verify};
use latchwork_edhoc::correlation::{Posted, split_combined};
use latchwork_edhoc::{ConnectionId, Credential, Ead, Eads, Error, ErrorMessage, Session};
use latchwork_oscore::{Context, Material, OscoreOption};

/// Why a handshake ended. Whoever was at the other end learns little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// No handshake has this name: it took too long, was pushed out, or there was a reboot.
    Unknown,
    /// EDHOC refused a message.
    Edhoc(Error),
    /// It was good so far, but not its token.
    Token(Refusal),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Edhoc(error)
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Token(refusal)
    }
}

impl Ended {
    pub(super) const fn event(self) -> Event {
        match self {
            Self::Unknown => Event::NoHandshake,
            Self::Edhoc(error) => Event::HandshakeFailed(error),
            Self::Token(refusal) => Event::Refused(refusal),
        }
    }

    /// An EDHOC error message, never protected (RFC 9528 §6, Appendix A.2.3). Of a token it says nothing
    /// (draft-ietf-ace-edhoc-oscore-profile §4.3.3).
    pub(super) fn reply(self, room: &mut [u8]) -> Reply<'_> {
        let (code, message) = match self {
            Self::Edhoc(error) if error.is_ours() => (Code::INTERNAL_SERVER_ERROR, error.answer()),
            Self::Edhoc(error) => (Code::BAD_REQUEST, error.answer()),
            Self::Token(Refusal::Broken) => (Code::INTERNAL_SERVER_ERROR, ErrorMessage::Unspecified("")),
            Self::Unknown | Self::Token(_) => (Code::BAD_REQUEST, ErrorMessage::Unspecified("")),
        };
        let payload = message.write(room).unwrap_or_default();
        Reply { format: Some(ContentFormat::EDHOC_CBOR_SEQ), payload, ..Reply::code(code) }
    }
}

impl<C: Symmetric + Verify, R: Random, E, const N: usize, const P: usize, const I: usize>
    ResourceServer<'_, '_, C, R, E, N, P, I>
{
    /// A message for the EDHOC resource (RFC 9528 Appendix A.2.1). `scratch` takes it to be decrypted, `room` what is in its
    /// token and then the answer.
    pub(super) fn handshake<'r, A>(
        &mut self,
        peer: A,
        message: &Message<'_>,
        paths: &[&str],
        scratch: &mut [u8],
        room: &'r mut [u8],
    ) -> (Event, Reply<'r>)
    where
        E: Edhoc<C, A>,
    {
        if message.code != Code::POST {
            let code = Code::METHOD_NOT_ALLOWED;
            return (Event::NotAnUpload(code), Reply::code(code));
        }
        let format = message.options.get(OptionNumber::CONTENT_FORMAT);
        if format.is_some()
            && message.options.uint16(OptionNumber::CONTENT_FORMAT) != Some(ContentFormat::CID_EDHOC_CBOR_SEQ.0)
        {
            let code = Code::UNSUPPORTED_CONTENT_FORMAT;
            return (Event::NotAnUpload(code), Reply::code(code));
        }
        let ended = match copied(message.payload, scratch).and_then(Posted::parse) {
            Ok(Posted::First(message_1)) => match self.first(peer, message_1, room) {
                Ok(length) => {
                    let payload = room.get(..length).unwrap_or_default();
                    let format = Some(ContentFormat::EDHOC_CBOR_SEQ);
                    return (Event::Begun, Reply { format, payload, ..Reply::code(Code::CHANGED) });
                }
                Err(NotBegun::TooMany) => {
                    return (Event::Refused(Refusal::TooMany), Reply::code(Code::TOO_MANY_REQUESTS));
                }
                Err(NotBegun::Edhoc(error)) => error.into(),
            },
            // Anybody can send this, so it ends nothing; and an error is not answered by another (RFC 9528 §6).
            Ok(Posted::Next(_, message)) if ErrorMessage::parse(message).is_ok() => {
                return (Event::GivenUp, Reply::code(Code::CHANGED));
            }
            Ok(Posted::Next(c_r, message_3)) => match self.third::<A>(&c_r, message_3, paths, room) {
                Ok(token) => return (Event::Uploaded(token), Reply::code(Code::CHANGED)),
                Err(ended) => ended,
            },
            Err(error) => error.into(),
        };
        (ended.event(), ended.reply(room))
    }

    fn first<A>(&mut self, peer: A, message_1: &[u8], out: &mut [u8]) -> Result<usize, NotBegun>
    where
        E: Edhoc<C, A>,
    {
        let began = (self.clock)();
        refuse_unless!("handshake-flood", self.sessions.strangers.have_time(began), NotBegun::TooMany);
        let sessions = &*self.sessions;
        let is_taken = |id: &[u8]| sessions.find(id).is_some();
        let with = (self.crypto, &mut *self.random as &mut dyn Random);
        let begun = self.edhoc.begin(peer, message_1, self.now.uptime, with, &is_taken, out).map(<[u8]>::len);
        // What is refused for its form costs what it took and no more, or noise would keep everybody out.
        self.sessions.strangers.took(began, (self.clock)(), if begun.is_ok() { strangers::LEAST } else { 0 });
        begun
    }

    /// From message_3 to a session (draft-ietf-ace-edhoc-oscore-profile §4.3.3): the token first, since it says whose
    /// credential is to be proved; then the proof. Before both have succeeded nothing is kept; afterwards the session that
    /// this credential had before is over.
    ///
    /// There is time for it: it was begun. What it takes is missing for the next.
    pub(super) fn third<A>(
        &mut self,
        c_r: &ConnectionId,
        message_3: &mut [u8],
        paths: &[&str],
        room: &mut [u8],
    ) -> Result<TokenHash, Ended>
    where
        E: Edhoc<C, A>,
    {
        let began = (self.clock)();
        let entered = self.prove::<A>(c_r, message_3, paths, room);
        self.sessions.strangers.took(began, (self.clock)(), 0);
        entered
    }

    #[inline(never)]
    fn prove<A>(
        &mut self,
        c_r: &ConnectionId,
        message_3: &mut [u8],
        paths: &[&str],
        room: &mut [u8],
    ) -> Result<TokenHash, Ended>
    where
        E: Edhoc<C, A>,
    {
        self.sessions.sweep(&self.now);
        let sent = self.edhoc.take(c_r, self.now.uptime).ok_or(Ended::Unknown)?;
        let received = sent.receive(self.crypto, message_3, KNOWN_IN_3)?;
        let token = one_token(received.eads())?;
        let judged = self.verifier(paths).judge(token, Token::parse(token), room);
        let bearer = judged.map_err(|rejected| self.rejected(rejected))?;
        let Confirmation::Credential { ccs, series } = bearer.confirmation else {
            return Err(Refusal::WrongConfirmation.into());
        };
        let credential = Credential::ccs(ccs).map_err(|_| Refusal::WrongConfirmation)?;
        let same = credential.is_meant_by(received.id_cred());
        refuse_unless!("id-cred", same, Refusal::OtherCredential.into());
        let session = received.verify(self.crypto, &credential)?.finish();
        self.enter(&session, &bearer, ccs, series)
    }

    /// Opens the session that both proofs led to.
    #[inline(never)] // not on the stack of the proofs
    fn enter(&mut self, session: &Session, bearer: &Bearer<'_>, ccs: &[u8], series: &[u8]) -> Result<TokenHash, Ended> {
        let keys = session.oscore(self.crypto)?;
        let recipient_id = keys.recipient_id.as_bytes();
        // An upload may have drawn the same identifier in the meantime.
        if self.sessions.find(recipient_id).is_some() {
            return Err(Ended::Unknown);
        }
        let material = Material {
            master_secret: keys.master_secret.expose(),
            master_salt: keys.master_salt.expose(),
            sender_id: keys.sender_id.as_bytes(),
            recipient_id,
            id_context: None,
        };
        let context = Context::derive(self.crypto, &material).map_err(|_| Refusal::Broken)?;
        let holder = bearer.holder_of(ccs, series, self.crypto)?;
        let seat = self.sessions.open(context, holder, &self.now);
        if self.sessions.is_overtaken(seat) {
            self.sessions.end(seat);
            return Err(Refusal::Expired.into());
        }
        // Proved already; where it has to wait for a seat, its first request learns so.
        let _ = self.sessions.used(seat, &self.now);
        Ok(bearer.token())
    }

    /// The first half of a request that came together with message_3 (RFC 9668 §3.3.1): what is left, without it.
    /// `scratch` takes message_3, `room` what is in its token, `options` those of the rest.
    pub(super) fn combined<'m, A>(
        &mut self,
        outer: &Message<'m>,
        paths: &[&str],
        scratch: &mut [u8],
        room: &mut [u8],
        options: &'m mut [u8],
    ) -> Result<Message<'m>, Ended>
    where
        E: Edhoc<C, A>,
    {
        let option = OscoreOption::of(outer).map_err(|_| Error::Malformed)?;
        let c_r = option.and_then(|option| option.kid).and_then(ConnectionId::new).ok_or(Error::Malformed)?;
        let (message_3, ciphertext) = split_combined(copied(outer.payload, scratch)?)?;
        let payload = outer.payload.get(message_3.len()..).unwrap_or_default();
        if ciphertext.is_empty() {
            return Err(Error::Malformed.into());
        }
        self.third::<A>(&c_r, message_3, paths, room)?;
        let options = without_edhoc(outer, options).map_err(|_| Error::NoRoom)?;
        Ok(Message { payload, options, ..outer.clone() })
    }
}

fn copied<'s>(payload: &[u8], scratch: &'s mut [u8]) -> Result<&'s mut [u8], Error> {
    let copy = scratch.get_mut(..payload.len()).ok_or(Error::NoRoom)?;
    copy.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
    Ok(copy)
}

/// EAD_3 carries exactly one token, by value and critical (draft-ietf-ace-edhoc-oscore-profile §4.1, §4.3.3).
fn one_token<'e>(eads: Eads<'e>) -> Result<&'e [u8], Refusal> {
    let mut tokens = eads.iter().filter(|ead| ead.label == EAD_ACCESS_TOKEN);
    let first = tokens.next();
    refuse_unless!("one-token", first.is_some() && tokens.next().is_none(), Refusal::NotOneToken);
    match first {
        Some(Ead { critical: true, value: Some(token), .. }) => Ok(token),
        _ => Err(Refusal::NotOneToken),
    }
}

fn without_edhoc<'o>(message: &Message<'_>, out: &'o mut [u8]) -> Result<Options<'o>, Full> {
    let mut writer = Writer::body(out, message.code);
    for (number, value) in message.options.filter(|(number, _)| *number != OptionNumber::EDHOC) {
        writer.option(number, value)?;
    }
    let written = writer.finish()?.get(1..).unwrap_or_default();
    Options::parse(written).map(|(options, _)| options).map_err(|_| Full)
}
