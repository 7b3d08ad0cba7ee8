//! What clients say when they register themselves, and when they change that: a line of JSON each.
#![no_main]

use std::sync::LazyLock;

use latchwork_authz_server::keys::Keys;
use latchwork_fuzz_server::register;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::random().expect("entropy"));
    let _ = register(data, &KEYS);
});
