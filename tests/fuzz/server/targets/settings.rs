//! What an administrator writes: the configuration, and declarations for `apply`. A template that came from us stands in the seeds.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use latchwork_authz_server::config::Config;
use latchwork_authz_server::keys::Keys;
use latchwork_authz_server::shell::declaration::{Declaration, Existing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::random().expect("entropy"));
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Config::parse(text, &BTreeMap::new(), Path::new("/srv/latchwork"));
    }
    if let Ok(declaration) = serde_json::from_slice::<Declaration>(data) {
        let _ = declaration.compare(&Existing::default(), &KEYS);
    }
});
