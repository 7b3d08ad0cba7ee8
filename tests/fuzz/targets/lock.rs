//! Datagrams at a door, one after the other, EDHOC with tokens in EAD_3 among them: without a key nothing opens it, and with every key
//! nothing breaks it.
#![no_main]

use latchwork_ace::Aif;
use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::{Kind, Message};
use latchwork_crypto::{
    Agree, CryptoError, Ephemeral, P256Private, P256Public, Random, RustCrypto, Secret, Symmetric, Verify,
};
use latchwork_edhoc::{Identity, Method};
use latchwork_fuzz::TakesEveryTag;
use latchwork_rs_lib::{
    Allowed, Event, Flash, FlashFailed, Freshness, Handshakes, Issuer, Key, NamedScope, Now, Reply, ResourceServer,
    Resources, Revoked, Room, Series, Sessions, TokenKey, Trust, Uptime, Wall,
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

fuzz_target!(|data: &[u8]| {
    let stranger = visit(data, &RustCrypto, &OWN);
    assert_eq!((stranger.tokens, stranger.opened, stranger.sessions), (0, 0, 0), "came in without a key");
    let insider = visit(data, &TakesEveryTag, &TakesEveryTag);
    assert!(insider.opened == 0 || insider.tokens > 0, "came in without a token");
});

/// What a series of datagrams achieved.
#[derive(Default)]
struct Visit {
    tokens: usize,
    opened: usize,
    sessions: usize,
}

fn visit<C: Symmetric + Verify + Ephemeral>(mut data: &[u8], crypto: &C, own: &C::Key) -> Visit {
    let token_key = Secret::new([7; 16]);
    let public = P256Public { x: [1; 32], y: [2; 32] }; // beside the curve: no signature is good under it
    let door = Aif::parse(&[0x81, 0x82, 0x65, b'/', b'd', b'o', b'o', b'r', 2]).expect("rights");
    let keys = [
        TokenKey { kid: b"k", key: Key::AesCcm(&token_key), retired: false },
        TokenKey { kid: b"s", key: Key::Es256(public), retired: false },
    ];
    let issuer =
        Issuer { name: "as", token_uri: "https://as.example/token", keys: &keys, ceiling: None, audiences: None };
    let trust = Trust {
        audience: "lock",
        groups: &["all"],
        issuers: &[issuer],
        freshness: Freshness::Clock,
        scopes: &[NamedScope { name: "door:open", grants: door }],
    };
    let (mut sessions, mut random, mut room) =
        (Sessions::<2, 2, 1>::new(), Counting(0), Box::new(Room::<u8, 768, 1>::new()));
    let mut revoked = Revoked::<[_; 2]>::new();
    let mut chip = Chip(None);
    sessions.remember(&trust, &mut chip, crypto).expect("a chip that reads");
    let (mut resources, mut visit) = (Door(0), Visit::default());

    let mut edhoc: Handshakes<'_, C::Key, u8, 2> =
        Handshakes::new(Identity::ccs(CCS, own as &dyn Agree).expect("a credential"), BOTH);

    // Each datagram behind its length, and the sender's address behind that.
    while let Some(([high, low, peer], rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (datagram, rest) = rest.split_at(length);
        data = rest;
        let Ok(message) = Message::parse(datagram) else { continue };
        if !message.code.is_request() {
            continue;
        }
        let mut server = ResourceServer {
            trust: &trust,
            sessions: &mut sessions,
            flash: &mut chip,
            edhoc: &mut edhoc,
            revoked: &mut revoked,
            introspect: None,
            now: Now { wall: Wall::exact(1_800_000_000), uptime: Uptime(1_000) },
            clock: &|| Millis(1_000_000),
            crypto,
            random: &mut random,
        };
        let head = Head { kind: Kind::Ack, id: message.id, token: message.token };
        let mut out = [0; 1024];
        let answer =
            server.answer(*peer, &message, head, &mut resources, &mut room, &mut out).expect("room for an answer");
        let response = Message::parse(answer.datagram).expect("an answer");
        assert!(response.code.is_response() && response.token == message.token);
        match answer.event {
            Event::Uploaded(_) | Event::Updated(_) => visit.tokens += 1,
            // Message_3 may have come together with the request.
            Event::Served(..) => (visit.tokens, visit.opened) = (visit.tokens + 1, visit.opened + 1),
            _ => {}
        }
        visit.sessions = visit.sessions.max(sessions.live() + sessions.pending());
        assert!(edhoc.waiting() <= 2);
        assert_eq!(resources.0, visit.opened, "served behind the server's back");
    }
    visit
}

static OWN: LazyLock<P256Private> = LazyLock::new(|| P256Private::new(Secret::new([5; 32])).expect("a key"));

const BOTH: &[Method] = &[Method::SignatureStaticDh, Method::StaticDhStaticDh];

/// A credential with a kid, of a key that is somewhere.
const CCS: &[u8] = b"\xa1\x08\xa1\x01\xa5\x01\x02\x02\x41\x00\x20\x01\x21\x58\x2011111111111111111111111111111111\x22\x58\x2022222222222222222222222222222222";

/// Counts how often it was opened.
struct Door(usize);

impl Resources for Door {
    fn paths(&self) -> &[&str] {
        &["/door"]
    }

    fn serve<'r>(&mut self, _: Allowed<'_>, request: &Message<'_>, _: &Now, _: &'r mut [u8]) -> Reply<'r> {
        assert!(request.options.path_eq("/door"), "allowed elsewhere");
        self.0 += 1;
        Reply::code(latchwork_coap::Code::CHANGED)
    }
}

/// Flash for one series.
struct Chip(Option<u64>);

impl Flash for Chip {
    fn read(&mut self, _: Series) -> Result<Option<u64>, FlashFailed> {
        Ok(self.0)
    }

    fn write(&mut self, _: Series, number: u64) -> Result<(), FlashFailed> {
        assert!(Some(number) > self.0, "a number comes back");
        self.0 = Some(number);
        Ok(())
    }
}

/// Numbers that do not repeat, and that a seed can foresee.
struct Counting(u64);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.0 += 1;
        out.fill(0);
        for (byte, counted) in out.iter_mut().rev().zip(self.0.to_le_bytes()) {
            *byte = counted;
        }
        Ok(())
    }
}
