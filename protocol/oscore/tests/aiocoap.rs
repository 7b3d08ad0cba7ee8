//! Messages that aiocoap 0.4.17 protected, made and read byte for byte. `tests/interop/oscore_vectors.py` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{answer, ask, content, hear, hex, swapped, take};
use latchwork_coap::{Message, OptionNumber};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, ReceivedRequest, SentRequest};

fn bytes(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { hex(text) }
}

/// All but the outer code, where aiocoap answers every FETCH with 2.05 and we only notifications.
fn but_for_the_code(datagram: &[u8]) -> (&[u8], &[u8]) {
    (&datagram[..1], &datagram[2..])
}

#[test]
fn like_aiocoap() {
    let mut material: Option<[Option<Vec<u8>>; 5]> = None;
    let mut server: Option<Context> = None;
    let mut exchange: Option<(Context, SentRequest, ReceivedRequest, Vec<u8>)> = None;
    let mut rows = 0;
    for line in include_str!("aiocoap.txt").lines() {
        rows += 1;
        let fields: Vec<_> = line.split(' ').collect();
        let of = |material: &Option<[Option<Vec<u8>>; 5]>, make: &dyn Fn(&Material<'_>) -> Context| {
            let [secret, salt, client, server, id_context] =
                material.as_ref().unwrap().each_ref().map(Option::as_deref);
            make(&Material {
                master_secret: secret.unwrap(),
                master_salt: salt.unwrap(),
                sender_id: client.unwrap(),
                recipient_id: server.unwrap(),
                id_context,
            })
        };
        match fields[..] {
            ["context", secret, salt, client_id, server_id, id_context] => {
                let fields = [secret, salt, client_id, server_id, id_context];
                material = Some(fields.map(|text| (text != "none").then(|| bytes(text))));
                server = Some(of(&material, &|client| Context::derive(&RustCrypto, &swapped(*client)).unwrap()));
            }
            ["request", number, plain, protected] => {
                let (number, plain, protected) = (number.parse().unwrap(), hex(plain), hex(protected));
                let mut client =
                    of(&material, &|client| Context::restore(&RustCrypto, client, number, [0; 8]).unwrap());
                client.reserved(number + 1);
                let (made, sent) = ask(&mut client, &plain).unwrap();
                assert_eq!(made, protected, "{line}");
                let (read, received) = take(server.as_mut().unwrap(), &protected).unwrap();
                assert_eq!(read, Some(content(&Message::parse(&plain).unwrap())), "{line}");
                exchange = Some((client, sent, received, plain));
            }
            ["response", plain, protected] => {
                let (plain, protected) = (hex(plain), hex(protected));
                let (client, sent, received, request) = exchange.as_mut().unwrap();
                let made = answer(server.as_mut().unwrap(), received, &plain).unwrap();
                assert_eq!(but_for_the_code(&made), but_for_the_code(&protected), "{line}");
                // Without observation the first response is the only one.
                let first = Message::parse(&protected).unwrap().options.get(OptionNumber::OSCORE) == Some(&[]);
                let observed = Message::parse(request).unwrap().options.uint(OptionNumber::OBSERVE) == Some(0);
                let heard = hear(client, sent, &protected);
                assert_eq!(heard.is_ok(), first || observed, "{line}");
                if let Ok(heard) = heard {
                    assert_eq!(heard, content(&Message::parse(&plain).unwrap()), "{line}");
                }
            }
            _ => panic!("{line}"),
        }
    }
    assert!(rows > 100, "{rows}");
}
