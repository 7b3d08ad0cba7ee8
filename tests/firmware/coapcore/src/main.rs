//! A door behind `coapcore` on a Cortex-M4, to be measured beside ours: the same board, the same line, the same work.
//!
//! Encrypted tokens at `/authz-info`, and EDHOC of method 3 with tokens signed by ES256 in EAD_3 or with a client that it knows, together
//! with the first request (RFC 9668). Of a message layer there is the least that answers: no deduplication, no blocks, no counters in flash. Its keys
//! are public and its random numbers are not random: it guards nothing.

#![no_std]
#![no_main]

#[path = "../../../../examples/door-lock/cortex-m/src/board.rs"]
#[allow(dead_code, reason = "the lock of the same board uses more of it")]
mod board;
#[path = "../../../../examples/door-lock/cortex-m/src/console.rs"]
#[allow(dead_code, reason = "the lock of the same board uses more of it")]
mod console;
mod door;
#[path = "../../../../examples/door-lock/cortex-m/src/measure.rs"]
mod measure;
#[path = "../../../../examples/door-lock/cortex-m/src/panic.rs"]
mod panic;
mod random;

use coap_handler::Handler;
use coap_message::error::RenderableOnMinimal;
use coap_message_implementations::{inmemory, inmemory_write};
use coapcore::OscoreEdhocHandler;
use coapcore::scope::AifValue;
use coapcore::seccfg::ConfigBuilder;
use coapcore::time::TimeUnknown;
use latchwork_door_lock_slip::{Decoder, HEADERS, Packet, encode};

use door::Door;
use random::NotRandom;

#[cortex_m_rt::entry]
fn main() -> ! {
    board::start();
    measure::paint();
    let mut audience = heapless::String::new();
    let known = audience.push_str("door");
    let scope = AifValue::parse(b"\x81\x82\x65/door\x03");
    let (own, client) = (lakers::Credential::parse_ccs(OWN_CREDENTIAL), lakers::Credential::parse_ccs(CLIENT));
    let (Ok(()), Ok(own), Ok(client), Ok(scope)) = (known, own, client, scope) else {
        console::line("no credential");
        board::exit(false)
    };
    let authorities = ConfigBuilder::new()
        .with_aif_asymmetric_es256(*AS_X, *AS_Y, audience)
        .with_aif_symmetric_as_aesccm256([0x22; 32])
        .with_own_edhoc_credential(own, *OWN_KEY)
        .with_known_edhoc_credential(client, scope.into());
    let mut handler = OscoreEdhocHandler::new(
        Door,
        authorities,
        || lakers_crypto_rustcrypto::Crypto::new(NotRandom::new()),
        NotRandom::new(),
        TimeUnknown,
    );
    let mut line = Decoder::<FRAME>::new();
    let (mut out, mut frame) = ([0; MAX_DATAGRAM], [0; FRAME]);
    console::line("locked, and waiting");
    loop {
        board::idle();
        while let Some(byte) = board::uart::receive() {
            let Some(packet) = line.push(byte).and_then(Packet::parse) else { continue };
            let (answer, cost) = measure::cost(|| answer(&mut handler, packet.payload, &mut out));
            let Some(length) = answer else { continue };
            let payload = out.get(..length).unwrap_or_default();
            let answer = Packet { from: packet.to, to: packet.from, payload };
            encode(answer.write(&mut frame).unwrap_or_default(), board::uart::send);
            for (label, number) in [("did answered ticks ", cost.ticks), (" stack ", cost.stack), (" held ", cost.held)]
            {
                console::text(label);
                console::number(number);
            }
            console::line("");
        }
    }
}

/// Answers a confirmable request in the acknowledgement, and nothing else.
fn answer(handler: &mut impl Handler, datagram: &[u8], out: &mut [u8]) -> Option<usize> {
    let (&[head, code, id, id_low], rest) = datagram.split_first_chunk()?;
    let (token, message) = rest.split_at_checked(usize::from(head & 0xf))?;
    if head >> 4 != 0b0100 {
        return None;
    }
    let (header, tail) = out.split_at_mut_checked(4 + token.len())?;
    let request = inmemory::Message::new(code, message);
    let mut code = 0;
    let mut response = inmemory_write::Message::new(&mut code, tail);
    match handler.extract_request_data(&request) {
        Ok(data) => {
            if let Err(error) = handler.build_response(&mut response, data) {
                response.reset();
                let _ = error.render(&mut response);
            }
        }
        Err(error) => {
            let _ = error.render(&mut response);
        }
    }
    let length = response.finish();
    let head = [0x60 | head & 0xf, code, id, id_low];
    header.iter_mut().zip(head.iter().chain(token)).for_each(|(to, from)| *to = *from);
    Some(header.len() + length)
}

const MAX_DATAGRAM: usize = 1152;
const FRAME: usize = MAX_DATAGRAM + HEADERS;

/// RFC 9529 section 3, the responder's: a trace that everybody knows.
const OWN_CREDENTIAL: &[u8] =
    b"\xa2\x02\x6b\x65\x78\x61\x6d\x70\x6c\x65\x2e\x65\x64\x75\x08\xa1\x01\xa5\x01\x02\x02\x41\x32\x20\x01\
    \x21\x58\x20\xbb\xc3\x49\x60\x52\x6e\xa4\xd3\x2e\x94\x0c\xad\x2a\x23\x41\x48\xdd\xc2\x17\x91\xa1\x2a\
    \xfb\xcb\xac\x93\x62\x20\x46\xdd\x44\xf0\x22\x58\x20\x45\x19\xe2\x57\x23\x6b\x2a\x0c\xe2\x02\x3f\x09\
    \x31\xf1\xf3\x86\xca\x7a\xfd\xa6\x4f\xcd\xe0\x10\x8c\x22\x4c\x51\xea\xbf\x60\x72";
const OWN_KEY: &[u8; 32] =
    b"\x72\xcc\x47\x61\xdb\xd4\xc7\x8f\x75\x89\x31\xaa\x58\x9d\x34\x8d\x1e\xf8\x74\xa7\xe3\x03\xed\xe2\xf1\
    \x40\xdc\xf3\xe6\xaa\x4a\xac";

/// Of the private key 33..33.
const CLIENT: &[u8] =
    b"\xa1\x08\xa1\x01\xa5\x01\x02\x02\x41\x01\x20\x01\x21\x58\x20\x51\xa7\x58\x08\x33\x89\x8e\xa1\xb1\x83\
    \xcb\xd7\x35\x0a\x40\x99\x07\x8c\x6e\xf1\xc1\xe1\x8e\x97\x0c\xd7\x68\x30\x35\xf2\x5e\x7d\x22\x58\x20\
    \x01\x10\x52\x27\x12\xb0\xb5\xa7\xcf\xf0\x81\x68\x54\x86\x98\x4a\x94\xe6\x83\x1e\xda\xc4\x6e\x73\x60\
    \xfa\x9d\x83\x4a\x7a\x81\xa1";

/// Of the private key 11..11.
const AS_X: &[u8; 32] =
    b"\x02\x17\xe6\x17\xf0\xb6\x44\x39\x28\x27\x8f\x96\x99\x9e\x69\xa2\x3a\x4f\x2c\x15\x2b\xdf\x6d\x6c\xdf\
    \x66\xe5\xb8\x02\x82\xd4\xed";
const AS_Y: &[u8; 32] =
    b"\x19\x4a\x7d\xeb\xcb\x97\x71\x2d\x2d\xda\x3c\xa8\x5a\xa8\x76\x5a\x56\xf4\x5f\xc7\x58\x59\x96\x52\xf2\
    \x89\x7c\x65\x30\x6e\x57\x94";
