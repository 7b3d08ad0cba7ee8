//! Forms, queries and `Authorization: Basic`. Input: the header's value, a line end, then the form.
#![no_main]

use latchwork_authz_server::core::authorize;
use latchwork_authz_server::core::request::Face;
use latchwork_authz_server::shell::form::{Form, pairs};
use libfuzzer_sys::fuzz_target;
use openidconnect::url::form_urlencoded;

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, body) = data.split_at(at);
    let header = std::str::from_utf8(header).ok().filter(|header| !header.is_empty());
    let body = body.strip_prefix(b"\n").unwrap_or(body);

    if let Ok(read) = pairs(body) {
        // A reader that we did not write is laxer, and says the same where ours says anything.
        let peer: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        assert_eq!(read, peer);
        let _ = authorize::client_id(&read);
        let _ = authorize::check(&read, None);
    }
    let Ok(form) = Form::parse(body, &["audience"]) else { return };
    if let Ok(request) = form.token_request() {
        assert_eq!(request.face, Face::Form);
        assert_eq!(request.audience.len(), form.all("audience").count());
    }
    let _ = form.credential(header);
});
