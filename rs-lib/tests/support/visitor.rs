//! Somebody who comes with EDHOC: the initiator's side, and tokens bound to its credential.

use super::mint::{CNF, Claims, SUB, aif, bytes, good, map, osc, signed};
use super::{Counting, Lock, Phone, Response, request};
use ciborium::value::Value;
use latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
use latchwork_coap::{Code, ContentFormat, Message, OptionNumber, Writer};
use latchwork_crypto::{P256Private, RustCrypto, Secret};
use latchwork_edhoc::initiator::{self, Key, Offer, SentMessage1, VerifiedMessage2};
use latchwork_edhoc::{ConnectionId, Credential, Ead, ErrorMessage, IdCred, Identity, Method, correlation};
use latchwork_oscore::{Context, Material};

pub const EDHOC_INFO: i64 = 41;
pub const KCCS: i64 = 11;
pub const FORMAT_61: &[(OptionNumber, &[u8])] = &[(OptionNumber::CONTENT_FORMAT, &[61])];
pub const FORMAT_65: &[(OptionNumber, &[u8])] = &[(OptionNumber::CONTENT_FORMAT, &[65])];

/// A P-256 key by a number.
pub fn key(number: u8) -> P256Private {
    P256Private::new(Secret::new([number; 32])).unwrap()
}

/// `{8: {1: COSE_Key}}` with this `kid`.
pub fn ccs(key: &P256Private, kid: &[u8]) -> Vec<u8> {
    let public = key.public().unwrap();
    let key = map([(1, 2.into()), (2, bytes(kid)), (-1, 1.into()), (-2, bytes(&public.x)), (-3, bytes(&public.y))]);
    super::mint::encode(&map([(8, map([(1, key)]))]))
}

/// The lock's own credential.
pub fn lock_ccs() -> Vec<u8> {
    ccs(&key(9), &[0x0a])
}

/// The claims of a token for this credential, in this series.
pub fn claims(ccs: &[u8], series: &[u8]) -> Claims {
    let person = format!("{:02x?}", &ccs[ccs.len() - 2..]);
    let ccs: Value = ciborium::from_reader(ccs).unwrap();
    let claims = good(osc(b"", b"")).set(SUB, person).set(CNF, map([(KCCS, ccs)]));
    claims.set(EDHOC_INFO, map([(0, bytes(series))]))
}

pub struct Visitor {
    pub key: P256Private,
    pub ccs: Vec<u8>,
    /// Whom the lock has to be.
    pub lock: Vec<u8>,
    pub method: Method,
    /// Sends its credential, instead of its name.
    pub by_value: bool,
    pub c_i: Vec<u8>,
    /// From where.
    pub peer: u8,
    pub random: Counting,
}

/// A message_2 that verified, and what the lock calls itself.
pub type Greeted = VerifiedMessage2;

impl Visitor {
    pub fn new(number: u8) -> Self {
        let key = key(number);
        let ccs = ccs(&key, &[number]);
        Self {
            key,
            ccs,
            lock: lock_ccs(),
            method: Method::SignatureStaticDh,
            by_value: false,
            c_i: vec![number, number],
            peer: number,
            random: Counting(u64::from(number) << 32),
        }
    }

    /// A good token that opens the door.
    pub fn token(&self) -> Vec<u8> {
        signed(&claims(&self.ccs, b"s1"))
    }

    /// A good token for the light.
    pub fn more(&self) -> Claims {
        claims(&self.ccs, b"s1").set(super::mint::SCOPE, aif(&[("/light", 2)]))
    }

    pub fn message_1(&mut self, eads: &[Ead<'_>]) -> (SentMessage1<P256Private>, Vec<u8>) {
        let c_i = ConnectionId::new(&self.c_i).unwrap();
        let offer = Offer { method: self.method, prefer: &[], c_i, eads };
        let mut out = [0; 1024];
        let (sent, message) = initiator::start(&RustCrypto, &mut self.random, &offer, &mut out).unwrap();
        (sent, posted(None, message))
    }

    pub fn say(&self, lock: &mut Lock, payload: &[u8]) -> Response {
        lock.receive_from(self.peer, &request(Code::POST, "/.well-known/edhoc", FORMAT_65, payload))
    }

    /// What comes of a message_2.
    pub fn verify(&self, sent: SentMessage1<P256Private>, response: &Response) -> Greeted {
        let message = response.message();
        assert_eq!(message.code, Code::CHANGED, "{:?}", response.event);
        assert_eq!(message.options.uint16(OptionNumber::CONTENT_FORMAT), Some(ContentFormat::EDHOC_CBOR_SEQ.0));
        let mut message_2 = message.payload.to_vec();
        let received = sent.receive(&RustCrypto, &mut message_2, &[]).unwrap();
        let credential = Credential::ccs(&self.lock).unwrap();
        assert!(credential.is_meant_by(received.id_cred()));
        received.verify(&RustCrypto, &credential).unwrap()
    }

    /// Message_1 there and message_2 back.
    pub fn greet(&mut self, lock: &mut Lock) -> Greeted {
        let (sent, message) = self.message_1(&[]);
        let response = self.say(lock, &message);
        self.verify(sent, &response)
    }

    /// Message_3 without anything before it, and the context that follows from it.
    pub fn message_3(&self, greeted: Greeted, eads: &[Ead<'_>]) -> (Vec<u8>, Phone) {
        let id_cred = if self.by_value {
            IdCred::Kccs(&self.ccs)
        } else {
            Credential::ccs(&self.ccs).unwrap().kid.map(IdCred::Kid).unwrap()
        };
        let key = match self.method {
            Method::SignatureStaticDh => Key::Sign(&self.key),
            Method::StaticDhStaticDh => Key::Agree(&self.key),
        };
        let identity = Identity { id_cred, cred: &self.ccs, key };
        let mut out = vec![0; 2048];
        let (sent, message) = greeted.answer(&RustCrypto, &identity, eads, &mut out).unwrap();
        let keys = sent.session().oscore(&RustCrypto).unwrap();
        let material = Material {
            master_secret: keys.master_secret.expose(),
            master_salt: keys.master_salt.expose(),
            sender_id: keys.sender_id.as_bytes(),
            recipient_id: keys.recipient_id.as_bytes(),
            id_context: None,
        };
        (message.to_vec(), Phone(Context::derive(&RustCrypto, &material).unwrap()))
    }

    /// The handshake with these items in EAD_3, message by message.
    pub fn enter_with(&mut self, lock: &mut Lock, eads: &[Ead<'_>]) -> (Response, Phone) {
        let greeted = self.greet(lock);
        let c_r = greeted.c_r();
        let (message, phone) = self.message_3(greeted, eads);
        (self.say(lock, &posted(Some(&c_r), &message)), phone)
    }

    pub fn enter(&mut self, lock: &mut Lock, token: &[u8]) -> Phone {
        let (response, phone) = self.enter_with(lock, &[with(token)]);
        assert_eq!(response.code(), Code::CHANGED, "{:?}", response.event);
        assert_eq!(response.message().payload, b"");
        phone
    }

    /// The handshake with these items in EAD_3 and this request, in two exchanges (RFC 9668).
    pub fn burst_in(&mut self, lock: &mut Lock, eads: &[Ead<'_>], request: &[u8]) -> (Response, (Code, Vec<u8>)) {
        let greeted = self.greet(lock);
        let (message, mut phone) = self.message_3(greeted, eads);
        let (datagram, mut sent) = phone.protect(request);
        let response = lock.receive_from(self.peer, &combined(&datagram, &message));
        let answer = phone.open(&mut sent, &response);
        (response, answer)
    }
}

/// The token as an item of EAD_3.
pub fn with(token: &[u8]) -> Ead<'_> {
    Ead::critical(EAD_ACCESS_TOKEN, token)
}

/// A message behind what tells which it is.
pub fn posted(c_r: Option<&ConnectionId>, message: &[u8]) -> Vec<u8> {
    let mut prefix = [0; 16];
    let length = correlation::prefix(c_r, &mut prefix).unwrap();
    [&prefix[..length], message].concat()
}

/// A protected request with message_3 in front of its payload.
pub fn combined(datagram: &[u8], message_3: &[u8]) -> Vec<u8> {
    let outer = Message::parse(datagram).unwrap();
    let mut out = vec![0; 2048];
    let mut writer = Writer::new(&mut out, outer.kind, outer.code, outer.id, outer.token);
    let mut options: Vec<_> = outer.options.collect();
    options.push((OptionNumber::EDHOC, &[]));
    options.sort_by_key(|(number, _)| *number);
    for (number, value) in options {
        writer.option(number, value).unwrap();
    }
    writer.payload(&[message_3, outer.payload].concat()).unwrap();
    writer.finish().unwrap().to_vec()
}

pub const BOTH: [Method; 2] = [Method::SignatureStaticDh, Method::StaticDhStaticDh];

pub fn door() -> Vec<u8> {
    request(Code::POST, "/door", &[], &[])
}

/// 4.00, in Content-Format 64, with ERR_CODE 1 and not a word more.
pub fn assert_edhoc_error(response: &Response, what: &str) {
    let message = response.message();
    assert_eq!(message.code, Code::BAD_REQUEST, "{what}: {:?}", response.event);
    assert!(!response.is_protected(), "{what}");
    assert_eq!(message.options.uint16(OptionNumber::CONTENT_FORMAT), Some(64), "{what}");
    assert_eq!(ErrorMessage::parse(message.payload), Ok(ErrorMessage::Unspecified("")), "{what}");
}
