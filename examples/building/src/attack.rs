//! What somebody can try who has no key: datagrams to a lock, made by hand.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
use latchwork_ace::{Claims, Cnf, CoseKey, authz_info};
use latchwork_coap::message::{Code, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::{P256Private, RustCrypto};
use latchwork_edhoc::initiator::{self, Key, Offer};
use latchwork_edhoc::{ConnectionId, Credential, Ead, Identity, Method, correlation};
use latchwork_oscore::{Context, Material};
use latchwork_transport::edhoc::{System, context};

use crate::Outcome;

const ACE_CBOR: u32 = 19;
const CWT: u32 = 61;
const CID_EDHOC: u32 = 65;
const EDHOC: &str = "/.well-known/edhoc";

/// How long a lock may take to answer. A silent lock is an answer too.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a lock answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code, as in `4.01`; `silence` for none.
    pub code: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// One attacker at one lock, with a port of their own.
pub struct Attacker {
    socket: UdpSocket,
    next_id: u16,
}

impl Attacker {
    /// Stands before the lock.
    pub fn at(lock: SocketAddr) -> Outcome<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(lock)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut id = [0; 2];
        getrandom::fill(&mut id)?;
        Ok(Self { socket, next_id: u16::from_be_bytes(id) })
    }

    /// Sends bytes as they are and waits for an answer.
    pub fn send(&self, datagram: &[u8]) -> Outcome<Answer> {
        self.socket.send(datagram)?;
        let mut buffer = [0; 2048];
        match self.socket.recv(&mut buffer) {
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let message = Message::parse(bytes).map_err(|e| format!("{e:?}"))?;
                let code = match message.kind {
                    Kind::Rst => "reset".to_owned(),
                    _ => format!("{}.{:02}", message.code.class(), message.code.detail()),
                };
                Ok(Answer { code, payload: message.payload.to_vec() })
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(Answer { code: "silence".to_owned(), payload: Vec::new() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Posts a token to `/authz-info` with nonces of the attacker's own (RFC 9203 §4.1).
    pub fn upload(&mut self, token: &[u8]) -> Outcome<Answer> {
        let (nonce1, id1): ([u8; 8], [u8; 1]) = ([7; 8], [0x77]);
        let request =
            authz_info::Request { access_token: token, nonce1: Some(&nonce1), client_recipient_id: Some(&id1) };
        let mut payload = [0; 1024];
        let payload = request.encode(&mut payload).map_err(|e| format!("{e:?}"))?;
        self.post("/authz-info", ACE_CBOR, payload)
    }

    /// Posts a bare token to `/authz-info`.
    pub fn upload_bare(&mut self, token: &[u8]) -> Outcome<Answer> {
        self.post("/authz-info", CWT, token)
    }

    /// Posts, and comes again while the lock has no time: it gives strangers half of it (RFC 8516).
    fn post(&mut self, path: &str, format: u32, payload: &[u8]) -> Outcome<Answer> {
        loop {
            let mut buffer = [0; 1280];
            let datagram = self.request_in(&mut buffer, Code::POST, path, format, payload)?;
            let answer = self.send(datagram)?;
            if answer.code != "4.29" {
                return Ok(answer);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Runs EDHOC by method 1 as the holder of `key`, with a token that may be somebody else's, and says how message_3 was answered.
    pub fn edhoc(&mut self, lock: &[u8], key: &P256Private, token: &[u8]) -> Outcome<Answer> {
        Ok(self.edhoc_by(Method::SignatureStaticDh, lock, key, token)?.0)
    }

    /// The same by either method, with what the handshake led to on this side.
    pub fn edhoc_by(
        &mut self,
        method: Method,
        lock: &[u8],
        key: &P256Private,
        token: &[u8],
    ) -> Outcome<(Answer, Context)> {
        let wrong = |error: latchwork_edhoc::Error| error.to_string();
        let (c, mut buffer, mut out) = (&RustCrypto, [0; 1024], [0; 1280]);
        let c_i = ConnectionId::new(&[0x77]).ok_or("no identifier")?;
        let offer = Offer { method, prefer: &[], c_i, eads: &[] };
        let (sent, message_1) = initiator::start(c, &mut System, &offer, &mut buffer).map_err(wrong)?;
        let payload = [&[0xf5], message_1].concat();
        let mut message_2 = self.post(EDHOC, CID_EDHOC, &payload)?.payload;
        let received = sent.receive(c, &mut message_2, &[]).map_err(wrong)?;
        let verified = received.verify(c, &Credential::ccs(lock)?).map_err(wrong)?;

        let public = key.public()?;
        let cose = CoseKey { kid: Some(&[1]), ..CoseKey::p256(&public.x, &public.y) };
        let claims = Claims { cnf: Some(Cnf::CoseKey(cose)), ..Claims::default() };
        let mut ccs = [0; 96];
        let key = match method {
            Method::SignatureStaticDh => Key::Sign(key),
            Method::StaticDhStaticDh => Key::Agree(key),
        };
        let identity = Identity::ccs(claims.encode(&mut ccs).map_err(|e| format!("{e:?}"))?, key)?;
        let mut prefix = [0; 16];
        let length = correlation::prefix(Some(&verified.c_r()), &mut prefix).map_err(wrong)?;
        let eads = [Ead::critical(EAD_ACCESS_TOKEN, token)];
        let (sent, message_3) = verified.answer(c, &identity, &eads, &mut buffer).map_err(wrong)?;
        let payload = [prefix.get(..length).unwrap_or_default(), message_3].concat();
        let datagram = self.request_in(&mut out, Code::POST, EDHOC, CID_EDHOC, &payload)?;
        let keys = sent.session().oscore(c).map_err(wrong)?;
        let context = context(&keys).map_err(|e| format!("{e:?}"))?;
        Ok((self.send(datagram)?, context))
    }

    /// Asks for the door under OSCORE; the answer is the outer one.
    pub fn ask(&mut self, context: &mut Context) -> Outcome<Answer> {
        let (mut inner, mut outer) = ([0; 64], [0; 256]);
        let plain = self.request(&mut inner, Code::POST, "/door", &[])?;
        let plain = Message::parse(plain).map_err(|e| format!("{e:?}"))?;
        let (datagram, _) = context.protect_request(&RustCrypto, &plain, &mut outer).map_err(|e| format!("{e:?}"))?;
        self.send(datagram)
    }

    /// Posts bytes as message_1 of EDHOC.
    pub fn begin(&mut self, message_1: &[u8]) -> Outcome<Answer> {
        let mut buffer = [0; 1280];
        let datagram = self.request_in(&mut buffer, Code::POST, EDHOC, CID_EDHOC, &[&[0xf5], message_1].concat())?;
        self.send(datagram)
    }

    /// Asks for the door without any protection.
    pub fn knock(&mut self) -> Outcome<Answer> {
        let mut buffer = [0; 64];
        let datagram = self.request(&mut buffer, Code::POST, "/door", &[])?;
        self.send(datagram)
    }

    /// Asks for the door under OSCORE, with a secret that is a guess, and the identifier `kid`.
    pub fn guess(&mut self, kid: &[u8]) -> Outcome<Answer> {
        let material = Material {
            master_secret: &[0x42; 16],
            master_salt: &[],
            sender_id: kid,
            recipient_id: &[0x77],
            id_context: None,
        };
        let mut context = Context::derive(&RustCrypto, &material).map_err(|e| format!("{e:?}"))?;
        self.ask(&mut context)
    }

    /// Sends again what went by before: the same bytes, and the same under a message id of its own.
    pub fn replay(&mut self, datagram: &[u8]) -> Outcome<[Answer; 2]> {
        let mut renamed = datagram.to_vec();
        self.next_id = self.next_id.wrapping_add(1);
        if let Some(id) = renamed.get_mut(2..4) {
            id.copy_from_slice(&self.next_id.to_be_bytes());
        }
        Ok([self.send(datagram)?, self.send(&renamed)?])
    }

    fn request<'b>(&mut self, buffer: &'b mut [u8], method: Code, path: &str, payload: &[u8]) -> Outcome<&'b [u8]> {
        self.request_in(buffer, method, path, ACE_CBOR, payload)
    }

    fn request_in<'b>(
        &mut self,
        buffer: &'b mut [u8],
        method: Code,
        path: &str,
        format: u32,
        payload: &[u8],
    ) -> Outcome<&'b [u8]> {
        self.next_id = self.next_id.wrapping_add(1);
        let full = |_| "a datagram too small for its content";
        let mut writer = Writer::new(buffer, Kind::Con, method, self.next_id, Token::EMPTY);
        writer.path(path).map_err(full)?;
        if !payload.is_empty() {
            writer.uint_option(OptionNumber::CONTENT_FORMAT, format).map_err(full)?;
            writer.payload(payload).map_err(full)?;
        }
        Ok(writer.finish().map_err(full)?)
    }
}
