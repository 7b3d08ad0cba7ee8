//! Certificates that a client shows in a TLS handshake, as DER.
#![no_main]

use latchwork_fuzz_server::Shown;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| drop(Shown::read(data)));
