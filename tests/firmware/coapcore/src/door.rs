//! `/door`: POST unlocks, GET tells.

use coap_handler::Handler;
use coap_message::{Code as _, MessageOption as _, MinimalWritableMessage, MutableWritableMessage, ReadableMessage};
use coap_message_utils::{Error, OptionsExt as _};
use coap_numbers::{code, option};

/// The door.
pub(crate) struct Door;

impl Handler for Door {
    type RequestData = u8;
    type ExtractRequestError = Error;
    type BuildResponseError<M: MinimalWritableMessage> = M::UnionError;

    fn extract_request_data<M: ReadableMessage>(&mut self, request: &M) -> Result<u8, Error> {
        let mut path = 0;
        let mut is_door = true;
        request
            .options()
            .filter(|o| {
                let is_path = o.number() == option::URI_PATH;
                if is_path {
                    path += 1;
                    is_door &= o.value() == b"door";
                }
                !is_path
            })
            .ignore_elective_others()?;
        match request.code().into() {
            _ if path != 1 || !is_door => Err(Error::not_found()),
            code @ (code::GET | code::POST) => Ok(code),
            _ => Err(Error::method_not_allowed()),
        }
    }

    fn estimate_length(&mut self, _: &u8) -> usize {
        16
    }

    fn build_response<M: MutableWritableMessage>(&mut self, response: &mut M, method: u8) -> Result<(), M::UnionError> {
        if method == code::POST {
            crate::console::line("bolt unlocked");
            response.set_code(M::Code::new(code::CHANGED)?);
        } else {
            response.set_code(M::Code::new(code::CONTENT)?);
            response.set_payload(b"locked")?;
        }
        Ok(())
    }
}
