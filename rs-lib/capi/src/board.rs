//! What the firmware gives: functions of its own.

use crate::hardware::{Hardware, Peripherals};
use crate::online::{Answer, Question};
use crate::serve::{Request, Response};
use core::ffi::c_void;
use latchwork_crypto::{CryptoError, Random};
use latchwork_rs_lib::{Flash, FlashFailed, Now, Series, Uptime, Wall};

/// The functions of a board. Each gets `context` as its first argument. None may call back into the lock.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Board {
    /// Whatever the functions need.
    pub context: *mut c_void,
    /// Fills all of `out` with `len` bytes that nobody can predict, or returns false. Must not be null.
    pub random: Option<unsafe extern "C" fn(context: *mut c_void, out: *mut u8, len: usize) -> bool>,
    /// Milliseconds since boot; never goes back, and goes on while the library computes, which measures by it what strangers may
    /// take. Must not be null.
    pub uptime: Option<unsafe extern "C" fn(context: *mut c_void) -> u64>,
    /// The date, in seconds since 1970: not before `earliest`, not after `latest`. False if it is not known. Null on a board
    /// that has no clock.
    pub clock: Option<unsafe extern "C" fn(context: *mut c_void, earliest: *mut i64, latest: *mut i64) -> bool>,
    /// Reads the number that was last written for the series that 8 bytes name: 1 if there is one, 0 if none ever was, any
    /// other value if the flash cannot be read. Null on a board without flash, which takes no tokens that count from receipt (`exi`).
    pub flash_read: Option<unsafe extern "C" fn(context: *mut c_void, series: *const u8, number: *mut u64) -> i32>,
    /// Writes a number in the place of the last one of its series, which was not greater. True once a power cut can no longer
    /// undo it; cut short, it leaves the old number or the new one to be read.
    pub flash_write: Option<unsafe extern "C" fn(context: *mut c_void, series: *const u8, number: u64) -> bool>,
    /// Serves a request whose sender is allowed to make it: what moves the bolt is called from here, and from nowhere else.
    /// Both pointers are good until it returns. Must not be null.
    pub serve: Option<unsafe extern "C" fn(context: *mut c_void, request: *const Request, response: *mut Response)>,
    /// What is known of a token that only its server understands: 1 if the server said something, which is then in `answer`; 0 if it was
    /// asked, or will be, so that the client shall come again in two seconds (5.03 with Max-Age); any other value if it cannot be asked,
    /// which refuses the token. Must not wait: it notes the question, and the firmware asks once the call is over. Anybody can send
    /// bytes that are no token, and each is a question: keep few, and none for long. Null on a lock that asks nobody.
    pub introspect:
        Option<unsafe extern "C" fn(context: *mut c_void, question: *const Question, answer: *mut Answer) -> i32>,
    /// The peripherals for cryptography, copied at the start; null where there are none.
    pub hardware: *const Hardware,
}

impl Board {
    /// Whether it has all that it must have.
    pub(crate) fn is_whole(&self) -> bool {
        let flash = self.flash_read.is_some() == self.flash_write.is_some();
        flash && self.random.is_some() && self.uptime.is_some() && self.serve.is_some() && self.hardware.is_aligned()
    }

    /// # Safety
    /// `hardware` is null or points to one.
    pub(crate) unsafe fn peripherals(&self) -> Peripherals {
        // SAFETY: the caller's.
        let hardware = unsafe { self.hardware.as_ref() }.copied().unwrap_or_default();
        Peripherals { context: self.context, hardware }
    }

    pub(crate) fn millis(&self) -> u64 {
        // SAFETY: a function of the firmware, called as it wants to be.
        self.uptime.map_or(0, |uptime| unsafe { uptime(self.context) })
    }

    pub(crate) fn now(&self) -> Now {
        // A clock that says it knows and writes nothing knows nothing.
        let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
        // SAFETY: as above; both places are ours.
        let known = self.clock.is_some_and(|clock| unsafe { clock(self.context, &raw mut earliest, &raw mut latest) });
        let wall = if known && earliest <= latest { Wall::Between { earliest, latest } } else { Wall::Unknown };
        Now { wall, uptime: Uptime(self.millis() / 1000) }
    }
}

impl Random for Board {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        let random = self.random.ok_or(CryptoError::Backend)?;
        // SAFETY: a function of the firmware; `out` is as long as it is said to be.
        let filled = unsafe { random(self.context, out.as_mut_ptr(), out.len()) };
        if filled { Ok(()) } else { Err(CryptoError::Backend) }
    }
}

impl Flash for Board {
    fn read(&mut self, series: Series) -> Result<Option<u64>, FlashFailed> {
        let read = self.flash_read.ok_or(FlashFailed)?;
        let mut number = 0;
        // SAFETY: a function of the firmware; it gets 8 bytes and a place for a number.
        match unsafe { read(self.context, series.0.as_ptr(), &raw mut number) } {
            0 => Ok(None),
            1 => Ok(Some(number)),
            _ => Err(FlashFailed),
        }
    }

    fn write(&mut self, series: Series, number: u64) -> Result<(), FlashFailed> {
        let write = self.flash_write.ok_or(FlashFailed)?;
        // SAFETY: a function of the firmware; it gets 8 bytes.
        let written = unsafe { write(self.context, series.0.as_ptr(), number) };
        if written { Ok(()) } else { Err(FlashFailed) }
    }
}
