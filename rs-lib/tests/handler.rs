//! Resource trees of `coap-handler-implementations`, which nobody here wrote, behind Latchwork; and Latchwork as such a tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use coap_handler_implementations::{HandlerBuilder, SimpleRendered, TypeHandler, TypeRenderable, new_dispatcher};
use coap_message::{MessageOption, MinimalWritableMessage, MutableWritableMessage, ReadableMessage};
use latchwork_coap::endpoint::request::Body;
use latchwork_coap::{Code, Message, OptionNumber};
use latchwork_crypto::RustCrypto;
use latchwork_rs_lib::handler::{Guard, Guarded};
use latchwork_rs_lib::{NoEdhoc, Resources};
use support::mint::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

/// A bolt as its firmware team would write it for any stack: GET tells its state, PUT sets it.
#[derive(Default)]
struct Bolt {
    open: bool,
    moves: usize,
}

impl TypeRenderable for Bolt {
    type Get = bool;
    type Post = ();
    type Put = bool;

    fn get(&mut self) -> Result<bool, u8> {
        Ok(self.open)
    }

    fn put(&mut self, open: &bool) -> u8 {
        self.open = *open;
        self.moves += 1;
        Code::CHANGED.0
    }
}

const PATHS: &[&str] = &["/door", "/light", "/manual"];

/// `/door` is a bolt, `/light` says a word, `/manual` is long.
fn tree(manual: &str) -> impl Resources {
    let handler = new_dispatcher()
        .at(&["door"], TypeHandler::new_minicbor_1(Bolt::default()))
        .at(&["light"], SimpleRendered("on"))
        .at(&["manual"], SimpleRendered::new_typed_str(Box::leak(manual.to_owned().into_boxed_str()), Some(0)));
    Guarded { handler, paths: PATHS }
}

/// What a holder of GET and PUT on everything but `/light`, where it has GET, gets.
fn ask(lock: &mut Lock, tree: &mut impl Resources, phone: &mut Phone, request: &[u8]) -> (Code, Vec<u8>, Vec<u8>) {
    let (datagram, mut sent) = phone.protect(request);
    let response = lock.receive_for(tree, &mut NoEdhoc, 1, &datagram);
    let outer = response.message();
    let mut out = [0; 1152];
    let inner = phone.0.unprotect_response(&RustCrypto, &mut sent, &outer, &mut out).unwrap();
    let block = inner.options.get(OptionNumber::BLOCK2).unwrap_or_default();
    (inner.code, inner.payload.to_vec(), block.to_vec())
}

fn enter(lock: &mut Lock) -> Phone {
    let scope = aif(&[("/door", 5), ("/light", 1), ("/manual", 1), ("/none", 1)]);
    lock.open(&encrypted(&good(osc(b"7", SECRET)).set(SCOPE, scope)), b"me", SECRET)
}

#[test]
fn a_tree_that_nobody_here_wrote() {
    let (mut lock, mut tree) = (Lock::new(), tree("short"));
    let mut phone = enter(&mut lock);
    let cbor = &[(OptionNumber::CONTENT_FORMAT, &[60][..])][..];
    let text = &[(OptionNumber::ACCEPT, &[][..])][..];
    let picture = &[(OptionNumber::ACCEPT, &[22][..])][..];
    for (method, path, options, payload, code, expected) in [
        (Code::GET, "/door", &[][..], &b""[..], Code::CONTENT, &[0xf4][..]),
        (Code::PUT, "/door", cbor, &[0xf5], Code::CHANGED, &[]),
        (Code::GET, "/door", &[], &[], Code::CONTENT, &[0xf5]),
        (Code::PUT, "/door", cbor, &[0xff], Code::BAD_REQUEST, b"*"),
        (Code::POST, "/door", cbor, &[0xf6], Code::METHOD_NOT_ALLOWED, b"*"), // by the token
        (Code::GET, "/light", &[], &[], Code::CONTENT, b"on"),
        (Code::PUT, "/light", &[], &[], Code::METHOD_NOT_ALLOWED, b"*"),
        (Code::GET, "/manual", text, &[], Code::CONTENT, b"short"),
        (Code::GET, "/manual", picture, &[], Code::NOT_ACCEPTABLE, b"*"),
        (Code::GET, "/none", &[], &[], Code::NOT_FOUND, b"*"), // permitted, and not there
        (Code::GET, "/other", &[], &[], Code::FORBIDDEN, b"*"), // not permitted
        (Code::GET, "/door", &[], &[], Code::CONTENT, &[0xf5]),
    ] {
        let (got, body, _) = ask(&mut lock, &mut tree, &mut phone, &request(method, path, options, payload));
        assert_eq!(got, code, "{method:?} {path} {options:?} {body:02x?}");
        assert!(body == expected || expected == b"*", "{method:?} {path} {options:?} {body:02x?}");
    }
    // And nobody else gets an answer from it.
    for path in PATHS {
        lock.receive_for(&mut tree, &mut NoEdhoc, 1, &request(Code::GET, path, &[], &[])).assert_hints();
    }
}

/// A resource that sends its blocks by itself is read whole, and goes out in ours.
#[test]
fn a_long_answer() {
    for length in [0, 1, 511, 512, 513, 900, 1024, 1025, 2000] {
        let manual: String = (0..length).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let (mut lock, mut tree) = (Lock::new(), tree(&manual));
        let mut phone = enter(&mut lock);
        let mut got = Vec::new();
        for number in 0..8u8 {
            let block = [number << 4 | 5];
            let options: &[(OptionNumber, &[u8])] = &[(OptionNumber::BLOCK2, &block)];
            let options = if number == 0 { &[] } else { options };
            let ask = ask(&mut lock, &mut tree, &mut phone, &request(Code::GET, "/manual", options, &[]));
            let (code, payload, block) = ask;
            if length > 900 {
                assert_eq!(code, Code::INTERNAL_SERVER_ERROR, "{length} does not fit the room of this lock");
                got = manual.clone().into_bytes();
                break;
            }
            assert_eq!(code, Code::CONTENT, "{length} {number}");
            got.extend(payload);
            if block.last().is_none_or(|last| last & 8 == 0) {
                break;
            }
        }
        assert_eq!(got, manual.as_bytes(), "{length}");
    }
}

/// Latchwork as the root of a stack that has a message layer of its own.
#[test]
fn a_stack_of_somebody_else() {
    use coap_handler::Handler as _;
    let (mut lock, mut tree) = (Lock::new(), tree("short"));
    let mut phone = enter(&mut lock);
    let (datagram, mut sent) = phone.protect(&request(Code::GET, "/light", &[], &[]));
    let mut guard = Guard::<_, 1152>::new(|message, _, out| {
        let mut datagram = [0; 1152];
        let response = lock.receive_for(&mut tree, &mut NoEdhoc, 1, message.write(&mut datagram)?);
        out[..response.datagram.len()].copy_from_slice(&response.datagram);
        Ok(response.datagram.len())
    });
    let mut run = |datagram: &[u8]| {
        let message = Message::parse(datagram).unwrap();
        let mut response = Theirs::default();
        let data = guard.extract_request_data(&Read(&message)).unwrap();
        guard.build_response(&mut response, data).unwrap();
        response
    };
    let served = run(&datagram);
    let outer = Message::parse(&datagram).unwrap();
    let body = served.body();
    let body = Body::parse(&body).unwrap();
    let answer = Message { code: body.code, options: body.options, payload: body.payload, ..outer };
    let mut out = [0; 1152];
    let inner = phone.0.unprotect_response(&RustCrypto, &mut sent, &answer, &mut out).unwrap();
    assert_eq!((inner.code, inner.payload), (Code::CONTENT, &b"on"[..]));
    assert_eq!(run(&datagram).code, Code::UNAUTHORIZED.0, "a replay");
    assert_eq!(run(&request(Code::GET, "/light", &[], &[])).code, Code::UNAUTHORIZED.0);
}

/// A request as another stack has it.
struct Read<'m>(&'m Message<'m>);

struct Value(u16, Vec<u8>);

impl MessageOption for Value {
    fn number(&self) -> u16 {
        self.0
    }

    fn value(&self) -> &[u8] {
        &self.1
    }
}

impl ReadableMessage for Read<'_> {
    type Code = u8;
    type MessageOption<'a>
        = Value
    where
        Self: 'a;
    type OptionsIter<'a>
        = std::vec::IntoIter<Value>
    where
        Self: 'a;

    fn code(&self) -> u8 {
        self.0.code.0
    }

    fn options(&self) -> Self::OptionsIter<'_> {
        self.0.options.map(|(number, value)| Value(number.0, value.to_vec())).collect::<Vec<_>>().into_iter()
    }

    fn payload(&self) -> &[u8] {
        self.0.payload
    }
}

/// A response as another stack has it.
#[derive(Default)]
struct Theirs {
    code: u8,
    options: Vec<(u16, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Theirs {
    fn body(&self) -> Vec<u8> {
        let mut out = [0; 1152];
        let mut writer = latchwork_coap::Writer::body(&mut out, Code(self.code));
        for (number, value) in &self.options {
            writer.option(OptionNumber(*number), value).unwrap();
        }
        writer.payload(&self.payload).unwrap();
        writer.finish().unwrap().to_vec()
    }
}

impl MinimalWritableMessage for Theirs {
    type Code = u8;
    type OptionNumber = u16;
    type AddOptionError = core::convert::Infallible;
    type SetPayloadError = core::convert::Infallible;
    type UnionError = core::convert::Infallible;

    fn set_code(&mut self, code: u8) {
        self.code = code;
    }

    fn add_option(&mut self, number: u16, value: &[u8]) -> Result<(), Self::AddOptionError> {
        self.options.push((number, value.to_vec()));
        Ok(())
    }

    fn set_payload(&mut self, data: &[u8]) -> Result<(), Self::SetPayloadError> {
        self.payload = data.to_vec();
        Ok(())
    }
}

impl MutableWritableMessage for Theirs {
    fn available_space(&self) -> usize {
        1024
    }

    fn payload_mut_with_len(&mut self, len: usize) -> Result<&mut [u8], Self::SetPayloadError> {
        self.payload.resize(len, 0);
        Ok(&mut self.payload)
    }

    fn truncate(&mut self, len: usize) -> Result<(), Self::SetPayloadError> {
        self.payload.truncate(len);
        Ok(())
    }

    fn mutate_options<F: FnMut(u16, &mut [u8])>(&mut self, mut callback: F) {
        self.options.iter_mut().for_each(|(number, value)| callback(*number, value));
    }
}
