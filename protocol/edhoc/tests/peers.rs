//! Handshakes with implementations that never saw this one: `tests/interop/edhoc_peer.py`, written from RFC 9528 alone, and lakers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use common::{BOTH, CRED_I, CRED_R, SK_I, SK_R, hex, id, key};
use latchwork_crypto::{CryptoError, Random, RustCrypto};
use latchwork_edhoc::{
    Credential, Ead, IdCred, Identity, Method, Session,
    initiator::{self, Key, Offer},
    responder::ReceivedMessage1,
};

const PEER: &str = "tests/interop/edhoc_peer.py";
const TRACES: &str = "tests/interop/edhoc_traces.py";
const LAKERS: &str = "tests/interop/edhoc_lakers.py";

/// The Python that `make setup` prepares; without it there is nobody to talk to, and the run says so. `make test` does not run
/// without: it sets `LATCHWORK_PEERS`.
fn python(script: &str) -> Option<Command> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/tools/python/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("LATCHWORK_PEERS").is_none(), "{script}: run `make setup` for its Python");
        // Not by `eprintln`, which the test harness swallows.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {script}: run `make setup` for its Python");
        return None;
    }
    let mut command = Command::new(python);
    command.arg(root.join(script));
    Some(command)
}

struct Peer {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(script: &str, arguments: &[String]) -> Option<Self> {
        let mut command = python(script)?;
        let mut process = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Some(Self { process, input, output: BufReader::new(output).lines() })
    }

    fn send(&mut self, message: &[u8]) {
        writeln!(self.input, "message {}", digits(message)).unwrap();
    }

    fn hear(&mut self, expected: &str) -> Vec<u8> {
        let Some(line) = self.output.next() else {
            let mut why = String::new();
            std::io::Read::read_to_string(&mut self.process.stderr.take().unwrap(), &mut why).unwrap();
            panic!("no {expected}: {why}");
        };
        let line = line.unwrap();
        let (word, text) = line.split_once(' ').unwrap();
        assert_eq!(word, expected);
        hex(text)
    }

    fn has_the_keys_of(&mut self, session: &Session) {
        let keys = session.oscore(&RustCrypto).unwrap();
        let mut exported = [0; 40];
        session.export(&RustCrypto, 23, &[1, 2], &mut exported).unwrap();
        assert_eq!(self.hear("secret"), keys.master_secret.expose());
        assert_eq!(self.hear("salt"), keys.master_salt.expose());
        assert_eq!(self.hear("exported"), exported);
        assert!(self.process.wait().unwrap().success());
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The head of a byte string, by hand.
fn head(length: usize) -> String {
    match length {
        0..24 => format!("{:02x}", 0x40 + length),
        24..256 => format!("58{length:02x}"),
        _ => format!("59{length:04x}"),
    }
}

/// Fresh every time, as the RFC wants it.
struct System;

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        let mut source = std::fs::File::open("/dev/urandom").map_err(|_| CryptoError::Backend)?;
        std::io::Read::read_exact(&mut source, out).map_err(|_| CryptoError::Backend)
    }
}

fn map(id_cred: IdCred<'_>) -> String {
    match id_cred {
        IdCred::Kid(kid) => format!("a104{}{}", head(kid.len()), digits(kid)),
        IdCred::Kccs(ccs) => format!("a10e{}", digits(ccs)),
        IdCred::Other(map) => digits(map),
    }
}

/// One conversation. `own` items go with each of our messages, `theirs` is what the peer says in each of its.
struct Talk<'t> {
    script: &'t str,
    method: Method,
    id_cred_i: IdCred<'t>,
    id_cred_r: IdCred<'t>,
    own: &'t [Ead<'t>],
    /// The peer's argument, and what we must hear of it.
    theirs: (String, Vec<Ead<'t>>),
}

impl Talk<'_> {
    fn arguments(
        &self,
        role: &str,
        c: &[u8],
        key: &str,
        cred: &str,
        peer_cred: &str,
        id_cred: IdCred<'_>,
    ) -> Vec<String> {
        let mut arguments = vec![
            role.to_owned(),
            format!("method={:02x}", self.method.number()),
            format!("c={}", digits(c)),
            format!("key={key}"),
            format!("cred={}", digits(&hex(cred))),
            format!("peer_cred={}", digits(&hex(peer_cred))),
            format!("id_cred={}", map(id_cred)),
        ];
        if !self.theirs.0.is_empty() {
            arguments.push(self.theirs.0.clone());
        }
        arguments
    }

    fn with_a_responder(&self) -> Option<()> {
        let c = &RustCrypto;
        let (cred_i, cred_r, private) = (hex(CRED_I), hex(CRED_R), key(SK_I));
        let arguments = self.arguments("responder", &[0x27], SK_R, CRED_R, CRED_I, self.id_cred_r);
        let mut peer = Peer::start(self.script, &arguments)?;
        let mut out = [0; 2000];
        let early = if self.script == LAKERS { &[] } else { self.own };
        let offer = Offer { method: self.method, prefer: &[], c_i: id(&[0x37]), eads: early };
        let (sent, message) = initiator::start(c, &mut System, &offer, &mut out).unwrap();
        peer.send(message);
        let mut message = peer.hear("message");
        let received = sent.receive(c, &mut message, &[]).unwrap();
        assert_eq!(received.id_cred(), self.id_cred_r);
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), self.theirs.1);
        let verified = received.verify(c, &Credential::ccs(&cred_r).unwrap()).unwrap();
        let own = match self.method {
            Method::SignatureStaticDh => Key::Sign(&private),
            Method::StaticDhStaticDh => Key::Agree(&private),
        };
        let identity = Identity { id_cred: self.id_cred_i, cred: &cred_i, key: own };
        let (sent, message) = verified.answer(c, &identity, self.own, &mut out).unwrap();
        peer.send(message);
        let mut message = peer.hear("message");
        let (session, _) = sent.receive(c, &mut message, &[]).unwrap();
        self.check_heard(&mut peer);
        peer.has_the_keys_of(&session);
        Some(())
    }

    fn with_an_initiator(&self) -> Option<()> {
        let c = &RustCrypto;
        let (cred_i, cred_r, private) = (hex(CRED_I), hex(CRED_R), key(SK_R));
        let arguments = self.arguments("initiator", &[0x37], SK_I, CRED_I, CRED_R, self.id_cred_i);
        let mut peer = Peer::start(self.script, &arguments)?;
        let message = peer.hear("message");
        let received = ReceivedMessage1::parse(&message, BOTH, &[]).unwrap();
        assert_eq!((received.method(), received.c_i()), (self.method, id(&[0x37])));
        let identity = Identity { id_cred: self.id_cred_r, cred: &cred_r, key: &private as _ };
        let mut out = [0; 2000];
        let (sent, message) = received.answer(c, &mut System, &identity, id(&[0x27]), self.own, &mut out).unwrap();
        peer.send(message);
        let mut message = peer.hear("message");
        let received = sent.receive(c, &mut message, &[]).unwrap();
        assert_eq!(received.id_cred(), self.id_cred_i);
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), self.theirs.1);
        let verified = received.verify(c, &Credential::ccs(&cred_i).unwrap()).unwrap();
        let later = if self.script == LAKERS { &[] } else { self.own };
        let (session, message) = verified.answer(c, later, &mut out).unwrap();
        peer.send(message);
        self.check_heard(&mut peer);
        peer.has_the_keys_of(&session);
        Some(())
    }

    /// Our items came, to the peer once in each message, to lakers in one.
    fn check_heard(&self, peer: &mut Peer) {
        if self.script == LAKERS {
            self.own.iter().for_each(|ead| assert_eq!(Some(&peer.hear("ead")[..]), ead.value));
            return;
        }
        let expected = self.own.iter().fold(String::new(), |text, ead| {
            let value = ead.value.unwrap();
            text + &format!("{:02x}{}{}", ead.label, head(value.len()), digits(value))
        });
        assert_eq!(digits(&peer.hear("eads")), expected.repeat(2));
    }
}

/// RFC 9529: section 2, which has signatures as method 1 has, and section 3 with the suite that is refused first.
#[test]
fn the_peer_makes_the_traces_of_the_rfc() {
    if let Some(mut command) = python(TRACES) {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn with_a_peer_from_the_rfc_alone() {
    let cred_i = hex(CRED_I);
    for &method in BOTH {
        for length in [0, 60, 200, 255, 256, 512] {
            let value = vec![0x5a; length];
            let own = [Ead::new(1, &value), Ead::new(2, b"x")];
            let (text, items) = if length == 0 {
                (String::new(), vec![])
            } else {
                (format!("eads=03{}{}", head(length), digits(&value)), vec![Ead::new(3, &value)])
            };
            for id_cred_i in [IdCred::Kid(&[0x2b]), IdCred::Kccs(&cred_i)] {
                let talk = Talk {
                    script: PEER,
                    method,
                    id_cred_i,
                    id_cred_r: IdCred::Kid(&[0x32]),
                    own: if length == 0 { &[] } else { &own },
                    theirs: (text.clone(), items.clone()),
                };
                let Some(()) = talk.with_a_responder() else { return };
                talk.with_an_initiator();
            }
        }
    }
}

/// Method 3. Its contexts have one byte of length, so a credential by value leaves no room for an item.
#[test]
fn with_lakers() {
    let (cred_i, cred_r) = (hex(CRED_I), hex(CRED_R));
    let by_kid = [IdCred::Kid(&[0x2b]), IdCred::Kid(&[0x32])];
    for ([id_cred_i, id_cred_r], value) in [
        (by_kid, None),
        (by_kid, Some(&b"voucher"[..])),
        (by_kid, Some(&[7; 60])),
        ([IdCred::Kccs(&cred_i), IdCred::Kccs(&cred_r)], None),
    ] {
        let own: Vec<_> = value.iter().map(|value| Ead::new(2, value)).collect();
        let talk = Talk {
            script: LAKERS,
            method: Method::StaticDhStaticDh,
            id_cred_i,
            id_cred_r,
            own: &own,
            theirs: (
                value.map_or(String::new(), |value| format!("ead={}", digits(value))),
                value.iter().map(|value| Ead::new(1, value)).collect(),
            ),
        };
        let Some(()) = talk.with_a_responder() else { return };
        talk.with_an_initiator();
    }
}
