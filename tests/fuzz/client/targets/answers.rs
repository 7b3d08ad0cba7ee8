//! All that a phone reads: answers of the server, of a lock, and of the person's browser. Input: `latchwork_fuzz_client::Script`.
//! Nobody without the lock's key opens a door; no hint leads anywhere but to the phone's own server, for the door it stands
//! before; what is kept is what the server said, and the app starts again with it.
#![no_main]

use latchwork_fuzz_client::World;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    World::with(|world| world.play(data).check());
});
