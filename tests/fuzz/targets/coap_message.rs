//! A message has one form only: what was taken is written back byte for byte.
#![no_main]

use latchwork_coap::{Code, Message, OptionNumber, Options, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut room = vec![0; data.len() + 8];
    if let Ok(message) = Message::parse(data) {
        assert_eq!(message.write(&mut room), Ok(data), "{message:?}");
        look(&message.options);
    }
    // As in an OSCORE plaintext, behind the code.
    if let Ok((options, payload)) = Options::parse(data) {
        let mut writer = Writer::body(&mut room, Code::GET);
        for (number, value) in options {
            writer.option(number, value).expect("room, and in order");
        }
        writer.payload(payload).expect("room");
        assert_eq!(writer.finish().expect("room").split_first(), Some((&Code::GET.0, data)));
        look(&options);
    }
});

fn look(options: &Options<'_>) {
    let mut before = OptionNumber(0);
    for (number, value) in options.take(64) {
        assert!(before <= number, "out of order");
        assert!(options.all(number).any(|other| other == value));
        let _ = (number.is_critical(), number.is_unsafe(), options.uint(number), options.uint16(number));
        before = number;
    }
    let path: Option<Vec<_>> = options.uri_path().map(|segment| core::str::from_utf8(segment).ok()).collect();
    if let Some(segments) = path.filter(|segments| !segments.iter().any(|segment| segment.contains('/'))) {
        let spelled = format!("/{}", segments.join("/"));
        // One empty segment is `//` in a URI; `/` is none.
        assert!(options.path_eq(&spelled) || segments == [""], "{spelled}");
    }
    let _ = options.uri_query().count();
}
