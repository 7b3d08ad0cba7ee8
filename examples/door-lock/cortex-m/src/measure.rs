//! What a step costs: ticks of the timer, and how deep the stack went.

#![allow(unsafe_code, reason = "paints memory that nobody owns")]

use crate::board::{free_stack, stack_top, ticks};
use crate::console;
use core::ptr::{read_volatile, write_volatile};

/// The cost of one step.
pub(crate) struct Cost {
    /// Ticks of the timer; 40 instructions each under `-icount shift=0`.
    pub(crate) ticks: u32,
    /// Bytes of stack below its caller, at the deepest.
    pub(crate) stack: u32,
    /// Bytes of stack that the caller itself holds for good: the lock and its tables.
    pub(crate) held: u32,
}

impl Cost {
    /// Says it on the console, and ends the line that was begun with what it is of.
    pub(crate) fn tell(&self) {
        for (what, number) in [(" ticks ", self.ticks), (" stack ", self.stack), (" held ", self.held)] {
            console::text(what);
            console::number(number);
        }
        console::line("");
    }
}

/// Measures `step`.
#[inline(never)]
pub(crate) fn cost<T>(step: impl FnOnce() -> T) -> (T, Cost) {
    paint();
    let (_, before) = free_stack();
    let started = ticks();
    let result = step();
    let ticks = ticks().wrapping_sub(started);
    let stack = before as u32 - deepest() as u32;
    (result, Cost { ticks, stack, held: stack_top() - before as u32 })
}

/// Fills the free stack with a pattern.
#[inline(never)]
pub(crate) fn paint() {
    let (mut place, top) = free_stack();
    // SAFETY: between the end of all statics and this frame nobody owns anything.
    unsafe {
        while place < top.sub(MARGIN) {
            write_volatile(place, PATTERN);
            place = place.add(1);
        }
    }
}

/// The lowest address that was written to since.
#[inline(never)]
fn deepest() -> *mut u32 {
    let (mut place, top) = free_stack();
    // SAFETY: as in `paint`.
    unsafe {
        while place < top && read_volatile(place) == PATTERN {
            place = place.add(1);
        }
    }
    place
}

const PATTERN: u32 = 0xdead_beef;

/// Words below the stack pointer that `paint` itself may be using.
const MARGIN: usize = 16;
