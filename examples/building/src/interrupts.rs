//! Ctrl-C, or whoever else ends the demo. It stops at the next scene, so that what it started ends with it.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// Signals that ask this program to end. The second one ends it at once.
pub struct Interrupts(Receiver<()>);

impl Interrupts {
    /// From now on signals come here.
    pub fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (tell, told) = channel();
        let signals = {
            let _inside = runtime.enter();
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
        };
        let [interrupt, terminate, hangup] = signals;
        let (mut interrupt, mut terminate, mut hangup) = (interrupt?, terminate?, hangup?);
        thread::spawn(move || {
            runtime.block_on(async {
                for first in [true, false] {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    if !first || tell.send(()).is_err() {
                        std::process::exit(INTERRUPTED.into());
                    }
                }
            });
        });
        Ok(Self(told))
    }

    /// Whether one came since the last call.
    pub fn came(&self) -> bool {
        self.0.try_recv().is_ok()
    }

    /// Waits for one.
    pub fn wait(&self) {
        // Nobody left to tell us is as good as a signal.
        let _ = self.0.recv();
    }
}

/// The status of a program that was interrupted, as a shell gives it.
pub const INTERRUPTED: u8 = 130;
