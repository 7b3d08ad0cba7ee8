//! Registers of the Arm AN386 and AN385, and of the AN505 for an M33 (CMSDK: UART 0, timer 0; the Ethernet controller has a file of its own) and of the Cortex-M (SysTick, NVIC), and semihosting.
//!
//! Interrupts stay masked: they end a sleep, and what they are about is then polled. So nothing runs beside the loop.

#![allow(unsafe_code, reason = "registers have no other address")]

use core::arch::asm;
use core::ptr::{read_volatile, write_volatile};

/// Ticks of the timer in a second; with `-icount shift=0`, a tick is 40 instructions, on the AN505 50.
pub(crate) const TICKS_PER_SECOND: u32 = if cfg!(an505) { 20_000_000 } else { 25_000_000 };

/// Sets everything going.
pub(crate) fn start() {
    // SAFETY: masks interrupts, which nothing here handles.
    unsafe { asm!("cpsid i", options(nomem, nostack)) };
    write(UART + UART_BAUD, 16);
    write(UART + UART_CONTROL, TX | RX | RX_INTERRUPT);
    write(TIMER + TIMER_RELOAD, u32::MAX);
    write(TIMER + TIMER_VALUE, u32::MAX);
    write(TIMER + TIMER_CONTROL, 1);
    write(SYSTICK_RELOAD, NAP_TICKS);
    write(SYSTICK_VALUE, 0);
    write(SYSTICK_CONTROL, 0b111);
    write(NVIC_ENABLE, LINE_IRQ);
}

/// Sleeps until something arrives, or for [`NAP_TICKS`].
pub(crate) fn idle() {
    if read(UART + UART_STATE) & RX_FULL == 0 {
        // SAFETY: a masked interrupt ends the sleep and is not taken.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
    write(UART + UART_INTERRUPT, 0b11);
    write(NVIC_CLEAR, LINE_IRQ);
    write(ICSR, CLEAR_SYSTICK);
}

/// The serial line.
#[cfg(not(feature = "ethernet"))]
pub(crate) mod uart {
    use super::{RX_FULL, UART, UART_STATE, read, write};

    /// The next byte from the line, if there is one.
    pub(crate) fn receive() -> Option<u8> {
        let full = read(UART + UART_STATE) & RX_FULL != 0;
        full.then(|| read(UART + UART_DATA).to_le_bytes()[0])
    }

    /// Puts a byte on the line, as soon as there is room for it.
    pub(crate) fn send(byte: u8) {
        while read(UART + UART_STATE) & TX_FULL != 0 {}
        write(UART + UART_DATA, byte.into());
    }

    const UART_DATA: u32 = 0x0;
    const TX_FULL: u32 = 1;
}

/// Counts up, and over, once in 171 seconds.
pub(crate) fn ticks() -> u32 {
    !read(TIMER + TIMER_VALUE)
}

/// Puts a byte on the debugger's console.
pub(crate) fn debug(byte: u8) {
    semihosting(SYS_WRITEC, &raw const byte as u32);
}

/// Ends QEMU.
pub(crate) fn exit(well: bool) -> ! {
    semihosting(SYS_EXIT, if well { APPLICATION_EXIT } else { RUN_TIME_ERROR });
    loop {}
}

/// The memory between the end of all statics and the stack pointer, lowest address first.
pub(crate) fn free_stack() -> (*mut u32, *mut u32) {
    unsafe extern "C" {
        static mut __sheap: u32;
    }
    let top: u32;
    // SAFETY: reads the stack pointer.
    unsafe { asm!("mov {}, sp", out(reg) top, options(nomem, nostack)) };
    (&raw mut __sheap, top as *mut u32)
}

/// The address right above the stack.
pub(crate) fn stack_top() -> u32 {
    unsafe extern "C" {
        static mut _stack_start: u32;
    }
    (&raw const _stack_start) as u32
}

fn semihosting(operation: u32, argument: u32) {
    // SAFETY: QEMU reads what `argument` points to for SYS_WRITEC, one byte, and changes r0 alone.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument, options(nostack)) };
}

fn read(address: u32) -> u32 {
    // SAFETY: called with the registers below only, which may be read at any time.
    unsafe { read_volatile(address as *const u32) }
}

fn write(address: u32, value: u32) {
    // SAFETY: called with the registers below only; none of them moves memory.
    unsafe { write_volatile(address as *mut u32, value) }
}

const UART: u32 = if cfg!(an505) { 0x5020_0000 } else { 0x4000_4000 };
const UART_STATE: u32 = 0x4;
const UART_CONTROL: u32 = 0x8;
const UART_INTERRUPT: u32 = 0xc;
const UART_BAUD: u32 = 0x10;
const RX_FULL: u32 = 2;
const TX: u32 = 1;
const RX: u32 = 2;
const RX_INTERRUPT: u32 = 8;
/// What arrives in this image: a byte on the UART, or a frame from the Ethernet controller.
const LINE_IRQ: u32 = if cfg!(feature = "ethernet") { 1 << 13 } else { 1 << 0 };
/// The registers that it is in: interrupts 0 to 31, on the AN505 32 to 63.
const LINE_WORD: u32 = if cfg!(an505) { 4 } else { 0 };

const TIMER: u32 = if cfg!(an505) { 0x5000_0000 } else { 0x4000_0000 };
const TIMER_CONTROL: u32 = 0x0;
const TIMER_VALUE: u32 = 0x4;
const TIMER_RELOAD: u32 = 0x8;

const SYSTICK_CONTROL: u32 = 0xe000_e010;
const SYSTICK_RELOAD: u32 = 0xe000_e014;
const SYSTICK_VALUE: u32 = 0xe000_e018;
const NVIC_ENABLE: u32 = 0xe000_e100 + LINE_WORD;
const NVIC_CLEAR: u32 = 0xe000_e280 + LINE_WORD;
const ICSR: u32 = 0xe000_ed04;
const CLEAR_SYSTICK: u32 = 1 << 25;

/// 20 ms.
const NAP_TICKS: u32 = TICKS_PER_SECOND / 50;

const SYS_WRITEC: u32 = 0x03;
const SYS_EXIT: u32 = 0x18;
const APPLICATION_EXIT: u32 = 0x20026;
const RUN_TIME_ERROR: u32 = 0x20023;
