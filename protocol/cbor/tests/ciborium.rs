//! Another implementation agrees: what we take, ciborium decodes to the same; what ciborium writes, we read.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ciborium::Value;
use latchwork_cbor::{Error, Full, Kind, Reader, Writer};
use proptest::prelude::*;

/// Reads one item by the verbs alone, as far as they go.
fn read(cbor: &mut Reader<'_>) -> Result<Value, Error> {
    Ok(match cbor.peek()? {
        Kind::Uint => cbor.uint()?.into(),
        Kind::Nint => match cbor.int() {
            Ok(number) => number.into(),
            Err(_) => ciborium::from_reader(cbor.item()?).unwrap(), // below i64
        },
        Kind::Bytes => cbor.bytes()?.into(),
        Kind::Text => cbor.text()?.into(),
        Kind::Bool => cbor.bool()?.into(),
        Kind::Null => cbor.null().map(|()| Value::Null)?,
        Kind::Float => ciborium::from_reader(cbor.item()?).unwrap(),
        Kind::Array => (0..cbor.array()?).map(|_| read(cbor)).collect::<Result<Vec<_>, _>>()?.into(),
        Kind::Map => {
            let entries = cbor.map()?;
            (0..entries).map(|_| Ok((read(cbor)?, read(cbor)?))).collect::<Result<Vec<_>, _>>()?.into()
        }
        Kind::Tag => Value::Tag(cbor.tag()?, Box::new(read(cbor)?)),
    })
}

fn write<'a, 'w>(cbor: &'a mut Writer<'w>, value: &Value) -> Result<&'a mut Writer<'w>, Full> {
    match value {
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) => cbor.int(number),
            Err(_) => cbor.uint(u64::try_from(*number).unwrap()),
        },
        Value::Bytes(bytes) => cbor.bytes(bytes),
        Value::Text(text) => cbor.text(text),
        Value::Bool(value) => cbor.bool(*value),
        Value::Null => cbor.null(),
        Value::Tag(number, content) => write(cbor.tag(*number)?, content),
        Value::Array(items) => items.iter().try_fold(cbor.array(items.len())?, write),
        Value::Map(entries) => {
            entries.iter().try_fold(cbor.map(entries.len())?, |cbor, (key, value)| write(write(cbor, key)?, value))
        }
        other => panic!("nobody writes {other:?}"),
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// Values that devices write: everything but floats, no key twice. Tags 2 and 3 are left out, since ciborium turns them into integers.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..300_i64).prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((inner.clone(), inner.clone()), 0..8).prop_map(|mut entries| {
                entries.sort_by_key(|(key, _)| encoded(key));
                entries.dedup_by(|(a, _), (b, _)| a == b);
                entries.into()
            }),
            (4_u64.., inner).prop_map(|(tag, content)| Value::Tag(tag, Box::new(content))),
        ]
    })
}

/// Bytes near to CBOR: heads of every kind, strung together.
fn nearly_cbor() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        (0..8_u8, 0..4_u8).prop_map(|(major, info)| vec![(major << 5) | info]),
        (0..8_u8, any::<u8>()).prop_map(|(major, length)| vec![(major << 5) | 24, length]),
        any::<[u8; 2]>().prop_map(|[a, b]| vec![0xf9, a, b]),
        "[a-z]{0,3}".prop_map(|text| encoded(&text.into())),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn agrees(bytes: &[u8]) {
    let mut whole = Reader::new(bytes);
    let Ok(item) = whole.item() else { return };
    // Bignums are tags to us; ciborium makes integers of them, of 128 bits at most.
    if item.iter().any(|byte| matches!(byte, 0xc2 | 0xc3)) {
        return;
    }
    let theirs: Value = ciborium::from_reader(item).expect("ciborium refuses what we take");
    let mut verbs = Reader::new(bytes);
    let ours = read(&mut verbs).expect("the verbs refuse what `item` takes");
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}")); // as text, in which NaN equals itself
    assert_eq!(verbs.rest(), whole.rest());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_we_take_ciborium_takes(bytes in nearly_cbor()) {
        agrees(&bytes);
    }

    #[test]
    fn noise_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        agrees(&bytes);
    }

    #[test]
    fn what_ciborium_writes_we_read_and_write_alike(value in value()) {
        let bytes = encoded(&value);
        let mut cbor = Reader::new(&bytes);
        match Reader::new(&bytes).item() {
            Err(error) => prop_assert_eq!(error, Error::TooDeep),
            Ok(item) => {
                prop_assert_eq!(item, &bytes[..]);
                prop_assert_eq!(read(&mut cbor), Ok(value.clone()));
                prop_assert_eq!(cbor.end(), Ok(()));
            }
        }

        let mut buffer = vec![0; bytes.len()];
        let mut cbor = Writer::new(&mut buffer);
        write(&mut cbor, &value).unwrap();
        prop_assert_eq!(cbor.len(), bytes.len());
        prop_assert_eq!(cbor.finish(), &bytes[..]);

        // One byte less is too little, and nothing is written beyond what fits.
        if let Some(short) = bytes.len().checked_sub(1) {
            let mut cbor = Writer::new(&mut buffer[..short]);
            prop_assert_eq!(write(&mut cbor, &value).err(), Some(Full));
            prop_assert!(bytes.starts_with(cbor.written()));
        }
    }

    #[test]
    fn a_changed_byte_does_no_harm(value in value(), place: prop::sample::Index, byte: u8) {
        let mut bytes = encoded(&value);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        agrees(&bytes);
    }

    #[test]
    fn a_repeated_key_is_found_wherever_it_is(
        keys in prop::collection::hash_set(any::<u16>(), 2..60), twice: prop::sample::Index, place: prop::sample::Index
    ) {
        let mut keys: Vec<u16> = keys.into_iter().collect();
        let map = |keys: &[u16]| encoded(&Value::Map(keys.iter().map(|&key| (key.into(), Value::Null)).collect()));
        prop_assert_eq!(Reader::new(&map(&keys)).map(), Ok(keys.len()));
        keys.insert(place.index(keys.len() + 1), *twice.get(&keys));
        prop_assert_eq!(Reader::new(&map(&keys)).map(), Err(Error::DuplicateKey));
    }

    #[test]
    fn times_are_floored_as_floats_are(float in prop_oneof![any::<f64>(), -1e10..1e10_f64, any::<f32>().prop_map(f64::from)]) {
        let expected = (float.is_finite() && float.abs() < i64::MAX as f64).then(|| float.floor() as i64);
        let mut bytes = vec![0xfb];
        bytes.extend(float.to_be_bytes());
        prop_assert_eq!(Reader::new(&bytes).time().ok(), expected);
        // ciborium writes the shortest float that holds the value.
        prop_assert_eq!(Reader::new(&encoded(&float.into())).time().ok(), expected);
    }
}
