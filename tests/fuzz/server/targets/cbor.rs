//! Token requests in CBOR, over HTTP and over CoAP: the same is read from both.
#![no_main]

use latchwork_authz_server::core::request::{Face, TokenRequest};
use latchwork_authz_server::shell::cbor::token_request;
use latchwork_authz_server::shell::form::beside_header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let http = token_request(Face::CborHttp, data);
    let coap = token_request(Face::CborCoap, data);
    match (http, coap) {
        (Ok((http, credential)), Ok((coap, _))) => {
            assert_eq!(format!("{http:?}"), format!("{:?}", TokenRequest { face: Face::CborHttp, ..coap }));
            let _ = beside_header(credential, Some("Basic cm9ib3Q6czNjcmV0"));
        }
        (Err(http), Err(coap)) => assert_eq!(http.error().name, coap.error().name),
        _ => panic!("one face takes what the other refuses"),
    }
});
