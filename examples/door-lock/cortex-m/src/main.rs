//! A door lock on a Cortex-M4: no operating system, no heap, no network but a serial line, no clock but an uptime.
//!
//! The board is QEMU's mps2-an386. What is said on the line is in `latchwork_door_lock_slip`; what a lock does with it, in
//! `latchwork_door_lock_app`, which runs on Linux too. Here is what a board adds.

#![no_std]
#![no_main]

mod backend;
mod board;
mod clock;
mod console;
mod edhoc;
mod entropy;
#[cfg(feature = "ethernet")]
mod ethernet;
mod flash;
mod guard;
#[cfg(feature = "ethernet")]
mod lan9118;
mod line;
mod measure;
mod panic;
#[cfg(not(feature = "ethernet"))]
mod serial;

/// Never returns: a lock that cannot start stays locked and says why.
#[cortex_m_rt::entry]
fn main() -> ! {
    board::start();
    measure::paint();
    #[cfg(a_panic)]
    assert_ne!(board::ticks(), 1);
    console::line(guard::guard().0);
    board::exit(false)
}
