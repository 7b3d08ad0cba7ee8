//! A lock on a bench: the resource server, a door that counts, a phone, and no network between them.
#![allow(dead_code, unreachable_pub, unused_macros)] // each test file uses a part

/// Tests of uploads that a lock refuses: name, token, code, reason.
macro_rules! refuses {
    ($($(#[$about:meta])* $name:ident: $token:expr => $code:ident, $refusal:pat,)*) => {$(
        $(#[$about])*
        #[test]
        fn $name() {
            let mut lock = Lock::new();
            let token: Vec<u8> = $token;
            let (code, refusal) = lock.refusal(&token);
            assert_eq!(code, Code::$code, "{refusal:?}");
            assert!(matches!(refusal, Some($refusal)), "{refusal:?}");
            assert_eq!((lock.sessions.live(), lock.sessions.pending()), (0, 0), "kept something");
        }
    )*};
}

pub mod mint;
pub mod visitor;

use latchwork_ace::aif::Aif;
use latchwork_ace::{Hints, authz_info};
use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::{Code, ContentFormat, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::{CryptoError, P256Private, P256Public, Random, RustCrypto, Secret};
use latchwork_edhoc::{Identity, Method};
use latchwork_oscore::{Context, Material, SentRequest, master_salt};
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::{
    Allowed, Created, Edhoc, Event, Flash, FlashFailed, Freshness, Handshakes, Introspect, Introspected, Issuer, Key,
    NamedScope, Now, Refusal, Reply, ResourceServer, Resources, Revoked, Room, Series, Sessions, Subject, TokenHash,
    TokenKey, Trust, Uptime, Wall, revoked,
};
use mint::*;

static KEYS: [Secret<16>; 6] = [
    Secret::new(KEY),
    Secret::new([2; 16]),
    Secret::new([3; 16]),
    Secret::new([4; 16]),
    Secret::new([5; 16]),
    Secret::new([6; 16]),
];

static MAC_KEYS: [Secret<32>; 2] = [Secret::new(MAC_KEY), Secret::new([2; 32])];

/// The front door's trust: its server with two keys in use, one of them retired, and a second server.
pub fn trust(nonces: Option<&'static Nonces>) -> Trust<'static> {
    let point = es256().verifying_key().to_sec1_point(false);
    let public = P256Public {
        x: point.x().unwrap().as_slice().try_into().unwrap(),
        y: point.y().unwrap().as_slice().try_into().unwrap(),
    };
    let key = |kid, key, retired| TokenKey { kid, key, retired };
    let door = Aif::parse(&[0x81, 0x82, 0x65, b'/', b'd', b'o', b'o', b'r', 2]).unwrap();
    Trust {
        audience: LOCK,
        groups: &[GROUP],
        issuers: Box::leak(Box::new([
            Issuer {
                name: ISSUER,
                token_uri: "https://as.example/token",
                keys: Box::leak(Box::new([
                    key(KID, Key::AesCcm(&KEYS[0]), false),
                    key(b"front-0", Key::AesCcm(&KEYS[1]), true),
                    key(b"front-2", Key::AesCcm(&KEYS[3]), false),
                    key(b"shared", Key::AesCcm(&KEYS[4]), false),
                    key(MAC_KID, Key::Hmac(&MAC_KEYS[0]), false),
                    key(b"mac-0", Key::Hmac(&MAC_KEYS[1]), true),
                    key(b"sign-1", Key::Es256(public), false),
                    key(b"sign-2", Key::EdDsa(*ed25519().pk), false),
                ])),
                ceiling: None,
                audiences: None,
            },
            Issuer {
                name: "https://other.example",
                token_uri: "https://other.example/token",
                keys: Box::leak(Box::new([
                    key(b"other-1", Key::AesCcm(&KEYS[2]), false),
                    key(b"shared", Key::AesCcm(&KEYS[5]), false),
                    key(b"other-2", Key::EdDsa(*other().pk), false),
                ])),
                ceiling: Some(door),
                audiences: Some(&[LOCK]),
            },
        ])),
        freshness: nonces.map_or(Freshness::Clock, Freshness::Nonce),
        scopes: Box::leak(Box::new([NamedScope { name: "door:open", grants: door }])),
    }
}

/// Numbers that do not repeat; random they need not be.
pub struct Counting(pub u64);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.0 = self.0.checked_add(1).ok_or(CryptoError::Backend)?;
        for (byte, counted) in out.iter_mut().rev().zip(self.0.to_le_bytes().into_iter().chain([0; 32])) {
            *byte = counted;
        }
        Ok(())
    }
}

/// What was done to the door, and by the holder of which token.
#[derive(Default)]
pub struct Door(pub Vec<TokenHash>, Option<Subject>);

impl Resources for Door {
    fn paths(&self) -> &[&str] {
        &["/door", "/light", "/guests"]
    }

    /// Whoever posts to `/guests` gets `/guests/1`.
    fn created(&self, request: &Message<'_>) -> Option<Created<'_>> {
        let by = self.1.filter(|_| request.options.path_eq("/guests/1"))?;
        Some(Created { by, at: "/guests" })
    }

    fn serve<'r>(&mut self, allowed: Allowed<'_>, request: &Message<'_>, _: &Now, room: &'r mut [u8]) -> Reply<'r> {
        if request.options.path_eq("/guests") {
            self.1 = allowed.holder().subject();
        }
        self.0.push(allowed.holder().token());
        room[..4].copy_from_slice(b"done");
        Reply { format: Some(ContentFormat::TEXT), payload: &room[..4], ..Reply::code(Code::CHANGED) }
    }
}

pub struct Lock<const N: usize = 4, const P: usize = 2> {
    pub trust: Trust<'static>,
    pub sessions: Sessions<N, P, 2>,
    pub flash: Chip,
    pub edhoc: Handshakes<'static, P256Private, u8, 3>,
    pub revoked: Revoked<[Option<revoked::Entry>; 4]>,
    pub server: Option<Server>,
    pub now: Now,
    /// Milliseconds that each message keeps the processor busy, and that they kept it in all. The uptime goes on meanwhile.
    pub took: u64,
    pub busy: u64,
    pub random: Counting,
    pub door: Door,
    room: Box<Room<u8, 1024, 2>>,
}

/// A server that can be asked: what it says of which tokens, and what it was asked.
#[derive(Default)]
pub struct Server {
    pub answers: Vec<(Vec<u8>, Said)>,
    pub asked: Vec<Vec<u8>>,
}

#[derive(Clone)]
pub enum Said {
    Answer(u8, Vec<u8>),
    Later,
    Unreachable,
}

impl Introspect for Server {
    fn introspect<'r>(&mut self, token: &[u8], _: &TokenHash, _: &Now, room: &'r mut [u8]) -> Introspected<'r> {
        self.asked.push(token.to_vec());
        match self.answers.iter().find(|(about, _)| about == token) {
            Some((_, Said::Answer(issuer, payload))) => {
                room[..payload.len()].copy_from_slice(payload);
                Introspected::Answer { issuer: *issuer, payload: &room[..payload.len()] }
            }
            Some((_, Said::Later)) => Introspected::Later,
            Some((_, Said::Unreachable)) | None => Introspected::Unreachable,
        }
    }
}

/// Flash that a test can take out of one lock and put into the next.
#[derive(Clone, Default)]
pub struct Chip {
    pub numbers: Vec<(Series, u64)>,
    pub writes: usize,
    /// The next write: fails, having written or not.
    pub cut: Option<Cut>,
}

/// When the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Before,
    After,
}

impl Flash for Chip {
    fn read(&mut self, series: Series) -> Result<Option<u64>, FlashFailed> {
        Ok(self.numbers.iter().find(|(found, _)| *found == series).map(|(_, number)| *number))
    }

    fn write(&mut self, series: Series, number: u64) -> Result<(), FlashFailed> {
        let old = self.read(series)?;
        assert!(Some(number) >= old, "{number} over {old:?}");
        if self.cut != Some(Cut::Before) {
            self.numbers.retain(|(found, _)| *found != series);
            self.numbers.push((series, number));
            self.writes += 1;
        }
        if self.cut.is_some() { Err(FlashFailed) } else { Ok(()) }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub datagram: Vec<u8>,
    pub event: Event,
}

impl Response {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.datagram).unwrap()
    }

    pub fn code(&self) -> Code {
        self.message().code
    }

    pub fn is_protected(&self) -> bool {
        self.message().options.get(OptionNumber::OSCORE).is_some()
    }

    /// An unprotected 4.01 with hints for this lock.
    pub fn assert_hints(&self) {
        let message = self.message();
        assert_eq!(message.code, Code::UNAUTHORIZED, "{:?}", self.event);
        assert!(!self.is_protected());
        assert_eq!(message.options.uint(OptionNumber::CONTENT_FORMAT), Some(19));
        let hints = Hints::decode(message.payload).unwrap();
        assert_eq!(hints.as_uri, Some("https://as.example/token"));
        assert_eq!(hints.audience, Some(LOCK));
    }
}

impl Lock<4, 2> {
    pub fn new() -> Self {
        Self::sized()
    }

    /// A lock that does not know the date and remembers numbers, with what an earlier one left in its flash.
    pub fn counting(flash: Chip) -> Self {
        let mut lock = Self::new();
        lock.now.wall = Wall::Unknown;
        lock.flash = Chip { cut: None, ..flash };
        lock.sessions.remember(&lock.trust, &mut lock.flash, &RustCrypto).unwrap();
        lock
    }

    /// A lock without a clock, which asks for its own nonce in every token.
    pub fn with_nonces() -> Self {
        Self::with_nonces_of(1 << 40)
    }

    /// The same; its nonces are of this start.
    pub fn with_nonces_of(start: u64) -> Self {
        let nonces = Nonces::new(&mut Counting(start), 600, 3600).unwrap();
        let mut lock = Self::new();
        lock.now.wall = Wall::Unknown;
        lock.trust = trust(Some(Box::leak(Box::new(nonces))));
        lock
    }
}

impl<const N: usize, const P: usize> Lock<N, P> {
    pub fn sized() -> Self {
        Self {
            trust: trust(None),
            sessions: Sessions::new(),
            flash: Chip::default(),
            edhoc: handshakes(),
            revoked: Revoked::new(),
            server: None,
            now: Now { wall: Wall::exact(NOW), uptime: Uptime(1000) },
            took: 0,
            busy: 0,
            random: Counting(0x100),
            door: Door::default(),
            room: Box::new(Room::new()),
        }
    }

    pub fn receive(&mut self, datagram: &[u8]) -> Response {
        self.receive_from(1, datagram)
    }

    pub fn receive_from(&mut self, peer: u8, datagram: &[u8]) -> Response {
        let mut edhoc = core::mem::replace(&mut self.edhoc, handshakes());
        let response = self.receive_with(&mut edhoc, peer, datagram);
        self.edhoc = edhoc;
        response
    }

    pub fn receive_with(&mut self, edhoc: &mut impl Edhoc<RustCrypto, u8>, peer: u8, datagram: &[u8]) -> Response {
        let mut door = core::mem::take(&mut self.door);
        let response = self.receive_for(&mut door, edhoc, peer, datagram);
        self.door = door;
        response
    }

    /// With other resources behind it than a door.
    pub fn receive_for(
        &mut self,
        resources: &mut impl Resources,
        edhoc: &mut impl Edhoc<RustCrypto, u8>,
        peer: u8,
        datagram: &[u8],
    ) -> Response {
        let message = Message::parse(datagram).unwrap();
        let head = Head { kind: Kind::Ack, id: message.id, token: message.token };
        let (reads, took) = (core::cell::Cell::new(0), self.took);
        let began = self.now.uptime.millis().plus(self.busy);
        // Only what is measured takes time: the first look is before it, the second behind it.
        let clock = || began.plus(if reads.replace(reads.get() + 1) == 0 { 0 } else { took });
        let mut server = ResourceServer {
            trust: &self.trust,
            sessions: &mut self.sessions,
            flash: &mut self.flash,
            edhoc,
            revoked: &mut self.revoked,
            introspect: self.server.as_mut().map(|server| server as &mut dyn Introspect),
            now: self.now,
            clock: &clock,
            crypto: &RustCrypto,
            random: &mut self.random,
        };
        let mut out = [0; 1152];
        let answer = server.answer(peer, &message, head, resources, &mut self.room, &mut out).unwrap();
        let response = Response { datagram: answer.datagram.to_vec(), event: answer.event };
        self.busy += if reads.get() > 1 { took } else { 0 };
        response
    }

    /// Off and on again: nothing is kept.
    pub fn reboot(&mut self) {
        self.sessions = Sessions::new();
        self.edhoc = handshakes();
        self.now.uptime = Uptime(0);
        self.random.0 += 1 << 20;
    }

    /// A plain request.
    pub fn plain(&mut self, code: Code, path: &str, options: &[(OptionNumber, &[u8])], payload: &[u8]) -> Response {
        self.receive(&request(code, path, options, payload))
    }

    /// Uploads a payload as RFC 9203 §4.1 wants it.
    pub fn upload_payload(&mut self, payload: &[u8]) -> Response {
        self.plain(Code::POST, "/authz-info", FORMAT_19, payload)
    }

    pub fn upload(&mut self, token: &[u8]) -> Response {
        self.upload_payload(&upload_payload(token, Some(&[1; 8]), Some(b"me")))
    }

    /// Uploads a token and derives the context that its holder would.
    pub fn open(&mut self, token: &[u8], id: &[u8], secret: &[u8]) -> Phone {
        let response = self.upload_payload(&upload_payload(token, Some(&[1; 8]), Some(id)));
        Phone::derive(&response, &[], id, secret, None)
    }

    /// The phone asks for something; the answer, decrypted if it was protected.
    pub fn ask(&mut self, phone: &mut Phone, code: Code, path: &str) -> (Code, Vec<u8>) {
        self.ask_with(phone, &request(code, path, &[], &[]))
    }

    pub fn ask_with(&mut self, phone: &mut Phone, request: &[u8]) -> (Code, Vec<u8>) {
        let (datagram, mut sent) = phone.protect(request);
        let response = self.receive(&datagram);
        phone.open(&mut sent, &response)
    }

    pub fn revoke(&mut self, token: TokenHash) {
        self.sessions.revoke(0, token, &mut self.revoked, &mut self.flash, &self.now).unwrap();
    }

    pub fn moves(&self) -> usize {
        self.door.0.len()
    }

    /// The refusal of an upload.
    pub fn refusal(&mut self, token: &[u8]) -> (Code, Option<Refusal>) {
        let response = self.upload(token);
        let refusal = match response.event {
            Event::Refused(refusal) => Some(refusal),
            _ => None,
        };
        (response.code(), refusal)
    }
}

/// Nobody is on the way in; the lock's identity, and both methods.
fn handshakes() -> Handshakes<'static, P256Private, u8, 3> {
    let (ccs, key) = (visitor::lock_ccs().leak(), Box::leak(Box::new(visitor::key(9))));
    Handshakes::new(Identity::ccs(ccs, key as _).unwrap(), &[Method::SignatureStaticDh, Method::StaticDhStaticDh])
}

/// The same with one bit changed.
pub fn flipped(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

pub const FORMAT_19: &[(OptionNumber, &[u8])] = &[(OptionNumber::CONTENT_FORMAT, &[19])];

pub fn upload_payload(token: &[u8], nonce1: Option<&[u8]>, client_recipient_id: Option<&[u8]>) -> Vec<u8> {
    let mut out = [0; 1024];
    let request = authz_info::Request { access_token: token, nonce1, client_recipient_id };
    request.encode(&mut out).unwrap().to_vec()
}

pub fn request(code: Code, path: &str, options: &[(OptionNumber, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut out = [0; 1152];
    let mut writer = Writer::new(&mut out, Kind::Con, code, 7, Token::new(&[0xaa]).unwrap());
    let lower = |option: &&(OptionNumber, &[u8])| option.0 < OptionNumber::URI_PATH;
    for &(number, value) in options.iter().filter(lower) {
        writer.option(number, value).unwrap();
    }
    writer.path(path).unwrap();
    for &(number, value) in options.iter().filter(|option| !lower(option)) {
        writer.option(number, value).unwrap();
    }
    writer.payload(payload).unwrap();
    writer.finish().unwrap().to_vec()
}

/// The holder of a key, real or pretended.
pub struct Phone(pub Context);

impl Phone {
    /// What RFC 9203 §4.3 has the client do with the answer to its upload.
    pub fn derive(response: &Response, salt: &[u8], id: &[u8], secret: &[u8], id_context: Option<&[u8]>) -> Self {
        let message = response.message();
        assert_eq!(message.code, Code::CREATED, "{:?}", response.event);
        assert_eq!(message.options.uint(OptionNumber::CONTENT_FORMAT), Some(19));
        let answer = authz_info::Response::decode(message.payload).unwrap();
        assert_ne!(answer.server_recipient_id, id);
        let mut buf = [0; 256];
        let material = Material {
            master_secret: secret,
            master_salt: master_salt(salt, &[1; 8], answer.nonce2, &mut buf).unwrap(),
            sender_id: answer.server_recipient_id,
            recipient_id: id,
            id_context,
        };
        Self(Context::derive(&RustCrypto, &material).unwrap())
    }

    pub fn protect(&mut self, request: &[u8]) -> (Vec<u8>, SentRequest) {
        let mut out = [0; 1152];
        let message = Message::parse(request).unwrap();
        let (datagram, sent) = self.0.protect_request(&RustCrypto, &message, &mut out).unwrap();
        (datagram.to_vec(), sent)
    }

    /// The code and payload of a response, from inside if it is protected.
    pub fn open(&self, sent: &mut SentRequest, response: &Response) -> (Code, Vec<u8>) {
        let outer = response.message();
        if !response.is_protected() {
            return (outer.code, outer.payload.to_vec());
        }
        let mut out = [0; 1152];
        let inner = self.0.unprotect_response(&RustCrypto, sent, &outer, &mut out).unwrap();
        (inner.code, inner.payload.to_vec())
    }
}
