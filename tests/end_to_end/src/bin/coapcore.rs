//! What `coapcore` costs on the same board for the same work: `make nightly`, or `tests/firmware/coapcore/build` and this.
//!
//! Its image (tests/firmware/coapcore) takes EDHOC of method 3 together with the first request, and further requests; we are the
//! client. Prints the figures in the form of `docs/footprint.tsv`.
//!
//! No token travels in EAD_3: coapcore 0.1 takes it only without the byte string that RFC 9528 §3.8 puts round it. It knows our key.

#![allow(clippy::print_stdout, reason = "figures are the output")]

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, ExitCode};
use std::time::Duration;

use latchwork_ace::{Claims, Cnf, CoseKey};
use latchwork_building::Outcome;
use latchwork_building::board::{Board, Pace, image};
use latchwork_coap::message::{Code, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::{P256Private, RustCrypto, Secret};
use latchwork_edhoc::initiator::{self, Key, Offer};
use latchwork_edhoc::{ConnectionId, Credential, Identity, Method};
use latchwork_oscore::Context;
use latchwork_transport::edhoc::{System, context};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coapcore: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let directory = std::env::temp_dir().join(format!("latchwork-coapcore-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let done = measure(&directory);
    fs::remove_dir_all(&directory)?;
    done
}

fn measure(directory: &std::path::Path) -> Outcome<()> {
    // It has no flash; the board has a chip nevertheless.
    let chip = directory.join("chip");
    File::create(&chip)?.set_len(CHIP)?;
    let board = Board::start("coapcore", "coapcore", &chip, directory, Pace::Instructions)?;
    open(board.address())?;
    // It answers first and tells then.
    let told = |said: &str| said.lines().filter(|line| line.starts_with("did ")).map(str::to_owned).collect::<Vec<_>>();
    let mut said = String::new();
    for _ in 0..500 {
        said = fs::read_to_string(board.process.log())?;
        if told(&said).len() >= STEPS.len() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let steps = told(&said);
    if steps.len() != STEPS.len() || said.lines().filter(|line| *line == "bolt unlocked").count() != 2 {
        return Err(format!("it did not open twice:\n{said}").into());
    }
    let number = |line: &str, label: &str| -> Outcome<u64> {
        let mut words = line.split(' ').skip_while(|word| *word != label).skip(1);
        Ok(words.next().ok_or("a step without its cost")?.parse()?)
    };
    let listed = Command::new("arm-none-eabi-size").arg(image("coapcore")?).output()?.stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let sizes: Vec<u64> =
        listed.lines().nth(1).unwrap_or_default().split_whitespace().map_while(|n| n.parse().ok()).collect();
    let [text, data, bss, ..] = sizes.as_slice() else { return Err("no sizes".into()) };
    println!("coapcore: flash, bytes\t{}", text + data);
    println!("coapcore: statics, bytes\t{}", data + bss);
    for (name, step) in STEPS.iter().zip(&steps) {
        println!("coapcore: {name}, instructions\t{}", number(step, "ticks")? * INSTRUCTIONS_PER_TICK);
    }
    let most = |label| -> Outcome<u64> {
        let numbers: Vec<u64> = steps.iter().map(|step| number(step, label)).collect::<Outcome<_>>()?;
        Ok(numbers.into_iter().max().unwrap_or_default())
    };
    println!("coapcore: RAM held for good, bytes\t{}", most("held")?);
    println!("coapcore: stack beyond it, bytes\t{}", most("stack")?);
    Ok(())
}

/// Opens the door twice: by EDHOC together with the first request, and on the context that this made.
fn open(door: SocketAddr) -> Outcome<()> {
    let wrong = |error: latchwork_edhoc::Error| error.to_string();
    let c = &RustCrypto;
    let mut link = Link::to(door)?;
    let mut buffer = [0; 1024];
    let c_i = ConnectionId::new(&[0x17]).ok_or("no identifier")?;
    let offer = Offer { method: Method::StaticDhStaticDh, prefer: &[], c_i, eads: &[] };
    let (sent, message_1) = initiator::start(c, &mut System, &offer, &mut buffer).map_err(wrong)?;
    let first = link.request(&[0xf5], "/.well-known/edhoc", message_1)?;
    let mut message_2 = link.exchange(&first)?.payload;
    let received = sent.receive(c, &mut message_2, &[]).map_err(wrong)?;
    let verified = received.verify(c, &Credential::ccs(LOCK)?).map_err(wrong)?;

    let key = P256Private::new(Secret::new([0x33; 32])).map_err(|e| format!("{e:?}"))?;
    let public = key.public().map_err(|e| format!("{e:?}"))?;
    let cose = CoseKey { kid: Some(&[1]), ..CoseKey::p256(&public.x, &public.y) };
    let claims = Claims { cnf: Some(Cnf::CoseKey(cose)), ..Claims::default() };
    let mut ccs = [0; 96];
    let ccs = claims.encode(&mut ccs).map_err(|e| format!("{e:?}"))?;
    let identity = Identity::ccs(ccs, Key::Agree(&key))?;
    let (sent, message_3) = verified.answer(c, &identity, &[], &mut buffer).map_err(wrong)?;
    let keys = sent.session().oscore(c).map_err(wrong)?;
    let mut context = context(&keys).map_err(|e| format!("{e:?}"))?;

    link.opens(&mut context, Some(message_3))?;
    link.opens(&mut context, None)
}

/// Message_3 and the request in one datagram (RFC 9668 §3.2.1).
fn together(datagram: &[u8], message_3: &[u8]) -> Outcome<Vec<u8>> {
    let outer = Message::parse(datagram).map_err(|e| format!("{e:?}"))?;
    let full = |_| "a datagram too small for its content";
    let mut out = [0; 1024];
    let mut writer = Writer::new(&mut out, outer.kind, outer.code, outer.id, outer.token);
    let mut options: Vec<_> = outer.options.collect();
    options.push((OptionNumber::EDHOC, &[]));
    options.sort_by_key(|(number, _)| *number);
    for (number, value) in options {
        writer.option(number, value).map_err(full)?;
    }
    writer.payload(&[message_3, outer.payload].concat()).map_err(full)?;
    Ok(writer.finish().map_err(full)?.to_vec())
}

/// A socket and the last message id.
struct Link {
    socket: UdpSocket,
    id: u16,
}

struct Answer {
    datagram: Vec<u8>,
    payload: Vec<u8>,
}

impl Link {
    fn to(door: SocketAddr) -> Outcome<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(door)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, id: 0 })
    }

    fn request(&mut self, prefix: &[u8], path: &str, payload: &[u8]) -> Outcome<Vec<u8>> {
        self.id += 1;
        let full = |_| "a datagram too small for its content";
        let mut out = [0; 512];
        let mut writer = Writer::new(&mut out, Kind::Con, Code::POST, self.id, Token::EMPTY);
        writer.path(path).map_err(full)?;
        writer.payload(&[prefix, payload].concat()).map_err(full)?;
        Ok(writer.finish().map_err(full)?.to_vec())
    }

    /// Opens the door, and with the first request on a context sends message_3.
    fn opens(&mut self, context: &mut Context, message_3: Option<&[u8]>) -> Outcome<()> {
        let c = &RustCrypto;
        let plain = self.request(&[], "/door", &[])?;
        let plain = Message::parse(&plain).map_err(|e| format!("{e:?}"))?;
        let mut out = [0; 512];
        let (datagram, mut request) = context.protect_request(c, &plain, &mut out).map_err(|e| format!("{e:?}"))?;
        let datagram = match message_3 {
            Some(message_3) => together(datagram, message_3)?,
            None => datagram.to_vec(),
        };
        let answer = self.exchange(&datagram)?;
        let outer = Message::parse(&answer.datagram).map_err(|e| format!("{e:?}"))?;
        let mut out = [0; 512];
        let inner = context.unprotect_response(c, &mut request, &outer, &mut out);
        let inner = inner.map_err(|e| format!("{e:?} in {:?} {:x?}", outer.code, answer.payload))?;
        if inner.code == Code::CHANGED { Ok(()) } else { Err(format!("the door says {:?}", inner.code).into()) }
    }

    fn exchange(&self, datagram: &[u8]) -> Outcome<Answer> {
        self.socket.send(datagram)?;
        let mut buffer = [0; 2048];
        let length = self.socket.recv(&mut buffer)?;
        let datagram = buffer.get(..length).unwrap_or_default().to_vec();
        let message = Message::parse(&datagram).map_err(|e| format!("{e:?}"))?;
        Ok(Answer { payload: message.payload.to_vec(), datagram })
    }
}

/// The credential of RFC 9529 §3.3, which the image has.
const LOCK: &[u8] =
    b"\xa2\x02\x6b\x65\x78\x61\x6d\x70\x6c\x65\x2e\x65\x64\x75\x08\xa1\x01\xa5\x01\x02\x02\x41\x32\x20\x01\
    \x21\x58\x20\xbb\xc3\x49\x60\x52\x6e\xa4\xd3\x2e\x94\x0c\xad\x2a\x23\x41\x48\xdd\xc2\x17\x91\xa1\x2a\
    \xfb\xcb\xac\x93\x62\x20\x46\xdd\x44\xf0\x22\x58\x20\x45\x19\xe2\x57\x23\x6b\x2a\x0c\xe2\x02\x3f\x09\
    \x31\xf1\xf3\x86\xca\x7a\xfd\xa6\x4f\xcd\xe0\x10\x8c\x22\x4c\x51\xea\xbf\x60\x72";

/// What it does, in this order.
const STEPS: [&str; 3] = ["message_1", "message_3 of method 3 and a request", "next request"];

const CHIP: u64 = 16 << 20;

/// A timer of 25 MHz, and one nanosecond for each instruction.
const INSTRUCTIONS_PER_TICK: u64 = 40;

/// Two agreements in QEMU on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
