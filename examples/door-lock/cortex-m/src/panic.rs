//! A panic ends the lock, locked.

use core::panic::PanicInfo;

#[cfg(not(feature = "link-proof"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    crate::console::line("panic");
    crate::board::exit(false)
}

/// Nobody defines what this calls. So the image links only where nothing in it can panic.
#[cfg(feature = "link-proof")]
#[panic_handler]
#[allow(unsafe_code, reason = "what is declared is never linked")]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn something_in_this_image_can_panic() -> !;
    }
    // SAFETY: there is no such function, so there is no image in which this is called.
    unsafe { something_in_this_image_can_panic() }
}
