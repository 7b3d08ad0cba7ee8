//! Where a frame ends (RFC 1055).

/// Collects the bytes of a line into frames of at most `N` bytes. Longer ones, and what breaks the rules, vanish whole.
pub struct Decoder<const N: usize> {
    frame: [u8; N],
    len: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Inside,
    Escaped,
    /// Until the next end.
    Lost,
    /// The frame was handed out.
    Over,
}

impl<const N: usize> Default for Decoder<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Decoder<N> {
    /// At the beginning of a frame.
    pub const fn new() -> Self {
        Self { frame: [0; N], len: 0, state: State::Inside }
    }

    /// Takes the next byte. A frame comes out with the byte that ends it.
    pub fn push(&mut self, byte: u8) -> Option<&[u8]> {
        if self.state == State::Over {
            (self.len, self.state) = (0, State::Inside);
        }
        match (self.state, byte) {
            (State::Inside, END) => {
                // Empty frames only keep lines in step.
                if self.len == 0 {
                    return None;
                }
                self.state = State::Over;
                return self.frame.get(..self.len);
            }
            (_, END) => (self.len, self.state) = (0, State::Inside),
            (State::Inside, ESC) => self.state = State::Escaped,
            (State::Inside, byte) => self.keep(byte),
            (State::Escaped, ESC_END) => self.keep(END),
            (State::Escaped, ESC_ESC) => self.keep(ESC),
            (State::Escaped, _) => self.state = State::Lost,
            (State::Lost | State::Over, _) => {}
        }
        None
    }

    fn keep(&mut self, byte: u8) {
        match self.frame.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
                self.state = State::Inside;
            }
            None => self.state = State::Lost,
        }
    }
}

/// Puts a frame on the line, with an end on either side.
pub fn encode(frame: &[u8], mut put: impl FnMut(u8)) {
    put(END);
    for &byte in frame {
        match byte {
            END => [ESC, ESC_END].into_iter().for_each(&mut put),
            ESC => [ESC, ESC_ESC].into_iter().for_each(&mut put),
            byte => put(byte),
        }
    }
    put(END);
}

const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_or_not_at_all() {
        for (line, frames) in [
            (&b"\xc0ab\xc0"[..], &[&b"ab"[..]][..]),
            (b"ab\xc0\xc0\xc0cd\xc0", &[b"ab", b"cd"]),
            (b"\xc0\xdb\xdc\xdb\xdd\xc0", &[b"\xc0\xdb"]),
            (b"\xc01234\xc0", &[b"1234"]),
            (b"\xc012345\xc0ab\xc0", &[b"ab"]),
            (b"\xc0\xdbx\xc0ab\xc0", &[b"ab"]),
            (b"\xc0a\xdb\xc0ab\xc0", &[b"ab"]),
            (b"\xc0ab", &[]),
        ] {
            let mut decoder = Decoder::<4>::new();
            let mut expected = frames.iter();
            for &byte in line {
                if let Some(frame) = decoder.push(byte) {
                    assert_eq!(Some(&frame), expected.next(), "{line:?}");
                }
            }
            assert_eq!(expected.next(), None, "{line:?}");
        }
    }

    #[test]
    fn every_byte_survives_the_line() {
        let frame: [u8; 256] = core::array::from_fn(|byte| byte as u8);
        let mut decoder = Decoder::<256>::new();
        let mut frames = 0;
        encode(&frame, |byte| {
            if let Some(came) = decoder.push(byte) {
                assert_eq!(came, frame);
                frames += 1;
            }
        });
        assert_eq!(frames, 1);
    }
}
