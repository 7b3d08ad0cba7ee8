//! What the reader takes has one encoding, which ciborium and our writer agree on.
#![no_main]

use ciborium::Value;
use latchwork_cbor::{Error, Kind, Reader, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut buffer = vec![0; data.len() + 16];
    let Ok(item) = Reader::new(data).item() else {
        let _ = copy(&mut Reader::new(data), &mut Writer::new(&mut buffer));
        let _ = Reader::new(data).map();
        let _ = Reader::new(data).time();
        return;
    };

    let mut cbor = Writer::new(&mut buffer);
    let mut verbs = Reader::new(data);
    copy(&mut verbs, &mut cbor).expect("the verbs refuse what `item` takes");
    assert_eq!(cbor.written(), item);
    assert_eq!(item.len() + verbs.rest().len(), data.len());

    // To ciborium bignums are integers, of 128 bits at most.
    if item.iter().any(|byte| matches!(byte, 0xc2 | 0xc3)) {
        return;
    }
    let theirs: Value = ciborium::from_reader(item).expect("ciborium refuses what we take");
    // It shortens floats.
    if !item.iter().any(|byte| matches!(byte, 0xf9..=0xfb)) {
        let mut again = Vec::new();
        ciborium::into_writer(&theirs, &mut again).expect("a vector has room");
        assert_eq!(again, item);
    }
});

/// Reads one item by the verbs and writes it by the verbs.
fn copy(from: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<(), Error> {
    const ROOM: &str = "a copy takes more room";
    match from.peek()? {
        Kind::Uint => to.uint(from.uint()?).expect(ROOM),
        Kind::Nint => match from.int() {
            Ok(number) => to.int(number).expect(ROOM),
            Err(_) => to.raw(from.item()?).expect(ROOM),
        },
        Kind::Bytes => to.bytes(from.bytes()?).expect(ROOM),
        Kind::Text => to.text(from.text()?).expect(ROOM),
        Kind::Bool => to.bool(from.bool()?).expect(ROOM),
        Kind::Null => from.null().map(|()| to.null().expect(ROOM))?,
        Kind::Float => {
            let _ = from.clone().time();
            to.raw(from.item()?).expect(ROOM)
        }
        Kind::Array => {
            let items = from.array()?;
            to.array(items).expect(ROOM);
            return (0..items).try_for_each(|_| copy(from, to));
        }
        Kind::Map => {
            let entries = from.map()?;
            to.map(entries).expect(ROOM);
            return (0..2 * entries).try_for_each(|_| copy(from, to));
        }
        Kind::Tag => {
            to.tag(from.tag()?).expect(ROOM);
            return copy(from, to);
        }
    };
    Ok(())
}
