//! The lock in C (`examples/door-lock/c`), on a Cortex-M4 in QEMU: a token opens it, a forged one does not, with its cryptography in
//! software and by functions in C. `make image` builds both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/support/mod.rs"]
mod support;

use latchwork_coap::Code;
use latchwork_door_lock_slip::{Decoder, Packet, encode};
use latchwork_edhoc::Method;
use latchwork_rs_lib::Event as Happened;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, SystemTime};
use support::mint::*;
use support::visitor::{BOTH, FORMAT_65, Visitor, claims, combined, posted, with};
use support::{Phone, Response, request, upload_payload};

const SECRET: &[u8] = b"sixteen secrets!";

const SOFTWARE: &str = "software";
const ACCELERATED: &str = "accelerated";

/// The board, what it says on its console, and the line to it.
struct Board {
    qemu: Child,
    console: BufReader<ChildStderr>,
    line: UnixStream,
    sent: u16,
}

impl Board {
    fn start(name: &str, variant: &str) -> Self {
        let image = image(variant);
        let socket = std::env::temp_dir().join(format!("latchwork-{name}-{}.line", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-machine", "mps2-an386", "-cpu", "cortex-m4", "-display", "none", "-monitor", "none"]);
        qemu.args(["-semihosting-config", "enable=on,target=native", "-icount", "shift=0"]);
        qemu.arg("-serial").arg(format!("unix:{}", socket.display())).arg("-kernel").arg(&image);
        let mut qemu = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let console = BufReader::new(qemu.stderr.take().unwrap());
        let (line, _) = listener.accept().unwrap();
        line.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = std::fs::remove_file(&socket);
        let mut board = Self { qemu, console, line, sent: 0 };
        assert!(board.said().starts_with("did start "));
        assert_eq!([board.said(), board.said()], ["bolt locked", "locked, and waiting"]);
        board
    }

    /// The next line on the console.
    fn said(&mut self) -> String {
        let mut line = String::new();
        self.console.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What the lock answers, and what it says that it did.
    fn exchange(&mut self, datagram: &[u8]) -> (Response, String) {
        let (us, them) = ("10.0.2.2:40000".parse().unwrap(), "10.0.2.15:5683".parse().unwrap());
        let mut datagram = datagram.to_vec();
        self.sent += 1;
        datagram[2..4].copy_from_slice(&self.sent.to_be_bytes());
        let (mut room, mut bytes) = ([0; 2048], Vec::new());
        let packet = Packet { from: us, to: them, payload: &datagram }.write(&mut room).unwrap();
        encode(packet, |byte| bytes.push(byte));
        self.line.write_all(&bytes).unwrap();
        let mut decoder = Decoder::<2048>::new();
        let datagram = loop {
            let mut byte = [0];
            self.line.read_exact(&mut byte).unwrap();
            if let Some(packet) = decoder.push(byte[0]).and_then(Packet::parse) {
                assert_eq!((packet.from, packet.to), (them, us));
                break packet.payload.to_vec();
            }
        };
        let mut did = self.said();
        while !did.starts_with("did ") {
            did = format!("{did}; {}", self.said());
            if did.contains("; did ") {
                break;
            }
        }
        (Response { datagram, event: Happened::Block }, did)
    }

    /// Again and again while the board says that it is too much: its time stands still while nobody asks it anything.
    fn patiently(&mut self, ask: impl Fn(&mut Self) -> (Response, String)) -> (Response, String) {
        let mut patience = 0;
        loop {
            let (response, did) = ask(self);
            if response.code() != Code::TOO_MANY_REQUESTS || patience == 1000 {
                return (response, did);
            }
            patience += 1;
        }
    }

    fn upload(&mut self, token: &[u8]) -> (Response, String) {
        let payload = upload_payload(token, Some(&[1; 8]), Some(b"me"));
        self.exchange(&request(Code::POST, "/authz-info", support::FORMAT_19, &payload))
    }

    fn ask(&mut self, phone: &mut Phone, code: Code) -> (Code, Vec<u8>, String) {
        let (datagram, mut sent) = phone.protect(&request(code, "/door", &[], &[]));
        let (response, did) = self.exchange(&datagram);
        let (code, payload) = phone.open(&mut sent, &response);
        (code, payload, did)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn image(variant: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let built = |target: &Path| target.join(format!("capi/door-lock-{variant}"));
    let found = here.ancestors().map(built).find(|path| path.is_file());
    found.expect("the image is not built: make image")
}

#[allow(clippy::disallowed_methods, reason = "the board reads the same clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

/// A token for the next ten minutes of the host, whose clock the board reads.
fn token() -> Claims {
    let scope = aif(&[("/door", 3)]);
    good(osc(b"7", SECRET)).set(EXP, now() + 600).set(SCOPE, scope)
}

#[test]
fn a_lock_in_c_on_a_microcontroller() {
    let mut board = Board::start("lock", SOFTWARE);

    let forged = encrypted_with(header(KID, &[9; 13]), &[8; 16], &token().encode());
    let expired = encrypted(&token().set(EXP, 1_700_000_000));
    for (what, token, code) in [
        ("forged", &forged[..], Code::UNAUTHORIZED),
        ("expired", &expired, Code::UNAUTHORIZED),
        ("for another", &encrypted(&token().set(AUD, "urn:latchwork:lock:back")), Code::FORBIDDEN),
        ("noise", &[0x5a; 40], Code::BAD_REQUEST),
    ] {
        let (response, did) = board.upload(token);
        assert_eq!(response.code(), code, "{what}");
        assert!(did.starts_with("did refused "), "{what}: {did}");
    }
    let (response, did) = board.exchange(&request(Code::POST, "/door", &[], &[]));
    response.assert_hints();
    assert!(did.starts_with("did unauthorized "), "{did}");

    let (response, did) = board.upload(&encrypted(&token()));
    assert!(did.starts_with("did uploaded "), "{did}");
    let mut thief = Phone::derive(&response, &[], b"me", b"a guessed secret", None);
    let mut phone = Phone::derive(&response, &[], b"me", SECRET, None);
    let (code, _, did) = board.ask(&mut thief, Code::POST);
    assert_eq!(code, Code::BAD_REQUEST, "{did}");
    assert!(did.starts_with("did not-verified "), "{did}");

    assert_eq!(board.ask(&mut phone, Code::GET).1, b"locked");
    let (code, payload, did) = board.ask(&mut phone, Code::POST);
    assert_eq!((code, &payload[..]), (Code::CHANGED, &b""[..]), "{did}");
    assert!(did.starts_with("bolt unlocked ") && did.contains("; did served ticks "), "{did}");
    assert_eq!(board.ask(&mut phone, Code::GET).1, b"unlocked");
}

/// ES256 by assembly: what the portable backend takes it takes, and nothing else.
#[test]
fn signatures_on_a_microcontroller() {
    let mut board = Board::start("signatures", SOFTWARE);
    let within = |signed: &[u8]| encrypted_with(header(KID, &[9; 13]), &KEY, &signed[2..]);
    let token = signed(&token());
    let (before, signature) = token.split_at(token.len() - 64);
    let (r, s) = signature.split_at(32);
    let parsed = p256::ecdsa::Signature::from_slice(signature).unwrap();
    let (_, scalar) = parsed.split_scalars();
    let twin = (-*scalar).to_bytes();
    let order =
        [&[0xff; 4][..], &[0; 4], &[0xff; 8], b"\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51"]
            .concat();
    let changed = |at: usize| {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        changed
    };
    let mut seconds = Vec::new();
    for (what, signature, is_good) in [
        ("as it was made", signature.to_vec(), true),
        ("its twin n - s", [r, &twin[..]].concat(), true),
        ("zeros", vec![0; 64], false),
        ("r is zero", [&[0; 32], s].concat(), false),
        ("s is zero", [r, &[0; 32]].concat(), false),
        ("r is n", [&order[..], s].concat(), false),
        ("s is n", [r, &order].concat(), false),
        ("the highest", vec![0xff; 64], false),
        ("another bit of r", changed(0), false),
        ("another bit of r", changed(31), false),
        ("another bit of s", changed(32), false),
        ("another bit of s", changed(63), false),
    ] {
        let token = within(&[before, &signature].concat());
        let (response, did) = board.patiently(|board| board.upload(&token));
        let expected = if is_good { Code::CREATED } else { Code::UNAUTHORIZED };
        assert_eq!(response.code(), expected, "{what}: {did}");
        seconds.push(did);
    }
    // 40 instructions a tick; the portable backend takes 10 million.
    let ticks = seconds[0].split(' ').nth(3).unwrap().parse::<u64>().unwrap();
    assert!((10_000..60_000).contains(&ticks), "{ticks} ticks");
}

/// By EDHOC with the key of `lock_config.h`, cold in two exchanges, warm in one, beside its symmetric tokens. Somebody else's token opens nothing.
fn a_key_opens(board: &mut Board) {
    for (method, ada) in BOTH.into_iter().zip(1..) {
        let mut ada = Visitor { method, ..Visitor::new(ada) };
        let token = signed(&claims(&ada.ccs, b"s1").set(EXP, now() + 600).set(SCOPE, aif(&[("/door", 3)])));
        let mut thief = Visitor::new(3);
        // No more than four handshakes are begun in a second of the board.
        for (visitor, opens) in [(&mut thief, false), (&mut ada, true)] {
            if !opens && method == Method::StaticDhStaticDh {
                continue;
            }
            let (sent, message) = visitor.message_1(&[]);
            let (response, did) = board.exchange(&request(Code::POST, "/.well-known/edhoc", FORMAT_65, &message));
            assert!(did.starts_with("did begun "), "{did}");
            let greeted = visitor.verify(sent, &response);
            let (message_3, mut phone) = visitor.message_3(greeted, &[with(&token)]);
            let (datagram, mut sent) = phone.protect(&request(Code::POST, "/door", &[], &[]));
            let (response, did) = board.exchange(&combined(&datagram, &message_3));
            let (code, _) = phone.open(&mut sent, &response);
            if !opens {
                assert_eq!(code, Code::BAD_REQUEST, "{did}");
                assert!(did.starts_with("did refused "), "{did}");
                continue;
            }
            assert_eq!(code, Code::CHANGED, "{did}");
            assert!(did.starts_with("bolt unlocked ") && did.contains("; did served ticks "), "{did}");
            assert_eq!(board.ask(&mut phone, Code::GET).1, b"unlocked");
        }
    }
    // x = 1 is on no point of the curve.
    let off_curve = [&[0xf5, 1, 2, 0x58, 0x20][..], &[0; 31], &[1, 1]].concat();
    let off_curve = request(Code::POST, "/.well-known/edhoc", FORMAT_65, &off_curve);
    let (response, did) = board.exchange(&off_curve);
    assert_eq!(response.code(), Code::BAD_REQUEST, "{did}");
    assert!(did.starts_with("did handshake-failed "), "{did}");
    let unknown = latchwork_edhoc::ConnectionId::new(&[9; 3]);
    let (_, did) =
        board.exchange(&request(Code::POST, "/.well-known/edhoc", FORMAT_65, &posted(unknown.as_ref(), &[0x58, 0xff])));
    assert!(did.starts_with("did other "), "{did}");
}

#[test]
fn a_key_opens_a_lock_in_c() {
    a_key_opens(&mut Board::start("key", SOFTWARE));
}

/// What `accelerator.c` counts: the lock links no AES and no P-256 of ours, and comes to the same answers.
#[test]
fn an_accelerator_does_the_work() {
    let mut board = Board::start("accelerator", ACCELERATED);
    let calls = |did: &str| {
        let (_, calls) = did.rsplit_once(" hardware ").unwrap();
        calls.split(' ').map(|number| number.parse().unwrap()).collect::<Vec<u32>>()
    };
    let (response, did) = board.upload(&encrypted(&token()));
    assert!(calls(&did)[0] > 10 && calls(&did)[1..] == [0; 3], "{did}");
    let mut phone = Phone::derive(&response, &[], b"me", SECRET, None);
    assert_eq!(board.ask(&mut phone, Code::POST).0, Code::CHANGED);
    a_key_opens(&mut board);
    let (_, did) = board.exchange(&request(Code::POST, "/door", &[], &[]));
    // Two visitors and a thief: three tokens verified, and method 1; two agreements each, one more by method 3; and the bad point.
    assert_eq!(calls(&did)[1..], [4, 4, 8], "{did}");

    let symbols = Command::new("arm-none-eabi-nm").arg("-C").arg(image(ACCELERATED)).output().unwrap().stdout;
    let symbols = String::from_utf8(symbols).unwrap();
    assert!(symbols.contains("p256_agree") && symbols.contains("latchwork_receive"));
    for foreign in ["aes::", "<aes", "p256::", "primeorder", "crypto_bigint", "P256_"] {
        assert!(!symbols.contains(foreign), "{foreign} is in the image");
    }
}
