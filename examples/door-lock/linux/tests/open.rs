//! The real binary over a real socket: a token of the test's making moves the bolt, and nothing else does. What the bolt
//! did is read from its record, not from what the lock answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../../rs-lib/tests/support/mint.rs"]
#[allow(dead_code, unreachable_pub)]
mod mint;

use latchwork_ace::{Hints, authz_info};
use latchwork_coap::{Code, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, master_salt};
use mint::*;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SECRET: &[u8] = b"sixteen secrets!";

struct Lock {
    command: Command,
    process: Child,
    dir: TempDir,
    socket: UdpSocket,
    id: u16,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Lock {
    fn start() -> Self {
        Self::recording("record")
    }

    /// `record` is relative to the lock's own directory.
    fn recording(record: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("front.lock"), config()).unwrap();
        let mut lock = Command::new(env!("CARGO_BIN_EXE_door-lock"));
        lock.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(dir.path().join("front.lock"));
        lock.arg("--record").arg(dir.path().join(record)).arg("--state").arg(dir.path().join("state"));
        lock.args(["--system-clock", "trusted"]).arg("--clock-offset-file").arg(dir.path().join("offset"));
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        lock.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(log);
        let (process, socket) = switch_on(&mut lock);
        Self { command: lock, process, dir, socket, id: 0 }
    }

    /// Cuts the power and gives it back.
    fn reboot(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, self.socket) = switch_on(&mut self.command);
    }

    fn exchange(&mut self, datagram: &[u8]) -> Vec<u8> {
        self.socket.send(datagram).unwrap();
        let mut buf = [0; 2048];
        let length = self.socket.recv(&mut buf).unwrap();
        buf[..length].to_vec()
    }

    fn request(&mut self, code: Code, path: &str, format: Option<u32>, payload: &[u8]) -> Vec<u8> {
        self.id += 1;
        let mut buf = [0; 1100];
        let mut writer = Writer::new(&mut buf, Kind::Con, code, self.id, Token::new(&[1, 2]).unwrap());
        writer.path(path).unwrap();
        if let Some(format) = format {
            writer.uint_option(OptionNumber::CONTENT_FORMAT, format).unwrap();
        }
        writer.payload(payload).unwrap();
        writer.finish().unwrap().to_vec()
    }

    fn upload(&mut self, token: &[u8]) -> (Code, Vec<u8>) {
        let mut payload = [0; 1024];
        let request =
            authz_info::Request { access_token: token, nonce1: Some(&[1; 8]), client_recipient_id: Some(b"ph") };
        let payload = request.encode(&mut payload).unwrap().to_vec();
        let datagram = self.request(Code::POST, "/authz-info", Some(19), &payload);
        let answer = self.exchange(&datagram);
        let message = Message::parse(&answer).unwrap();
        (message.code, message.payload.to_vec())
    }

    fn open(&mut self, token: &[u8], secret: &[u8]) -> Context {
        let (code, payload) = self.upload(token);
        assert_eq!(code, Code::CREATED);
        let answer = authz_info::Response::decode(&payload).unwrap();
        let mut salt = [0; 64];
        let material = Material {
            master_secret: secret,
            master_salt: master_salt(&[], &[1; 8], answer.nonce2, &mut salt).unwrap(),
            sender_id: answer.server_recipient_id,
            recipient_id: b"ph",
            id_context: None,
        };
        Context::derive(&RustCrypto, &material).unwrap()
    }

    fn ask(&mut self, context: &mut Context, code: Code) -> (Code, Vec<u8>) {
        let plain = self.request(code, "/door", None, &[]);
        let mut out = [0; 1152];
        let (datagram, mut sent) =
            context.protect_request(&RustCrypto, &Message::parse(&plain).unwrap(), &mut out).unwrap();
        let answer = self.exchange(datagram);
        let outer = Message::parse(&answer).unwrap();
        if outer.options.get(OptionNumber::OSCORE).is_none() {
            return (outer.code, outer.payload.to_vec());
        }
        let mut out = [0; 1152];
        let inner = context.unprotect_response(&RustCrypto, &mut sent, &outer, &mut out).unwrap();
        (inner.code, inner.payload.to_vec())
    }

    /// Moves the lock's clock.
    fn offset(&self, text: &str) {
        let (new, name) = (self.dir.path().join("new"), self.dir.path().join("offset"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, name).unwrap();
    }

    /// How often the bolt opened.
    fn openings(&self) -> usize {
        self.moves().iter().filter(|bolt| *bolt == "unlocked").count()
    }

    /// Where the bolt went, move by move.
    fn moves(&self) -> Vec<String> {
        let record = std::fs::read_to_string(self.dir.path().join("record")).unwrap();
        let bolt = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["bolt"].as_str().unwrap().to_owned();
        record.lines().map(bolt).collect()
    }
}

fn switch_on(lock: &mut Command) -> (Child, UdpSocket) {
    let mut process = lock.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on coap://").expect("says where it listens");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (process, socket)
}

fn config() -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!(
        r#"
issuer = "{ISSUER}"
aud = "{LOCK}"
groups = []
as_uri = "{ISSUER}/token"
door = "front"
clock = "clock"
[token_key]
kid = "{}"
key = "{}"
[[scopes]]
name = "door:open"
aif = [["/door", 2]]
"#,
        hex(KID),
        hex(&KEY)
    )
}

/// A token that ends ten minutes from now, by the system's clock.
fn claims() -> Claims {
    #[allow(clippy::disallowed_methods)] // the lock under test goes by the system's clock
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    good(osc(b"7", SECRET)).set(EXP, now + 600).set(SCOPE, aif(&[("/door", 3)]))
}

/// R9200-5.10.1-03, R9200-5.10.1-04, R9700-4.9.3-01
#[test]
fn a_token_opens_the_door() {
    let mut lock = Lock::start();
    let token = encrypted(&claims());
    let mut phone = lock.open(&token, SECRET);
    assert_eq!(lock.openings(), 0);
    assert_eq!(lock.ask(&mut phone, Code::GET), (Code::CONTENT, b"locked".to_vec()));
    assert_eq!(lock.ask(&mut phone, Code::POST), (Code::CHANGED, vec![]));
    assert_eq!(lock.openings(), 1);
    assert_eq!(lock.ask(&mut phone, Code::PUT).0, Code::METHOD_NOT_ALLOWED);

    let record = std::fs::read_to_string(lock.dir.path().join("record")).unwrap();
    let line: serde_json::Value = serde_json::from_str(record.lines().last().unwrap()).unwrap();
    assert_eq!(line["bolt"], "unlocked");
    assert_eq!(line["holder"].as_str().unwrap().len(), 64);

    let log = std::fs::read(lock.dir.path().join("log")).unwrap();
    let contains = |needle: &[u8]| log.windows(needle.len()).any(|window| window == needle);
    assert!(contains(line["holder"].as_str().unwrap().as_bytes()), "the log names the token by its hash");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (what, secret) in [("token", &token[..]), ("secret", SECRET), ("key", &KEY)] {
        assert!(!contains(secret) && !contains(hex(secret).as_bytes()), "{what} in the log");
    }
}

/// R9200-5.2-01
#[test]
fn nothing_else_does() {
    let mut lock = Lock::start();
    let plain = lock.request(Code::POST, "/door", None, &[]);
    let answer = lock.exchange(&plain);
    let answer = Message::parse(&answer).unwrap();
    let hints = Hints::decode(answer.payload).unwrap();
    assert_eq!((answer.code, hints.audience), (Code::UNAUTHORIZED, Some(LOCK)));

    for (what, token, code) in [
        ("forged", encrypted_with(header(KID, &[1; 13]), &[7; 16], &claims().encode()), Code::UNAUTHORIZED),
        ("unknown key", encrypted_with(header(b"x", &[1; 13]), &KEY, &claims().encode()), Code::UNAUTHORIZED),
        ("another lock's", encrypted(&claims().set(AUD, "urn:latchwork:lock:back")), Code::FORBIDDEN),
        ("expired", encrypted(&claims().set(EXP, 1_700_000_000)), Code::UNAUTHORIZED),
        ("noise", vec![1, 2, 3], Code::BAD_REQUEST),
    ] {
        assert_eq!(lock.upload(&token).0, code, "{what}");
    }
    let mut thief = lock.open(&encrypted(&claims()), b"a guess");
    assert_eq!(lock.ask(&mut thief, Code::POST).0, Code::BAD_REQUEST);
    assert_eq!(lock.openings(), 0);
}

#[test]
fn a_right_ends_by_the_clock_of_the_lock() {
    let mut lock = Lock::start();
    let token = encrypted(&claims());
    let mut phone = lock.open(&token, SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST).0, Code::CHANGED);
    lock.offset("unknown\n");
    assert_eq!(lock.upload(&token).0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut phone, Code::POST).0, Code::UNAUTHORIZED);
    lock.offset("3600\n");
    assert_eq!(lock.upload(&token).0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut phone, Code::POST).0, Code::UNAUTHORIZED);
    lock.offset("0\n");
    assert_eq!(lock.ask(&mut phone, Code::POST).0, Code::UNAUTHORIZED, "the session is gone");
    assert_eq!(lock.openings(), 1);
}

/// Whoever reads the log learns when tokens stop opening, and when they open again: once each.
#[test]
fn the_log_says_when_the_date_is_lost_and_found() {
    let mut lock = Lock::start();
    for (offset, lost, found) in [("0", 0, 0), ("unknown", 1, 0), ("0", 1, 1), ("unknown", 2, 1), ("3600", 2, 2)] {
        lock.offset(offset);
        for _ in 0..3 {
            lock.exchange(&[0x40, 0, 0x12, 0x34]);
        }
        let log = std::fs::read_to_string(lock.dir.path().join("log")).unwrap();
        let said = |words| log.matches(words).count();
        assert_eq!((said("no token opens"), said("is kept (again)")), (lost, found), "{offset}: {log}");
    }
}

/// The same datagram again is a repetition, and the same bytes under another message ID or from another port a replay.
/// R7252-4.5-01
#[test]
fn a_repetition_moves_nothing() {
    let mut lock = Lock::start();
    let mut phone = lock.open(&encrypted(&claims()), SECRET);
    let plain = lock.request(Code::POST, "/door", None, &[]);
    let mut out = [0; 1152];
    let (datagram, _) = phone.protect_request(&RustCrypto, &Message::parse(&plain).unwrap(), &mut out).unwrap();
    let mut datagram = datagram.to_vec();
    let first = lock.exchange(&datagram);
    assert_eq!(lock.exchange(&datagram), first);
    datagram[2] ^= 1;
    let code = |bytes: &[u8]| Message::parse(bytes).unwrap().code;
    assert_eq!(code(&lock.exchange(&datagram)), Code::UNAUTHORIZED);
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    elsewhere.connect(lock.socket.peer_addr().unwrap()).unwrap();
    lock.socket = elsewhere;
    lock.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    datagram[2] ^= 1;
    assert_eq!(code(&lock.exchange(&datagram)), Code::UNAUTHORIZED);
    assert_eq!(lock.openings(), 1);
}

/// What was not recorded did not happen: a bolt that does not move is no open door.
#[test]
fn a_bolt_that_is_stuck() {
    let mut lock = Lock::recording("/dev/full");
    let mut phone = lock.open(&encrypted(&claims()), SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST).0, Code::INTERNAL_SERVER_ERROR);
    assert_eq!(lock.ask(&mut phone, Code::GET), (Code::CONTENT, b"unlocked".to_vec()), "for all that it knows");
}

/// The power goes while the door is open: it is locked again before anybody is heard.
#[test]
fn a_power_cut_while_the_door_is_open() {
    let mut lock = Lock::start();
    let mut phone = lock.open(&encrypted(&claims()), SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST).0, Code::CHANGED);
    lock.reboot();
    assert_eq!(lock.moves(), ["locked", "unlocked", "locked"]);
}

/// Of all that is wrong with a non-confirmable request, only an unknown critical option is rejected in silence
/// (RFC 7252 §5.4.1).
/// R7252-5.4.1-02
#[test]
fn non_confirmable_requests() {
    let mut lock = Lock::start();
    for (what, option, code) in [
        ("an unknown critical option", (OptionNumber(2049), &[][..]), None),
        ("nothing", (OptionNumber::SIZE1, &[1][..]), Some(Code::BAD_REQUEST)),
        ("a block without those before it", (OptionNumber::BLOCK1, &[0x10]), Some(Code::REQUEST_ENTITY_INCOMPLETE)),
        ("a proxy", (OptionNumber::PROXY_SCHEME, b"coap"), Some(Code::PROXYING_NOT_SUPPORTED)),
    ] {
        lock.id += 1;
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf, Kind::Non, Code::POST, lock.id, Token::new(&[1, 2]).unwrap());
        writer.path("/authz-info").unwrap().option(option.0, option.1).unwrap().payload(b"?").unwrap();
        lock.socket.send(writer.finish().unwrap()).unwrap();
        // A ping shows where silence ends.
        let ping = [0x40, 0, 0xff, lock.id as u8];
        let mut answer = lock.exchange(&ping);
        let pong = [0x70, 0, 0xff, lock.id as u8];
        let answered = (answer != pong).then(|| Message::parse(&answer).unwrap().code);
        assert_eq!(answered, code, "{what}");
        if answered.is_some() {
            answer.resize(4, 0);
            lock.socket.recv(&mut answer).unwrap();
            assert_eq!(answer, pong);
        }
    }
}

#[test]
fn datagrams_that_are_no_requests() {
    let mut lock = Lock::start();
    for silent in [&[][..], &[0; 3], &[0xff; 100], &[0x55, 1, 0, 0], &[0; 1300], &[0x5f; 1152]] {
        lock.socket.send(silent).unwrap();
    }
    assert_eq!(lock.exchange(&[0x45, 1, 0x43, 0x21]), [0x70, 0, 0x43, 0x21], "malformed, but confirmable");
    assert_eq!(lock.exchange(&[0x40, 0, 0x12, 0x34]), [0x70, 0, 0x12, 0x34], "a ping");
    assert_eq!(lock.process.try_wait().unwrap(), None);
}

/// R9201-7-01
#[test]
fn keygen_keeps_the_private_half() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let keygen = || Command::new(env!("CARGO_BIN_EXE_door-lock")).args(["keygen", "--key"]).arg(&key).output().unwrap();
    let made = keygen();
    assert!(made.status.success());
    let private = std::fs::read_to_string(&key).unwrap();
    assert_eq!(private.trim().len(), 64);
    assert!(!String::from_utf8(made.stdout).unwrap().contains(private.trim()));
    assert!(!keygen().status.success(), "never overwrites");
}

/// What is wrong is said in one line that names it and shows no key; the lock does not run, but the bolt is locked if it can be.
#[test]
fn a_lock_that_cannot_start() {
    let dir = tempfile::tempdir().unwrap();
    let (good, short) = (dir.path().join("good.lock"), dir.path().join("short.lock"));
    std::fs::write(&good, config()).unwrap();
    let half = "74686520";
    std::fs::write(&short, config().replace("6c6f636b2773206b65792e2e", "")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap().to_string();
    let nowhere = dir.path().join("none/record");
    let record = dir.path().join("record");
    for (config, listen, record, says) in [
        (&dir.path().join("none.lock"), "127.0.0.1:0", &record, "none.lock"),
        (&short, "127.0.0.1:0", &record, "token_key.key"),
        (&good, "127.0.0.1:0", &nowhere, "none/record"),
        (&good, &*taken, &record, &*taken),
    ] {
        let mut lock = Command::new(env!("CARGO_BIN_EXE_door-lock"));
        lock.arg("serve").arg("--config").arg(config).arg("--record").arg(record).args(["--listen", listen]);
        let ended = lock.output().unwrap();
        let log = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{says}");
        let wrong: Vec<_> = log.lines().filter(|line| !line.contains("the bolt moved")).collect();
        assert!(wrong.len() == 1 && wrong[0].contains(says) && !log.contains(half), "{log}");
        assert!(ended.stdout.is_empty(), "{says}");
    }
}

/// Two locks on one state would count from the same numbers; when the first is gone, however it went, the next may have it.
#[test]
fn two_locks_on_one_state() {
    let mut first = Lock::start();
    let (config, state) = (first.dir.path().join("front.lock"), first.dir.path().join("state"));
    let record = first.dir.path().join("record-2");
    let second = |listen: &str| {
        let mut lock = Command::new(env!("CARGO_BIN_EXE_door-lock"));
        lock.arg("serve").args(["--listen", listen]).arg("--config").arg(&config);
        lock.arg("--record").arg(&record).arg("--state").arg(&state);
        lock.output().unwrap()
    };
    let log = |ended: std::process::Output| String::from_utf8(ended.stderr).unwrap();
    let refused = log(second("127.0.0.1:0"));
    let says = format!("{}: another lock uses this state", state.display());
    assert!(refused.contains(&says) && refused.lines().count() == 1, "{refused}");

    first.process.kill().unwrap();
    first.process.wait().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap().to_string();
    let later = log(second(&taken));
    assert!(later.contains(&taken) && !later.contains(&says), "gets as far as the address: {later}");
}
