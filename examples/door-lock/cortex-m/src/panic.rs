//! A panic ends the lock, locked.

use crate::{board, console};
use core::panic::PanicInfo;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    console::line("panic");
    board::exit(false)
}
