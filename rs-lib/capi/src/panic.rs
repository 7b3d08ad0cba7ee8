//! Where a panic would end. The compiler wants a place for it, whether or not any code leads there.

unsafe extern "C" {
    /// Of the firmware: stops everything, for example by a reset. Must not return.
    fn latchwork_panicked() -> !;
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: a function of the firmware, which does not return.
    unsafe { latchwork_panicked() }
}
