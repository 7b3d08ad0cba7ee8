//! A lock that says anything, or what a lock would say, or that with something bent.

use latchwork_ace::{Claims, Cnf, CoseKey, authz_info};
use latchwork_coap::{Code, Kind, Message, OptionNumber, Options, Token, Writer};
use latchwork_crypto::{CryptoError, P256Private, Random, RustCrypto, Secret};
use latchwork_edhoc::correlation::{Posted, split_combined};
use latchwork_edhoc::responder::{ReceivedMessage1, SentMessage2, VerifiedMessage3};
use latchwork_edhoc::{ConnectionId, Credential, Identity, Method};
use latchwork_oscore::{Context, Incoming, Material, master_salt};

use crate::script::Answer;

/// The secret of a token, as the server gave it to the phone.
#[derive(Clone, Debug)]
pub(crate) struct OfToken {
    pub(crate) master_secret: Vec<u8>,
    pub(crate) salt: Vec<u8>,
    pub(crate) context_id: Option<Vec<u8>>,
}

/// What a lock knows.
#[derive(Default)]
pub(crate) struct Lock {
    /// The secrets of the tokens that were given, the newest last.
    pub(crate) secrets: Vec<OfToken>,
    /// Whether it said, under a key that only it and the phone have, that the door is open.
    pub(crate) opened: bool,
    /// What it said in the clear.
    pub(crate) in_the_clear: Vec<Vec<u8>>,
    context: Option<Context>,
    handshake: Option<SentMessage2<P256Private>>,
}

impl Lock {
    pub(crate) fn knowing(secret: OfToken) -> Self {
        Self { secrets: vec![secret], ..Self::default() }
    }

    /// What goes back. The last two end the wait of a phone that could make nothing of the first.
    pub(crate) fn answer(&mut self, request: &Message<'_>, answer: Option<Answer>) -> Vec<Vec<u8>> {
        if !(1..32).contains(&request.code.0) {
            return Vec::new();
        }
        let mut datagrams = Vec::new();
        if let Some(answer) = answer {
            datagrams.extend(match answer.how % 4 {
                0 => Some(answer.content),
                1 => self.plain(request, &answer),
                2 => self.honest(request, &answer, false),
                _ => self.honest(request, &answer, true),
            });
        }
        let mut rejected = [0; 4];
        let rejected = Writer::new(&mut rejected, Kind::Rst, Code::EMPTY, request.id, Token::EMPTY);
        datagrams.push(rejected.finish().expect("room").to_vec());
        let mut failed = [0; 64];
        let failed = Writer::new(&mut failed, Kind::Non, Code(0xa0), !request.id, request.token);
        datagrams.push(failed.finish().expect("room").to_vec());
        datagrams
    }

    /// In the clear: a code, and as ACE CBOR or not, a payload.
    fn plain(&mut self, request: &Message<'_>, answer: &Answer) -> Option<Vec<u8>> {
        self.in_the_clear.push(answer.content.clone());
        let mut out = vec![0; answer.content.len() + 64];
        let mut writer = Writer::new(&mut out, Kind::Ack, code(answer.more), request.id, request.token);
        if answer.how & 4 == 0 {
            writer.uint_option(OptionNumber::CONTENT_FORMAT, 19).ok()?;
        }
        if !answer.content.is_empty() {
            writer.payload(&answer.content).ok()?;
        }
        Some(writer.finish().ok()?.to_vec())
    }

    /// What this lock would say, if it can; `bent`, with one bit of it turned.
    fn honest(&mut self, request: &Message<'_>, answer: &Answer, bent: bool) -> Option<Vec<u8>> {
        let (mut datagram, opens) = if request.options.get(OptionNumber::OSCORE).is_some() {
            self.protected(request, answer)?
        } else if request.options.path_eq("/authz-info") {
            (self.uploaded(request)?, false)
        } else {
            (self.edhoc(request)?, false)
        };
        if bent {
            let bit = usize::from(answer.content.first().copied().unwrap_or_default()) * 8 + usize::from(answer.more);
            // The header is the network's.
            let at = 12 + bit / 8 % datagram.len().saturating_sub(12).max(1);
            *datagram.get_mut(at)? ^= 1 << (bit % 8);
        } else {
            self.opened |= opens;
        }
        Some(datagram)
    }

    fn uploaded(&mut self, request: &Message<'_>) -> Option<Vec<u8>> {
        let upload = authz_info::Request::decode(request.payload).ok()?;
        let (secret, id1) = (self.secrets.last()?, upload.client_recipient_id?);
        let (nonce2, id2) = ([0x22; 8], [0xff, 0x16]);
        let mut room = vec![0; secret.salt.len() + 64];
        let salt = master_salt(&secret.salt, upload.nonce1?, &nonce2, &mut room).ok()?;
        let material = Material {
            master_secret: &secret.master_secret,
            master_salt: salt,
            sender_id: id1,
            recipient_id: &id2,
            id_context: secret.context_id.as_deref(),
        };
        self.context = Context::derive(&RustCrypto, &material).ok();
        let mut payload = [0; 64];
        let answer = authz_info::Response { nonce2: &nonce2, server_recipient_id: &id2 };
        in_ace(request, Code::CREATED, answer.encode(&mut payload).ok()?)
    }

    fn edhoc(&mut self, request: &Message<'_>) -> Option<Vec<u8>> {
        let mut payload = request.payload.to_vec();
        match Posted::parse(&mut payload).ok()? {
            Posted::First(message_1) => {
                let received = ReceivedMessage1::parse(message_1, &[Method::SignatureStaticDh], &[]).ok()?;
                let (key, ccs) = (key(), ccs());
                let identity = Identity::ccs(&ccs, &key as _).ok()?;
                let c_r = ConnectionId::new(&[0x2a, 0x2a, 0x2a])?;
                let mut out = [0; 512];
                let (sent, message_2) = received.answer(&RustCrypto, &mut Drawn, &identity, c_r, &[], &mut out).ok()?;
                self.handshake = Some(sent);
                in_ace(request, Code::CHANGED, message_2)
            }
            Posted::Next(_, message_3) => {
                let verified = self.third(message_3)?;
                let mut out = [0; 64];
                let (session, message_4) = verified.answer(&RustCrypto, &[], &mut out).ok()?;
                self.context = context(&session);
                in_ace(request, Code::CHANGED, message_4)
            }
        }
    }

    fn third(&mut self, message_3: &mut [u8]) -> Option<VerifiedMessage3> {
        let received = self.handshake.take()?.receive(&RustCrypto, message_3, &[TOKEN]).ok()?;
        received.verify(&RustCrypto, &Credential::ccs(&phone_ccs()).ok()?).ok()
    }

    /// Under the context: a code, and options with a payload as they stand in a message, or else the payload.
    fn protected(&mut self, request: &Message<'_>, answer: &Answer) -> Option<(Vec<u8>, bool)> {
        let combined = request.options.get(OptionNumber::EDHOC).is_some();
        let mut payload = request.payload.to_vec();
        let at = if combined {
            let (message_3, _) = split_combined(&mut payload).ok()?;
            let at = message_3.len();
            let verified = self.third(message_3)?;
            self.context = context(&verified.finish());
            at
        } else {
            0
        };
        let mut room = [0; 512];
        let mut writer = Writer::new(&mut room, request.kind, request.code, request.id, request.token);
        for (number, value) in request.options.filter(|(number, _)| *number != OptionNumber::EDHOC) {
            writer.option(number, value).ok()?;
        }
        writer.payload(payload.get(at..)?).ok()?;
        let outer = Message::parse(writer.finish().ok()?).ok()?;

        let (context, mut inner) = (self.context.as_mut()?, vec![0; 1024]);
        let Ok(Incoming::Request(_, mut received)) = context.unprotect_request(&RustCrypto, &outer, &mut inner) else {
            return None;
        };
        let (options, payload) = Options::parse(&answer.content).unwrap_or((Options::default(), &answer.content));
        let (kind, code) = (Kind::Ack, code(answer.more));
        let response = Message { kind, code, id: request.id, token: request.token, options, payload };
        let mut out = vec![0; answer.content.len() + 128];
        let datagram = context.protect_response(&RustCrypto, &mut received, &response, &mut out).ok()?;
        Some((datagram.to_vec(), code == Code::CHANGED))
    }
}

/// Any, but what a phone waits for a second after (4.29).
fn code(code: u8) -> Code {
    match code {
        0 => Code::CHANGED,
        0x9d => Code(0x9c),
        code => Code(code),
    }
}

fn in_ace(request: &Message<'_>, code: Code, payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; 1024];
    let mut writer = Writer::new(&mut out, Kind::Ack, code, request.id, request.token);
    writer.uint_option(OptionNumber::CONTENT_FORMAT, 19).ok()?.payload(payload).ok()?;
    Some(writer.finish().ok()?.to_vec())
}

fn context(session: &latchwork_edhoc::Session) -> Option<Context> {
    let keys = session.oscore(&RustCrypto).ok()?;
    let material = Material {
        master_secret: keys.master_secret.expose(),
        master_salt: keys.master_salt.expose(),
        sender_id: keys.sender_id.as_bytes(),
        recipient_id: keys.recipient_id.as_bytes(),
        id_context: None,
    };
    Context::derive(&RustCrypto, &material).ok()
}

fn key() -> P256Private {
    P256Private::new(Secret::new([9; 32])).expect("a key")
}

/// The lock's credential.
pub(crate) fn ccs() -> Vec<u8> {
    named(&key(), &[0])
}

/// The phone's, as it names itself.
fn phone_ccs() -> Vec<u8> {
    named(&P256Private::new(Secret::new(PHONE)).expect("a key"), &[1])
}

fn named(key: &P256Private, kid: &[u8]) -> Vec<u8> {
    let public = key.public().expect("a point");
    let key = CoseKey { kid: Some(kid), ..CoseKey::p256(&public.x, &public.y) };
    let claims = Claims { cnf: Some(Cnf::CoseKey(key)), ..Claims::default() };
    claims.encode(&mut [0; 96]).expect("room").to_vec()
}

/// The same number in every run.
struct Drawn;

impl Random for Drawn {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(5);
        Ok(())
    }
}

/// The private key of the phone.
pub(crate) const PHONE: [u8; 32] = [7; 32];

/// What EAD_3 has the token under.
const TOKEN: u32 = latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
