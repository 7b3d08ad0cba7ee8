//! Whatever a server answers about a token that only it understands: nobody gets in whom ciborium would keep out.
#![no_main]

use std::sync::LazyLock;

use ciborium::Value;
use latchwork_ace::authz_info;
use latchwork_ace::introspection::IntrospectionResponse;
use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::{Code, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::{CryptoError, Random, RustCrypto};
use latchwork_fuzz::claims::{self, EXI, EXP, NBF, Theirs};
use latchwork_rs_lib::{
    Allowed, Event, Flash, FlashFailed, Freshness, Introspect, Introspected, Issuer, NoEdhoc, Now, Reply,
    ResourceServer, Resources, Revoked, Room, Series, Sessions, TokenHash, Trust, Uptime, Wall,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&REACHED);
    let ours = IntrospectionResponse::decode(data);
    if let Ok(ours) = ours {
        claims::agree(&ours.claims, data);
        if let Some(theirs) = Theirs::read(data) {
            assert_eq!(theirs.find(ACTIVE), Some(&Value::Bool(ours.active)));
            assert_eq!(theirs.text(24), ours.client_id);
        }
    }
    if !opens(data) {
        return;
    }
    assert!(ours.is_ok_and(|ours| ours.active), "came in on an answer that says no");
    let Some(theirs) = Theirs::read(data) else { return };
    assert_eq!(theirs.find(ACTIVE), Some(&Value::Bool(true)));
    assert!(theirs.audiences().contains(&"lock"), "for another lock, or for a group");
    assert!(theirs.text(1).is_none_or(|iss| iss == "as"), "in another's name");
    assert!(theirs.time(EXP).is_none_or(|exp| exp > NOW.into()), "expired");
    assert!(theirs.time(NBF).is_none_or(|nbf| nbf <= NOW.into()), "not yet valid");
    assert!(theirs.find(EXP).is_some() || theirs.find(EXI).is_some(), "without an end");
});

/// Seeds open, so there is something to look at.
static REACHED: LazyLock<()> = LazyLock::new(|| {
    let seeds: [&[u8]; 2] =
        [include_bytes!("../seeds/introspection/active"), include_bytes!("../seeds/introspection/counts_from_receipt")];
    assert!(seeds.into_iter().all(opens), "a seed does not open");
});

/// Whether a token about which a server says this opens a session.
fn opens(said: &[u8]) -> bool {
    let issuer =
        Issuer { name: "as", token_uri: "https://as.example/token", keys: &[], ceiling: None, audiences: None };
    let trust =
        Trust { audience: "lock", groups: &["all"], issuers: &[issuer], freshness: Freshness::Clock, scopes: &[] };
    let (mut sessions, mut room) = (Sessions::<1, 1, 1>::new(), Box::new(Room::<u8, 2560, 1>::new()));
    sessions.remember(&trust, &mut Chip, &RustCrypto).expect("a chip that reads");
    let message = Message::parse(&UPLOAD).expect("a request");
    let answer = ResourceServer {
        trust: &trust,
        sessions: &mut sessions,
        flash: &mut Chip,
        edhoc: &mut NoEdhoc,
        revoked: &mut Revoked::<[_; 1]>::new(),
        introspect: Some(&mut Said(said)),
        now: Now { wall: Wall::exact(NOW), uptime: Uptime(1_000) },
        clock: &|| Millis(1_000_000),
        crypto: &RustCrypto,
        random: &mut Ones,
    }
    .answer(
        7,
        &message,
        Head { kind: Kind::Ack, id: message.id, token: message.token },
        &mut Door,
        &mut room,
        &mut [0; 256],
    )
    .expect("room for an answer")
    .event;
    let opened = matches!(answer, Event::Uploaded(_));
    assert_eq!(sessions.pending(), usize::from(opened));
    opened
}

static UPLOAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (mut payload, mut out) = ([0; 128], [0; 256]);
    let upload = authz_info::Request {
        access_token: b"a reference to a token",
        nonce1: Some(&[1; 8]),
        client_recipient_id: Some(b"me"),
    };
    let payload = upload.encode(&mut payload).expect("room");
    let mut writer = Writer::new(&mut out, Kind::Con, Code::POST, 7, Token::EMPTY);
    writer.path("/authz-info").expect("room");
    writer.option(OptionNumber::CONTENT_FORMAT, &[19]).expect("room");
    writer.payload(payload).expect("room");
    writer.finish().expect("room").to_vec()
});

/// A server that says this.
struct Said<'s>(&'s [u8]);

impl Introspect for Said<'_> {
    fn introspect<'r>(&mut self, _: &[u8], _: &TokenHash, _: &Now, room: &'r mut [u8]) -> Introspected<'r> {
        match room.get_mut(..self.0.len()) {
            None => Introspected::Unreachable,
            Some(payload) => {
                payload.copy_from_slice(self.0);
                Introspected::Answer { issuer: 0, payload }
            }
        }
    }
}

struct Door;

impl Resources for Door {
    fn paths(&self) -> &[&str] {
        &["/door"]
    }

    fn serve<'r>(&mut self, _: Allowed<'_>, _: &Message<'_>, _: &Now, _: &'r mut [u8]) -> Reply<'r> {
        panic!("nobody proved a key")
    }
}

/// Flash that an upload must not write to.
struct Chip;

impl Flash for Chip {
    fn read(&mut self, _: Series) -> Result<Option<u64>, FlashFailed> {
        Ok(Some(4))
    }

    fn write(&mut self, _: Series, _: u64) -> Result<(), FlashFailed> {
        panic!("an upload wrote to flash")
    }
}

struct Ones;

impl Random for Ones {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(1);
        Ok(())
    }
}

const ACTIVE: i64 = 10;
const NOW: i64 = 1_800_000_000;
