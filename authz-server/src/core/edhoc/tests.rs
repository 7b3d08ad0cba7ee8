//! Names and tables.

use super::*;
use crate::core::testing::Pair;

fn id(byte: u8) -> ConnectionId {
    ConnectionId::new(&[byte; 7]).unwrap()
}

/// What is taken for a client's key, in each of its forms; and what is not.
#[test]
fn credentials() {
    let (robot, key) = ("robot".parse::<ClientId>().unwrap(), Pair::new(1).public());
    let PublicKey::P256 { x, y } = key else { panic!() };
    let good = of_key(&robot, &key).unwrap();
    let point = format!("20012158{}{}2258{}{}", 20, hex(&x), 20, hex(&y));
    let mut beside = y;
    beside[31] ^= 1;
    let off = format!("20012158{}{}2258{}{}", 20, hex(&x), 20, hex(&beside));
    for (what, text, expected) in [
        ("a CCS", hex(&good.0), Some(&good)),
        ("a CCS in capitals", hex(&good.0).to_uppercase(), Some(&good)),
        ("a COSE_Key", format!("a40102{point}"), Some(&good)),
        ("a COSE_Key of that name", format!("a501020245726f626f74{point}"), Some(&good)),
        ("a COSE_Key of another", format!("a501020245726f626f75{point}"), None),
        ("a CCS of another", hex(&of_key(&"other".parse().unwrap(), &key).unwrap().0), None),
        ("a CCS without a name", format!("a108a101a40102{point}"), None),
        ("off the curve", format!("a40102{off}"), None),
        ("one coordinate", format!("a30102200121{}{}", "5820", hex(&x)), None),
        ("the sign of the other", format!("a401022001215820{}22f5", hex(&x)), None),
        ("a private key", format!("a50102{point}235820{}", hex(&x)), None),
        ("something behind it", format!("{}00", hex(&good.0)), None),
        ("nothing", String::new(), None),
        ("no hexadecimal", "robot".to_owned(), None),
    ] {
        assert_eq!(declared(&robot, &text).as_ref(), expected, "{what}");
    }
    assert_eq!(super::key(&good.0), Some(key.clone()));
    assert_eq!(of_key(&robot, &PublicKey::Ed25519 { x }), None);
    assert_eq!(of_key(&robot, &PublicKey::P256 { x, y: beside }), None, "off the curve");
    assert_eq!(named(&name(&robot, &key)), Some((robot.clone(), key)));
    assert_eq!((named("robot"), owner("robot"), owner("robot 00")), (None, "robot", "robot"));
    assert_eq!(claimed(IdCred::Kid(b"robot")), Some(robot.clone()));
    assert_eq!(claimed(IdCred::Kccs(&good.0)), Some(robot));
    for none in [IdCred::Kid(&[0xff]), IdCred::Kid(b""), IdCred::Kccs(&[0xa0]), IdCred::Other(&[0xa1, 0x0d, 0x80])] {
        assert_eq!(claimed(none), None, "{none:?}");
    }
}

/// A full table: whoever has most loses first, and a handshake is taken once, in time.
#[test]
fn handshakes_that_wait() {
    let mut table = Handshakes::default();
    table.put(id(0), "honest", 0, 100);
    for n in 1..20 {
        table.put(id(n), "flood", n, 101);
        assert!(table.waiting.len() <= WAITING);
    }
    assert!(!table.has(&id(1)) && table.has(&id(19)), "its own oldest go");
    assert_eq!(table.take(&id(0), 160), Some(0), "pushed out by nobody");
    assert_eq!(table.take(&id(0), 160), None, "once");
    assert_eq!(table.take(&id(19), 101 + PATIENCE + 1), None, "too late");
    table.put(id(30), "late", 30, 101 + PATIENCE + 1);
    assert_eq!(table.waiting.len(), 1, "those that waited too long are gone");
    assert_eq!(table.take(&id(30), 100), None, "the clock was set back");
    let begun = (0..20).filter(|_| table.has_time(7)).count();
    assert_eq!(begun, usize::try_from(PER_SECOND).unwrap());
    assert!(table.has_time(8));
}

/// One session a client, the longest idle goes first, and none idles for ever.
#[test]
fn sessions() {
    let client = |name: &str| name.parse::<ClientId>().unwrap();
    let mut table = Sessions::default();
    table.open(&[1], client("a"), "a", 100);
    table.open(&[2], client("b"), "b", 110);
    table.used(&[1], 120);
    table.open(&[3], client("c"), "c", 130);
    assert_eq!([1, 2, 3].map(|kid| table.find(&[kid], 130)), [Some("a"), None, Some("c")], "b idled longest");
    table.open(&[4], client("a"), "again", 130);
    assert_eq!(
        [1, 3, 4].map(|kid| table.find(&[kid], 130)),
        [None, Some("c"), Some("again")],
        "in the place of its own"
    );
    table.used(&[9], 130);
    assert_eq!(table.find(&[9], 130), None);
    table.used(&[4], 200);
    let late = 131 + IDLE;
    assert_eq!([3, 4].map(|kid| table.find(&[kid], late)), [None, Some("again")]);
    assert_eq!(table.find(&[4], 100), None, "the clock was set back");
}
