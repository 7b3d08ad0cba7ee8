//! From a CoAP message to an OSCORE message (RFC 8613 §8.1, §8.3).

use latchwork_coap::{Code, Kind, Message, OptionNumber, Options, Token, Writer};
use latchwork_crypto::Symmetric;

use crate::{
    Context,
    cose::{Aad, NONCE_LEN, TAG_LEN},
    error::Error,
    id::{Id, IdContext},
    option::OscoreOption,
    piv::PartialIv,
    request::{ReceivedRequest, SentRequest},
    window::Window,
};

/// The most bytes that protection adds to a message: the OSCORE option, the inner code, a second payload marker, the
/// tag, a second Observe option, and longer deltas where the options were torn apart. A typical request grows by 15.
pub const MAX_OVERHEAD: usize = 2 + OPTION_LEN + 1 + 1 + TAG_LEN + 4 + 8;

impl Context {
    /// Protects a request (RFC 8613 §8.1) and writes the datagram into `out`. Every call spends a sender number,
    /// also one that fails for want of room; what is sent again must be the same bytes, not protected again.
    ///
    /// `out` needs at most [`MAX_OVERHEAD`] bytes more than the request.
    pub fn protect_request<'o>(
        &mut self,
        crypto: &impl Symmetric,
        request: &Message<'_>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], SentRequest), Error> {
        if !request.code.is_request() || !fit(request) {
            return Err(Error::Unfit);
        }
        let piv = self.numbers.take()?;
        let option = OscoreOption {
            kid: Some(self.sender_id.as_bytes()),
            kid_context: self.id_context.as_ref().map(IdContext::as_bytes),
            piv: Some(piv),
        };
        let sealing = Sealing {
            key: self.sender_key.expose(),
            nonce: self.nonce(&self.sender_id, &piv),
            aad: Aad::new(&self.sender_id, &piv)?,
            option,
        };
        let datagram = sealing.seal(crypto, request, out)?;
        Ok((datagram, SentRequest::new(self.sender_id, piv, request)))
    }

    /// Protects a response (RFC 8613 §8.3) and writes the datagram into `out`. The first response to a request uses
    /// the request's nonce and costs no sender number; later ones (notifications) take one each.
    ///
    /// `out` needs at most [`MAX_OVERHEAD`] bytes more than the response.
    pub fn protect_response<'o>(
        &mut self,
        crypto: &impl Symmetric,
        request: &mut ReceivedRequest,
        response: &Message<'_>,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Error> {
        // Under a foreign kid the request's nonce might be one of our own.
        if !response.code.is_response() || !fit(response) || request.kid != self.recipient_id {
            return Err(Error::Unfit);
        }
        let (piv, nonce) = self.response_nonce(request)?;
        let sealing = Sealing {
            key: self.sender_key.expose(),
            nonce,
            aad: Aad::new(&request.kid, &request.piv)?,
            option: OscoreOption { piv, ..OscoreOption::default() },
        };
        sealing.seal(crypto, response, out)
    }

    /// The 4.01 with our challenge in an Echo option, the answer to [`Unproven`](crate::Incoming::Unproven) requests
    /// (RFC 8613 B.1.2).
    pub fn protect_challenge<'o>(
        &mut self,
        crypto: &impl Symmetric,
        request: &mut ReceivedRequest,
        kind: Kind,
        id: u16,
        token: Token,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Error> {
        let Window::Unknown(challenge) = &self.window else {
            return Err(Error::Unfit); // answered meanwhile; the client will ask again
        };
        let mut buf = [0; 16];
        let mut writer = Writer::body(&mut buf, Code::UNAUTHORIZED);
        writer.option(OptionNumber::ECHO, &challenge.0)?;
        let (code, options) = writer.finish()?.split_first().ok_or(Error::NoRoom)?;
        let (options, payload) = Options::parse(options).map_err(|_| Error::NoRoom)?;
        let response = Message { kind, code: Code(*code), id, token, options, payload };
        self.protect_response(crypto, request, &response, out)
    }

    fn response_nonce(&mut self, request: &mut ReceivedRequest) -> Result<(Option<PartialIv>, [u8; NONCE_LEN]), Error> {
        if request.nonce_spent {
            let piv = self.numbers.take()?;
            return Ok((Some(piv), self.nonce(&self.sender_id, &piv)));
        }
        request.nonce_spent = true; // from here on, whether or not the response comes about
        Ok((None, self.nonce(&request.kid, &request.piv)))
    }
}

/// One use of a key and a nonce; consumed by it.
struct Sealing<'c> {
    key: &'c [u8; 16],
    nonce: [u8; NONCE_LEN],
    aad: Aad,
    option: OscoreOption<'c>,
}

impl Sealing<'_> {
    fn seal<'o>(self, crypto: &impl Symmetric, message: &Message<'_>, out: &'o mut [u8]) -> Result<&'o [u8], Error> {
        let start = write_outer(message, &self.option, out)?;
        let (marker, body) = out.get_mut(start..).and_then(<[u8]>::split_first_mut).ok_or(Error::NoRoom)?;
        *marker = 0xff;
        let length = write_inner(message, body)?;
        let (plaintext, rest) = body.split_at_mut_checked(length).ok_or(Error::NoRoom)?;
        let tag = rest.first_chunk_mut::<TAG_LEN>();
        let Some(tag) = tag else {
            plaintext.fill(0);
            return Err(Error::NoRoom);
        };
        crypto.ccm_seal(self.key, &self.nonce, self.aad.as_bytes(), plaintext, tag).map_err(Error::Crypto)?;
        let end = start + 1 + length + TAG_LEN;
        out.get(..end).ok_or(Error::NoRoom)
    }
}

/// Header, token and what is for proxies: Uri-Host and the like, Observe, and the OSCORE option (RFC 8613 §4).
fn write_outer(message: &Message<'_>, option: &OscoreOption<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let observes = message.options.get(OptionNumber::OBSERVE).is_some();
    let code = match (message.code.is_request(), observes) {
        (true, false) => Code::POST,
        (true, true) => Code::FETCH,
        (false, false) => Code::CHANGED,
        (false, true) => Code::CONTENT,
    };
    let mut value = [0; OPTION_LEN];
    let length = option.write(&mut value).ok_or(Error::NoRoom)?;
    let outer = |(number, _): &(OptionNumber, &[u8])| is_outer(*number) || *number == OptionNumber::OBSERVE;

    let mut writer = Writer::new(out, message.kind, code, message.id, message.token);
    for (number, value) in message.options.filter(outer).take_while(|(number, _)| *number < OptionNumber::OSCORE) {
        writer.option(number, value)?;
    }
    writer.option(OptionNumber::OSCORE, value.get(..length).unwrap_or_default())?;
    for (number, value) in message.options.filter(outer).skip_while(|(number, _)| *number < OptionNumber::OSCORE) {
        writer.option(number, value)?;
    }
    Ok(writer.finish()?.len())
}

/// The plaintext: code, all other options, payload (RFC 8613 §5.3). A notification's Observe is empty inside.
fn write_inner(message: &Message<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let mut writer = Writer::body(out, message.code);
    for (number, value) in message.options.filter(|(number, _)| !is_outer(*number)) {
        let notification = number == OptionNumber::OBSERVE && message.code.is_response();
        writer.option(number, if notification { &[] } else { value })?;
    }
    writer.payload(message.payload)?;
    Ok(writer.finish()?.len())
}

/// Options of class U, which are never inside (RFC 8613 §4.1; EDHOC: RFC 9668 §3.1). All others are class E, or travel
/// outside for the message layer's sake only, like Block options, and are then not part of the message.
pub(crate) fn is_outer(number: OptionNumber) -> bool {
    matches!(
        number,
        OptionNumber::URI_HOST
            | OptionNumber::URI_PORT
            | OptionNumber::OSCORE
            | OptionNumber::EDHOC
            | OptionNumber::PROXY_URI
            | OptionNumber::PROXY_SCHEME
    )
}

/// Protection does not nest, and a Proxy-Uri would show the path to everyone.
fn fit(message: &Message<'_>) -> bool {
    !message.options.into_iter().any(|(number, _)| matches!(number, OptionNumber::OSCORE | OptionNumber::PROXY_URI))
}

/// The longest option value we write.
const OPTION_LEN: usize = 1 + PartialIv::MAX_LEN + 1 + IdContext::MAX_LEN + Id::MAX_LEN;
