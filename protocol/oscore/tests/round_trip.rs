//! Whatever is protected comes back as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CLIENT, answer, ask, content, datagram, hear, swapped, take};
use latchwork_coap::{Code, Message};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, IdContext, Material, PartialIv};
use proptest::collection::vec;
use proptest::prelude::*;

type Options = Vec<(u16, Vec<u8>)>;

/// Any options but those that cannot be protected, in order, with the usual numbers well represented.
fn options() -> impl Strategy<Value = Options> {
    let usual =
        prop::sample::select(vec![1, 3, 4, 6, 7, 8, 11, 12, 14, 15, 17, 20, 21, 23, 27, 28, 39, 60, 252, 258, 292]);
    let number =
        prop_oneof![4 => usual, 1 => any::<u16>().prop_filter("cannot be protected", |n| ![9, 35].contains(n))];
    vec((number, vec(any::<u8>(), 0..20)), 0..12).prop_map(|mut options| {
        options.sort_by_key(|(number, _)| *number);
        // Observe is no repeatable option, and has three bytes at most.
        options.dedup_by(|(later, _), (number, _)| (*later, *number) == (6, 6));
        options.iter_mut().filter(|(number, _)| *number == 6).for_each(|(_, value)| value.truncate(3));
        options
    })
}

fn borrowed(options: &Options) -> Vec<(u16, &[u8])> {
    options.iter().map(|(number, value)| (*number, &value[..])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn request_and_response(
        method in 1_u8..32,
        status in 0x40_u8..0xc0,
        asked in options(),
        answered in options(),
        payload in vec(any::<u8>(), 0..80),
        ids in (vec(any::<u8>(), 0..8), vec(any::<u8>(), 0..8)),
        id_context in prop::option::of(vec(any::<u8>(), 0..=IdContext::MAX_LEN)),
        number in prop_oneof![0_u64..300, 0..=PartialIv::MAX],
    ) {
        prop_assume!(ids.0 != ids.1);
        let material = Material {
            sender_id: &ids.0,
            recipient_id: &ids.1,
            id_context: id_context.as_deref(),
            ..CLIENT
        };
        let mut client = Context::restore(&RustCrypto, &material, number, [0; 8]).unwrap();
        client.reserved(number + 1);
        let mut server = Context::derive(&RustCrypto, &swapped(material)).unwrap();

        let request = datagram(Code(method), &borrowed(&asked), &payload);
        let (protected, mut sent) = ask(&mut client, &request).unwrap();
        let (read, mut received) = take(&mut server, &protected).unwrap();
        prop_assert_eq!(read.unwrap(), content(&Message::parse(&request).unwrap()));
        let outer = Message::parse(&protected).unwrap();
        prop_assert!(!outer.options.into_iter().any(|(number, _)| ![3, 6, 7, 9, 21, 39].contains(&number.0)));

        // A notification is one only if it was asked for; its Observe comes out empty.
        let answered: Options = match asked.iter().find(|(number, _)| *number == 6) {
            Some(_) => answered.into_iter().map(|(n, value)| (n, if n == 6 { vec![] } else { value })).collect(),
            None => answered.into_iter().filter(|(number, _)| *number != 6).collect(),
        };
        let response = datagram(Code(status), &borrowed(&answered), &payload);
        let protected = answer(&mut server, &mut received, &response).unwrap();
        let heard = hear(&client, &mut sent, &protected).unwrap();
        prop_assert_eq!(heard, content(&Message::parse(&response).unwrap()));
    }

    /// Arbitrary datagrams end in an error, never in a panic.
    #[test]
    fn noise(option in vec(any::<u8>(), 0..20), payload in vec(any::<u8>(), 0..40), room in 0_usize..64) {
        let noise = datagram(Code::POST, &[(3, b"host"), (9, &option)], &payload);
        let noise = Message::parse(&noise).unwrap();
        let mut out = [0; 64];
        prop_assert!(common::server().unprotect_request(&RustCrypto, &noise, &mut out[..room]).is_err());
        let mut client = common::client();
        let (_, mut sent) = ask(&mut client, &datagram(Code::GET, &[], &[])).unwrap();
        prop_assert!(client.unprotect_response(&RustCrypto, &mut sent, &noise, &mut out[..room]).is_err());
    }
}
