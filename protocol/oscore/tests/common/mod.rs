//! Two ends of one context, and messages made of lists.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by tests, none of which uses all of it"
)]

use latchwork_coap::{Code, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Error, Incoming, Material, ReceivedRequest, SentRequest};

/// RFC 8613 C.1, client.
pub(crate) const CLIENT: Material<'static> = Material {
    master_secret: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    master_salt: &[0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40],
    sender_id: &[],
    recipient_id: &[1],
    id_context: None,
};

pub(crate) fn swapped(material: Material<'_>) -> Material<'_> {
    Material { sender_id: material.recipient_id, recipient_id: material.sender_id, ..material }
}

pub(crate) fn client() -> Context {
    Context::derive(&RustCrypto, &CLIENT).unwrap()
}

pub(crate) fn server() -> Context {
    Context::derive(&RustCrypto, &swapped(CLIENT)).unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Options and payload, owned.
pub(crate) type Content = (Code, Vec<(u16, Vec<u8>)>, Vec<u8>);

pub(crate) fn datagram(code: Code, options: &[(u16, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut buf = vec![0; 8192];
    let mut writer = Writer::new(&mut buf, Kind::Con, code, 0x1234, Token::new(b"tok").unwrap());
    for (number, value) in options {
        writer.option(OptionNumber(*number), value).unwrap();
    }
    writer.payload(payload).unwrap();
    writer.finish().unwrap().to_vec()
}

pub(crate) fn content(message: &Message<'_>) -> Content {
    let options = message.options.map(|(number, value)| (number.0, value.to_vec())).collect();
    (message.code, options, message.payload.to_vec())
}

pub(crate) fn ask(client: &mut Context, request: &[u8]) -> Result<(Vec<u8>, SentRequest), Error> {
    let mut out = vec![0; request.len() + latchwork_oscore::MAX_OVERHEAD];
    let (datagram, sent) = client.protect_request(&RustCrypto, &Message::parse(request).unwrap(), &mut out)?;
    Ok((datagram.to_vec(), sent))
}

/// What the layer above would see; `None` for a request that must be answered with a challenge.
pub(crate) fn take(server: &mut Context, datagram: &[u8]) -> Result<(Option<Content>, ReceivedRequest), Error> {
    let mut out = vec![0; 2 * datagram.len()];
    match server.unprotect_request(&RustCrypto, &Message::parse(datagram).unwrap(), &mut out)? {
        Incoming::Request(message, request) => Ok((Some(content(&message)), request)),
        Incoming::Unproven(request) => Ok((None, request)),
    }
}

pub(crate) fn answer(server: &mut Context, request: &mut ReceivedRequest, response: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; response.len() + latchwork_oscore::MAX_OVERHEAD];
    let response = Message::parse(response).unwrap();
    Ok(server.protect_response(&RustCrypto, request, &response, &mut out)?.to_vec())
}

pub(crate) fn hear(client: &Context, request: &mut SentRequest, datagram: &[u8]) -> Result<Content, Error> {
    let mut out = vec![0; 2 * datagram.len()];
    let datagram = Message::parse(datagram).unwrap();
    Ok(content(&client.unprotect_response(&RustCrypto, request, &datagram, &mut out)?))
}
