//! Whole requests to the HTTP face over a store in memory. Input: `METHOD target`, header lines, an empty line, the body.
//! Whatever is asked, the server knows an answer; and who is refused by one of the endpoints of OAuth changes nothing.
#![no_main]

use latchwork_fuzz_server::World;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    World::with(|world| {
        let Some(got) = world.ask(data) else { return };
        assert!(got.status < 500 || got.status == 503, "{}: {}", got.status, String::from_utf8_lossy(&got.body));
        assert!(got.nosniff, "every answer says what it is");
        if (400..500).contains(&got.status) {
            assert!(!world.changed(), "{} and something was stored", got.status);
        }
        world.restore();
    });
});
