//! Locks on microcontrollers, opened by the same phone: on a serial line, and on Ethernet.

use std::fs;

use latchwork_building::attack::Attacker;
use latchwork_building::board::{self, Board, EVERYTHING_UDP, Wire};
use latchwork_building::people::EMMA;
use latchwork_building::story::token_of;
use latchwork_building::{Body, Building, Phone};

fn moves(building: &Building, lock: &str) -> usize {
    building.lock(lock).unwrap().moves().unwrap()
}

fn emma(building: &Building) -> Phone {
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone
}

/// Cuts the power of the front door, and tells the phone where its lock is then.
fn reboot(building: &mut Building, phone: &Phone) {
    let address = |building: &Building| building.lock("front").unwrap().corridor.address.to_string();
    let old = address(building);
    building.reboot("front").unwrap();
    let home = phone.home().join("tokens.json");
    let moved = fs::read_to_string(&home).unwrap().replace(&old, &address(building));
    fs::write(&home, moved).unwrap();
}

#[test]
fn a_phone_opens_a_lock_on_a_microcontroller() {
    let mut building = Building::open_staged("info", "", Body::Board("nonce")).unwrap();
    let phone = emma(&building);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 1);
    let said = phone.run(&["open", "front", "--times", "2"]).unwrap();
    assert!(said.lines().nth(1).unwrap_or_default().contains(" 1 round trips"), "the second opening is warm: {said}");
    assert_eq!(moves(&building, "front"), 3);

    // A power cut: the chip keeps what enrolment wrote, and the nonces of before are stale.
    reboot(&mut building, &phone);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 4);

    // A lock that knows its holder needs no server.
    building.stop_server();
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 5);
}

/// By EDHOC, method 1, with a token that counts from its receipt: two round trips cold, one warm, and no server.
#[test]
fn a_phone_opens_a_microcontroller_by_its_own_key() {
    let mut building = Building::open_staged("info", "", Body::Board("exi")).unwrap();
    let phone = emma(&building);
    phone.run(&["fetch", "side"]).unwrap();
    building.stop_server();
    building.stop_provider();
    let opened = phone.run(&["open", "side", "--times", "2"]).unwrap();
    let lines: Vec<_> = opened.lines().collect();
    assert!(lines[0].starts_with("opened side: 2 round trips"), "{opened}");
    assert!(lines[1].starts_with("opened side: 1 round trips"), "{opened}");
    assert_eq!(moves(&building, "side"), 2);
}

/// The number of a token that counts is in the flash before it opens anything, and over after a power cut; a later token opens.
#[test]
fn a_token_that_counts_does_not_outlive_a_power_cut() {
    let mut building = Building::open_staged("info", "", Body::Board("exi")).unwrap();
    let phone = emma(&building);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 1);
    let kept = fs::read(phone.home().join("tokens.json")).unwrap();

    reboot(&mut building, &phone);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 2);
    let renewed = fs::read(phone.home().join("tokens.json")).unwrap();
    assert_ne!(kept, renewed, "the phone fetched a token with a higher number");

    reboot(&mut building, &phone);
    building.stop_server();
    let refusal = phone.run(&["open", "front"]).unwrap_err().to_string();
    assert_eq!(moves(&building, "front"), 2, "{refusal}");
}

/// UDP over Ethernet in the place of the serial line: the OSCORE profile at the front door, EDHOC at the side door, a power cut.
#[test]
fn a_phone_opens_a_microcontroller_on_ethernet() {
    let mut building = Building::open_staged("info", "", Body::BoardUdp("nonce")).unwrap();
    let phone = emma(&building);
    phone.run(&["open", "front"]).unwrap();
    let opened = phone.run(&["open", "side", "--times", "2"]).unwrap();
    let lines: Vec<_> = opened.lines().collect();
    assert!(lines[0].starts_with("opened side: 2 round trips"), "{opened}");
    assert!(lines[1].starts_with("opened side: 1 round trips"), "{opened}");
    assert_eq!((moves(&building, "front"), moves(&building, "side")), (1, 2));
    reboot(&mut building, &phone);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 2);
}

/// The library behind a C compiler, enrolled as its header says: encrypted tokens at the front door, EDHOC at the side door, a power cut.
#[test]
fn a_phone_opens_a_lock_in_c() {
    let mut building = Building::open_staged("info", "", Body::InC).unwrap();
    let phone = emma(&building);
    phone.run(&["fetch", "side"]).unwrap();
    phone.run(&["open", "front", "--times", "2"]).unwrap();
    assert_eq!(moves(&building, "front"), 2);
    building.stop_server();
    building.stop_provider();
    reboot(&mut building, &phone);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 3, "what it was told is in its image");

    let token = token_of(&building, "emma", "urn:latchwork:lock:side").unwrap();
    let stolen = Attacker::at(building.lock("side").unwrap().address).unwrap().upload_bare(&token).unwrap();
    assert_eq!((&*stolen.code, moves(&building, "side")), ("4.01", 0), "who has no key has nothing of a token");
    let opened = phone.run(&["open", "side", "--times", "2"]).unwrap();
    let lines: Vec<_> = opened.lines().collect();
    assert!(lines[0].starts_with("opened side: 2 round trips"), "{opened}");
    assert!(lines[1].starts_with("opened side: 1 round trips"), "{opened}");
    assert_eq!(moves(&building, "side"), 2);
}

/// Who stands on the same wire can put any frame on it: none of these stops a lock, and none is answered.
#[test]
fn frames_that_are_no_questions_do_not_stop_a_lock() {
    let building = Building::open().unwrap();
    let (file, chip) = (building.enroll_with("bare", &["--clock", "nonce"]).unwrap(), building.path("bare.chip"));
    board::write_chip(&file, None, &chip).unwrap();
    let (_lock, wire) = Board::on_wire("lock-bare", EVERYTHING_UDP, &chip, &building.path("logs")).unwrap();
    for (frame, what) in no_questions() {
        wire.send(&frame).unwrap();
        wire.send(&ping()).unwrap();
        let answers = answers(&wire);
        assert_eq!(answers.len(), 1, "after {what}, to a ping alone: {answers:x?}");
        assert!(answers[0][42..].starts_with(&[0x70, 0, 0, 1]), "after {what}: {answers:x?}");
    }
    let question =
        [&[0xff; 6][..], &US, b"\x08\x06\0\x01\x08\0\x06\x04\0\x01", &US, &[10, 0, 2, 77], &[0; 6], &[10, 0, 2, 15]];
    wire.send(&question.concat()).unwrap();
    let told = [&US[..], &BOARD, b"\x08\x06\0\x01\x08\0\x06\x04\0\x02", &BOARD, &[10, 0, 2, 15], &US, &[10, 0, 2, 77]];
    assert!(answers(&wire)[0].starts_with(&told.concat()), "RFC 826");
    // GET /door, in the clear, is refused as ever: 4.01.
    wire.send(&frame(b"\x40\x01\0\x02\xb4door", |_| ())).unwrap();
    assert!(answers(&wire)[0][42..].starts_with(&[0x60, 0x81, 0, 2]), "RFC 9200 section 5.3");
}

/// The frames to us, until none comes for a while; the first may take its time.
fn answers(wire: &Wire) -> Vec<Vec<u8>> {
    let (mut answers, mut quiet) = (Vec::new(), 0);
    while quiet < if answers.is_empty() { 500 } else { 3 } {
        match wire.receive().unwrap() {
            Some(frame) => answers.push(frame),
            None => quiet += 1,
        }
    }
    answers
}

const US: [u8; 6] = [2, 0, 0, 0, 0, 2];
const BOARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// CoAP's ping (RFC 7252 §4.3) in a frame from us.
fn ping() -> Vec<u8> {
    frame(&[0x40, 0, 0, 1], |_| ())
}

/// A datagram to the lock in a frame from us, changed by `fault`; the checksum of IPv4 is made right afterwards.
fn frame(payload: &[u8], fault: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let length = |headers: usize| ((headers + payload.len()) as u16).to_be_bytes();
    let mut frame = [&BOARD[..], &US, &[8, 0, 0x45, 0], &length(28), &[0, 0, 0x40, 0, 64, 17, 0, 0]].concat();
    frame.extend([10, 0, 2, 77, 10, 0, 2, 15, 0x30, 0x39, 0x16, 0x33]);
    frame.extend([&length(8), &[0, 0][..], payload].concat());
    fault(&mut frame);
    let words = frame[14..34].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    for (to, byte) in frame[24..26].iter_mut().zip(sum.to_be_bytes()) {
        *to ^= byte;
    }
    frame
}

/// Frames that a lock does not answer.
fn no_questions() -> Vec<(Vec<u8>, &'static str)> {
    let ping = [0x40, 0, 0, 9];
    let with = |at: usize, byte: u8| frame(&ping, |frame| frame[at] = byte);
    vec![
        (vec![0xff; 14], "a frame without anything"),
        (vec![0xff; 1514], "a frame of ones"),
        (vec![0; 60], "a frame of zeros"),
        ([&BOARD[..], &US, &[8, 6]].concat(), "a question without anything"),
        ([&BOARD[..], &US, &[8, 6, 0, 1, 8, 0, 255, 255]].concat(), "a question with long addresses"),
        ([&BOARD[..], &US, &[8, 0, 0x45]].concat(), "IPv4 without a header"),
        (with(14, 0x4f), "options past the end"),
        (with(14, 0x65), "another version"),
        (with(16, 0xff), "longer than the frame"),
        (with(20, 0x60), "a first fragment"),
        (with(21, 0x10), "a later fragment"),
        (with(23, 6), "TCP"),
        (with(24, 0x55), "a wrong checksum of IPv4"),
        (with(26, 127), "from a loopback"),
        (with(33, 255), "a broadcast"),
        (with(38, 0xff), "UDP longer than the packet"),
        (with(39, 7), "UDP shorter than its header"),
        (with(40, 0x55), "a wrong checksum of UDP"),
        (frame(&[0x41; 1472], |_| ()), "a datagram longer than any of ours"),
        (frame(&[0x41; 1900], |_| ()), "a frame longer than any"),
        (frame(&[], |_| ()), "an empty datagram"),
        (frame(&[0x4f, 0, 0], |_| ()), "a message cut in its header"),
        (frame(&[0xc0, 0, 0, 1], |_| ()), "another version of CoAP"),
    ]
}
