//! A message that is taken can be written, and what was written says the same.
#![no_main]

use latchwork_ace::introspection::{IntrospectionRequest, IntrospectionResponse};
use latchwork_ace::{ErrorResponse, Hints, TokenRequest, TokenResponse, authz_info};
use libfuzzer_sys::fuzz_target;

macro_rules! settles {
    ($data:ident, $($message:ty),*) => { $(
        if let Ok(message) = <$message>::decode($data) {
            let (mut once, mut twice) = (vec![0; 2 * $data.len() + 64], vec![0; 2 * $data.len() + 64]);
            let once = message.encode(&mut once).expect("room for what was taken");
            let again = <$message>::decode(once).expect("what was written");
            let twice = again.encode(&mut twice).expect("room for the same");
            assert_eq!(once, twice, "{message:?}");
        }
    )* };
}

fuzz_target!(|data: &[u8]| {
    settles!(data, TokenRequest<'_>, TokenResponse<'_>, ErrorResponse<'_>, Hints<'_>);
    settles!(data, authz_info::Request<'_>, authz_info::Response<'_>);
    settles!(data, IntrospectionRequest<'_>, IntrospectionResponse<'_>);
});
