//! EDHOC messages to the server's responder over CoAP, beside a robot that has a key.
#![no_main]

use latchwork_fuzz_server::Talk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| Talk::with(|talk| drop(talk.play(data))));
