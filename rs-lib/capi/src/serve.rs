//! One request that is allowed, as the firmware sees it, and its answer.

use crate::board::Board;
use crate::config::Bytes;
use crate::{LATCHWORK_HASH, LATCHWORK_NAMES, LATCHWORK_NO_PATH};
use core::ffi::c_void;
use latchwork_coap::{Code, ContentFormat, Message, OptionNumber};
use latchwork_rs_lib::{Allowed, Now, Reply, Resources};

/// A request whose sender is allowed to make it.
#[repr(C)]
pub struct Request {
    /// The method as CoAP writes it: GET 1, POST 2, PUT 3, DELETE 4, FETCH 5, PATCH 6, iPATCH 7.
    pub method: u8,
    /// Which of `Config::paths` it is for, counted from 0; `LATCHWORK_NO_PATH` if none.
    pub path: usize,
    /// The payload, whole.
    pub payload: Bytes,
    /// The name of the token that allows it, for the log.
    pub token: [u8; LATCHWORK_HASH],
    /// For `latchwork_request_option`.
    pub message: *const c_void,
}

/// The answer to a request. It comes as 5.00 without anything, so that what is forgotten is no success.
#[repr(C)]
pub struct Response {
    /// The response code as CoAP writes it: 0x44 for 2.04, 0x45 for 2.05.
    pub code: u8,
    /// The Content-Format of the payload, or -1.
    pub format: i32,
    /// For how many seconds it holds (Max-Age), or -1.
    pub max_age: i64,
    /// Where to write the payload.
    pub payload: *mut u8,
    /// How many bytes it may have.
    pub payload_size: usize,
    /// How many it has.
    pub payload_len: usize,
}

/// Finds the `index`-th option of this number in a request, counted from 0, and borrows its value until `serve` returns.
/// False if there is none. Options of block-wise transfer are none of the firmware's business.
///
/// # Safety
/// `request` is the one that `serve` was called with, which has not returned; `value` is null or a place for bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_request_option(
    request: *const Request,
    number: u16,
    index: usize,
    value: *mut Bytes,
) -> bool {
    // SAFETY: the caller's.
    let Some(request) = (unsafe { request.as_ref() }) else { return false };
    // SAFETY: `serve` below put it there, and it lives until the firmware's `serve` returns.
    let Some(message) = (unsafe { request.message.cast::<Message<'_>>().as_ref() }) else { return false };
    let Some(found) = message.options.all(OptionNumber(number)).nth(index) else { return false };
    // SAFETY: the caller's.
    if let Some(value) = unsafe { value.as_mut() } {
        *value = Bytes { data: found.as_ptr(), len: found.len() };
    }
    true
}

/// What the firmware serves.
pub(crate) struct Served<'c> {
    pub(crate) board: Board,
    pub(crate) paths: [&'c str; LATCHWORK_NAMES],
    pub(crate) paths_len: usize,
}

impl Resources for Served<'_> {
    fn paths(&self) -> &[&str] {
        self.paths.get(..self.paths_len).unwrap_or_default()
    }

    fn serve<'r>(&mut self, allowed: Allowed<'_>, request: &Message<'_>, _: &Now, room: &'r mut [u8]) -> Reply<'r> {
        let failed = Reply::code(Code::INTERNAL_SERVER_ERROR);
        let path = self.paths().iter().position(|path| request.options.path_eq(path)).unwrap_or(LATCHWORK_NO_PATH);
        let asked = Request {
            method: request.code.0,
            path,
            payload: Bytes { data: request.payload.as_ptr(), len: request.payload.len() },
            token: allowed.holder().token().0,
            message: (&raw const *request).cast(),
        };
        let mut response = Response {
            code: failed.code.0,
            format: -1,
            max_age: -1,
            payload: room.as_mut_ptr(),
            payload_size: room.len(),
            payload_len: 0,
        };
        let Some(serve) = self.board.serve else { return failed };
        // SAFETY: a function of the firmware; both live until it returns, and `room` is as long as it is said to be.
        unsafe { serve(self.board.context, &raw const asked, &raw mut response) };
        let Some(payload) = room.get(..response.payload_len) else { return failed };
        let format = u16::try_from(response.format).ok().map(ContentFormat);
        let max_age = u32::try_from(response.max_age).ok();
        Reply { format, payload, max_age, ..Reply::code(Code(response.code)) }
    }
}
