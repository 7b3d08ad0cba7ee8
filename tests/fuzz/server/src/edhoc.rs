//! `/.well-known/edhoc` of the running server, between a robot that is registered and a fuzzer who is not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use latchwork_authz_server::audit::Audit;
use latchwork_authz_server::config::Config;
use latchwork_authz_server::core::bytes::hex;
use latchwork_authz_server::core::cedar::Cedar;
use latchwork_authz_server::core::edhoc::ccs;
use latchwork_authz_server::core::time::Timestamp;
use latchwork_authz_server::keys::Keys;
use latchwork_authz_server::shell::coap::Coap;
use latchwork_authz_server::shell::declaration::{Declaration, Existing};
use latchwork_authz_server::shell::throttle::{Rates, Throttle};
use latchwork_authz_server::shell::{Shell, tls};
use latchwork_authz_server::store::facts::Records;
use latchwork_authz_server::store::memory::Memory;
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::{P256Private, P256Public, RustCrypto, Secret};
use latchwork_edhoc::initiator::{self, Key, Offer};
use latchwork_edhoc::{ConnectionId, Credential, ErrorMessage, Identity, Method, correlation};
use latchwork_oscore::Context;
use latchwork_transport::CoapClient;
use latchwork_transport::client::Response;
use latchwork_transport::edhoc::{System, context};
use tokio::runtime::{Builder, Runtime};

use crate::{ISSUER, NOW};

/// A server that runs, and the robot's half.
pub struct Talk {
    runtime: Runtime,
    shell: Arc<Shell>,
    client: RefCell<CoapClient>,
    key: P256Private,
    ccs: Vec<u8>,
}

/// What came of a script.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Handshakes of the robot that ended in a context.
    pub contexts: usize,
    /// Answers that were message_2.
    pub seconds: usize,
    /// Refusals.
    pub refused: usize,
}

/// After message_2.
struct Third {
    c_r: ConnectionId,
    message: Vec<u8>,
    context: Context,
    /// Nothing but an error was sent in its name.
    untouched: bool,
}

/// Seconds since [`NOW`]. It goes on with each script, so that what one left behind is over.
static PASSED: AtomicI64 = AtomicI64::new(0);

impl Talk {
    /// Runs `look` with this thread's server.
    pub fn with(look: impl FnOnce(&Self)) {
        thread_local!(static TALK: RefCell<Talk> = RefCell::new(Talk::new()));
        TALK.with_borrow(look);
    }

    fn new() -> Self {
        tls::install_provider();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let shell = Arc::new(Shell {
            issuer: ISSUER.to_owned(),
            mtls_url: None,
            records: Records::new(Arc::new(Memory::default())),
            keys: Keys::random().expect("entropy"),
            policy: Arc::new(Cedar::embedded().expect("our own policies")),
            providers: Vec::new(),
            lifetimes: Config::parse("", &BTreeMap::new(), Path::new(".")).expect("the defaults").lifetimes,
            devices: Default::default(),
            clock: || Timestamp(NOW.0 + PASSED.load(Ordering::Relaxed)),
            audit: Audit::open(Some(Path::new("/dev/null"))).expect("/dev/null"),
            throttle: Mutex::new(unhurried()),
            trl: Default::default(),
        });
        let key = P256Private::new(Secret::new([5; 32])).expect("a scalar");
        let P256Public { x, y } = key.public().expect("a point");
        let ccs = ccs(b"robot", &x, &y).expect("a credential").0;
        let declaration = serde_json::json!({
            "client": [{ "id": "robot", "kind": "confidential", "edhoc": hex(&ccs) }],
        });
        let declaration: Declaration = serde_json::from_value(declaration).expect("a declaration");
        let (changes, _) = declaration.compare(&Existing::default(), &shell.keys).expect("a declaration");
        let client = runtime.block_on(async {
            shell.records.commit(&changes).await.expect("a store in memory");
            let coap = Coap::bind(Arc::clone(&shell), ([127, 0, 0, 1], 0).into(), 2048).await.expect("a port");
            let address = coap.address().expect("an address");
            tokio::spawn(coap.serve());
            CoapClient::connect(address).await.expect("a port")
        });
        Self { runtime, shell, client: RefCell::new(client), key, ccs }
    }

    /// Plays a script: steps of a kind, a length of two bytes, and bytes.
    ///
    /// # Panics
    /// The server opened a context for somebody else, refused the robot, or was in trouble.
    #[must_use]
    pub fn play(&self, mut data: &[u8]) -> Heard {
        PASSED.fetch_add(100, Ordering::Relaxed);
        *self.shell.throttle.lock().expect("no panic before") = unhurried();
        let mut client = self.client.borrow_mut();
        let (mut heard, mut third) = (Heard::default(), None::<Third>);
        while let Some(([kind, high, low], rest)) = data.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
            let (bytes, rest) = rest.split_at(length);
            data = rest;
            self.runtime.block_on(self.step(*kind, bytes, &mut client, &mut third, &mut heard));
        }
        heard
    }

    async fn step(
        &self,
        kind: u8,
        bytes: &[u8],
        client: &mut CoapClient,
        third: &mut Option<Third>,
        heard: &mut Heard,
    ) {
        match (kind % 4, &mut *third) {
            (0, _) => *third = self.begin(client, kind & 4 != 0).await.inspect(|_| heard.seconds += 1),
            // What the robot would send, and as it is only if the fuzzer adds nothing to it.
            (1, Some(known)) => {
                let wounded = wounded(&known.message, bytes);
                let got = send(client, Some(&known.c_r), &wounded).await;
                let proves = wounded == known.message;
                if answered(&got, heard, &wounded) {
                    assert!(proves && known.untouched, "a context without a proof");
                    let Third { context, .. } = third.take().expect("there was one");
                    heard.contexts += 1;
                    self.use_it(client, context).await;
                } else {
                    assert!(!(proves && known.untouched), "the robot was refused: {got:?}");
                    known.untouched &= ErrorMessage::parse(&wounded).is_ok();
                }
            }
            // In its name.
            (2, Some(known)) => {
                let got = send(client, Some(&known.c_r), bytes).await;
                assert!(!answered(&got, heard, bytes) || known.message == bytes, "a context without a proof");
                known.untouched &= ErrorMessage::parse(bytes).is_ok();
            }
            // Anything: `prefix` is in the bytes themselves.
            _ => {
                let got = post(client, bytes).await;
                assert!(
                    got.code != Code::CHANGED || !got.payload.is_empty() || is_error(bytes),
                    "a context for nobody"
                );
                heard.seconds += usize::from(got.code == Code::CHANGED && !got.payload.is_empty());
                heard.refused += usize::from(got.code != Code::CHANGED);
            }
        }
    }

    /// As far as message_3; none if the server has had too much.
    async fn begin(&self, client: &mut CoapClient, signs: bool) -> Option<Third> {
        let method = if signs { Method::SignatureStaticDh } else { Method::StaticDhStaticDh };
        let c_i = ConnectionId::new(&[0x2a]).expect("short");
        let offer = Offer { method, prefer: &[], c_i, eads: &[] };
        let mut room = [0; 512];
        let (sent, message_1) = initiator::start(&RustCrypto, &mut System, &offer, &mut room).expect("message_1");
        let mut got = send(client, None, message_1).await;
        if got.code == Code::TOO_MANY_REQUESTS {
            return None;
        }
        assert_eq!((got.code, got.protected), (Code::CHANGED, false), "{got:?}");
        let received = sent.receive(&RustCrypto, &mut got.payload, &[]).expect("message_2");
        let server = Credential::ccs(self.shell.keys.edhoc.as_ref().expect("it has one").ccs()).expect("a credential");
        let verified = received.verify(&RustCrypto, &server).expect("the server's proof");
        let c_r = verified.c_r();
        let key = if signs { Key::Sign(&self.key) } else { Key::Agree(&self.key) };
        let identity = Identity::ccs(&self.ccs, key).expect("a credential");
        let (sent, message) = verified.answer(&RustCrypto, &identity, &[], &mut room).expect("message_3");
        let keys = sent.session().oscore(&RustCrypto).expect("keys");
        let context = context(&keys).expect("a context");
        Some(Third { c_r, message: message.to_vec(), context, untouched: true })
    }

    /// What was opened is good.
    async fn use_it(&self, client: &mut CoapClient, context: Context) {
        client.set_context(Some(context));
        let got = client.request(Code::GET, "/trl", None, None, &[]).await.expect("an answer");
        client.set_context(None);
        assert_eq!((got.code, got.protected), (Code::CONTENT, true));
    }
}

/// Whether message_3 was taken.
fn answered(got: &Response, heard: &mut Heard, sent: &[u8]) -> bool {
    let taken = got.code == Code::CHANGED && ErrorMessage::parse(sent).is_err();
    heard.refused += usize::from(got.code != Code::CHANGED);
    taken
}

fn is_error(posted: &[u8]) -> bool {
    let mut posted = posted.to_vec();
    let parsed = correlation::Posted::parse(&mut posted);
    matches!(parsed, Ok(correlation::Posted::Next(_, message)) if ErrorMessage::parse(message).is_ok())
}

async fn send(client: &mut CoapClient, c_r: Option<&ConnectionId>, message: &[u8]) -> Response {
    let mut payload = vec![0; 16];
    let length = correlation::prefix(c_r, &mut payload).expect("room");
    payload.truncate(length);
    payload.extend_from_slice(message);
    post(client, &payload).await
}

async fn post(client: &mut CoapClient, payload: &[u8]) -> Response {
    let format = Some(ContentFormat::CID_EDHOC_CBOR_SEQ);
    let got = client.request(Code::POST, "/.well-known/edhoc", format, None, payload).await.expect("an answer");
    assert!(got.code.0 < Code::INTERNAL_SERVER_ERROR.0, "{got:?}");
    got
}

/// Pairs of a place and what is added there.
fn wounded(message: &[u8], pairs: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for [at, by] in pairs.as_chunks().0 {
        let place = usize::from(*at) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= by;
        }
    }
    bytes
}

fn unhurried() -> Throttle {
    Throttle::new(Rates { per_address: 0, per_client: 0 })
}

#[cfg(test)]
mod tests {
    use super::{Heard, Talk};

    #[test]
    fn the_seeds_are_heard() {
        let expected = [
            ("both_methods", Heard { contexts: 2, seconds: 2, refused: 0 }),
            ("errors_end_nothing", Heard { contexts: 1, seconds: 1, refused: 0 }),
            ("a_wound", Heard { contexts: 1, seconds: 2, refused: 2 }),
            ("rfc9529_message_1", Heard { contexts: 0, seconds: 1, refused: 2 }),
        ];
        Talk::with(|talk| {
            for (name, expected) in expected {
                let script = std::fs::read(format!("../seeds/server_edhoc/{name}")).expect("a seed");
                assert_eq!(talk.play(&script), expected, "{name}");
            }
        });
    }
}
