//! From an OSCORE message back to the CoAP message (RFC 8613 §8.2, §8.4).

use latchwork_coap::{Message, OptionNumber, Options, Writer};
use latchwork_crypto::{CryptoError, Symmetric};

use crate::{
    Context,
    cose::{Aad, NONCE_LEN, TAG_LEN},
    error::Error,
    option::{Malformed, OscoreOption},
    protect::is_outer,
    request::{Observe, ReceivedRequest, SentRequest},
    window::{Seen, Window},
};

/// A request that was verified.
#[derive(Debug)]
pub enum Incoming<'o> {
    /// Never seen before. The message is the request as the client made it, with the header that it came in.
    Request(Message<'o>, ReceivedRequest),
    /// Genuine, but perhaps a replay from before our restart: nothing may be done for it. Answer with
    /// [`protect_challenge`](Context::protect_challenge); the client asks again with the Echo option.
    Unproven(ReceivedRequest),
}

impl<'m> OscoreOption<'m> {
    /// Finds the option in a message: `None` when the message is not protected. Refuses a second one, and a message
    /// without payload (RFC 8613 §2).
    pub fn of(message: &Message<'m>) -> Result<Option<Self>, Malformed> {
        let mut options = message.options.all(OptionNumber::OSCORE);
        match (options.next(), options.next(), message.payload) {
            (None, _, _) => Ok(None),
            (Some(value), None, [_, ..]) => Self::parse(value).map(Some),
            _ => Err(Malformed),
        }
    }
}

impl Context {
    /// Verifies a request (RFC 8613 §8.2). Outer Block options must have been dealt with before (§4.1.3.4.2).
    ///
    /// `out` needs the length of the outer payload, less 8; and if Uri-Host or the like came outside, the length of
    /// all options once more. Of what does not verify it keeps nothing.
    pub fn unprotect_request<'o>(
        &mut self,
        crypto: &impl Symmetric,
        outer: &Message<'_>,
        out: &'o mut [u8],
    ) -> Result<Incoming<'o>, Error> {
        let option = OscoreOption::of(outer)?.ok_or(Error::NotProtected)?;
        let (Some(_), Some(piv)) = (option.kid, option.piv) else {
            return Err(Error::Malformed);
        };
        if !self.answers_to(&option) {
            return Err(Error::UnknownContext);
        }
        let seen = matches!(&self.window, Window::Known(seen) if seen.contains(piv.number()));
        // The cfg is for tests/conformance/disabled-checks, which sees what fails without this check.
        if seen && !cfg!(latchwork_disable = "replay") {
            return Err(Error::Replayed);
        }
        let nonce = self.nonce(&self.recipient_id, &piv);
        let opened = self.open(crypto, outer.payload, &nonce, &Aad::new(&self.recipient_id, &piv)?, out)?;
        if let Window::Known(seen) = &mut self.window {
            seen.mark(piv.number());
        }

        let inner = opened.parse()?;
        if !inner.code.is_request() {
            return Err(Error::BadPlaintext);
        }
        let mut request = ReceivedRequest { kid: self.recipient_id, piv, nonce_spent: false };
        if let Window::Unknown(challenge) = &self.window {
            match inner.options.get(OptionNumber::ECHO) {
                Some(echo) if challenge.answered_by(echo) => self.window = Window::Known(Seen::up_to(piv.number())),
                _ => {
                    // It may have been answered before the restart, under its own nonce.
                    request.nonce_spent = true;
                    return Ok(Incoming::Unproven(request));
                }
            }
        }
        Ok(Incoming::Request(inner.under(outer)?, request))
    }

    /// Verifies a response to `request` (RFC 8613 §8.4). An error means that the response is dropped and waiting goes
    /// on; it ends neither the request nor an observation.
    ///
    /// Notifications come through in order of their Partial IV, stale ones as [`Error::Replayed`]; the value of their
    /// Observe option says nothing (it is empty). `out` as in [`unprotect_request`](Self::unprotect_request).
    pub fn unprotect_response<'o>(
        &self,
        crypto: &impl Symmetric,
        request: &mut SentRequest,
        outer: &Message<'_>,
        out: &'o mut [u8],
    ) -> Result<Message<'o>, Error> {
        let option = OscoreOption::of(outer)?.ok_or(Error::NotProtected)?;
        if option.kid.is_some_and(|kid| kid != self.recipient_id.as_bytes()) || !self.has_id_context(&option) {
            return Err(Error::UnknownContext);
        }
        request.expects(option.piv)?;
        let nonce = match &option.piv {
            Some(piv) => self.nonce(&self.recipient_id, piv),
            None => self.nonce(&request.kid, &request.piv),
        };
        let aad = Aad::new(&request.kid, &request.piv)?;
        let inner = self.open(crypto, outer.payload, &nonce, &aad, out)?.parse()?;
        if !inner.code.is_response() {
            return Err(Error::BadPlaintext);
        }
        if inner.options.get(OptionNumber::OBSERVE).is_some() && request.observe == Observe::None {
            return Err(Error::UnexpectedNotification);
        }
        let response = inner.under(outer)?;
        request.verified(option.piv);
        Ok(response)
    }

    /// Decrypts to the end of `out`, so that what is in front is free for the merged options.
    fn open<'o>(
        &self,
        crypto: &impl Symmetric,
        payload: &[u8],
        nonce: &[u8; NONCE_LEN],
        aad: &Aad,
        out: &'o mut [u8],
    ) -> Result<Opened<'o>, Error> {
        let (ciphertext, tag) = payload.split_last_chunk::<TAG_LEN>().ok_or(Error::DecryptionFailed)?;
        let start = out.len().checked_sub(ciphertext.len()).ok_or(Error::NoRoom)?;
        let (room, plaintext) = out.split_at_mut_checked(start).ok_or(Error::NoRoom)?;
        plaintext.iter_mut().zip(ciphertext).for_each(|(to, from)| *to = *from);
        match crypto.ccm_open(self.recipient_key.expose(), nonce, aad.as_bytes(), plaintext, tag) {
            Ok(()) => Ok(Opened { room, plaintext }),
            Err(CryptoError::Forged) => Err(Error::DecryptionFailed),
            Err(error) => Err(Error::Crypto(error)),
        }
    }
}

/// What was decrypted, and the unused part of the buffer.
struct Opened<'o> {
    room: &'o mut [u8],
    plaintext: &'o [u8],
}

/// The same, understood.
struct Inner<'o> {
    room: &'o mut [u8],
    code: latchwork_coap::Code,
    options: Options<'o>,
    payload: &'o [u8],
}

impl<'o> Opened<'o> {
    fn parse(self) -> Result<Inner<'o>, Error> {
        let (&code, rest) = self.plaintext.split_first().ok_or(Error::BadPlaintext)?;
        let (options, payload) = Options::parse(rest).map_err(|_| Error::BadPlaintext)?;
        if options.get(OptionNumber::OSCORE).is_some() {
            return Err(Error::BadPlaintext);
        }
        Ok(Inner { room: self.room, code: latchwork_coap::Code(code), options, payload })
    }
}

impl<'o> Inner<'o> {
    /// The message as its sender made it: header and class U options of the outer message, everything else from
    /// inside. What the sender protected although it is class U wins over what anyone could have written outside.
    fn under(self, outer: &Message<'_>) -> Result<Message<'o>, Error> {
        let Self { room, code, options: inner, payload } = self;
        let survives = |&(number, _): &(OptionNumber, &[u8])| {
            is_outer(number) && number != OptionNumber::OSCORE && inner.get(number).is_none()
        };
        let mut survivors = outer.options.filter(survives).peekable();
        let options = if survivors.peek().is_none() {
            inner
        } else {
            let mut writer = Writer::body(room, code);
            for (number, value) in inner {
                while let Some(&(outer, value)) = survivors.peek().filter(|(outer, _)| *outer < number) {
                    survivors.next();
                    writer.option(outer, value)?;
                }
                writer.option(number, value)?;
            }
            for (number, value) in survivors {
                writer.option(number, value)?;
            }
            let written = writer.finish()?.get(1..).unwrap_or_default();
            Options::parse(written).map_err(|_| Error::NoRoom)?.0
        };
        Ok(Message { kind: outer.kind, code, id: outer.id, token: outer.token, options, payload })
    }
}
