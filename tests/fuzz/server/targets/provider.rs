//! What an OpenID provider answers: discovery document, keys, token response with its ID token, user information.
#![no_main]

use latchwork_fuzz_server::Visit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(visit) = Visit::play(data) {
        visit.check();
    }
});
