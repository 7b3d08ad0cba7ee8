//! An input: what is played, and what everybody answers, one after the other.

use std::collections::VecDeque;

/// The first byte is the scene. Then each answer: who gives it, two bytes of how, two of its length, and its content.
#[derive(Debug, Default)]
pub struct Script {
    /// What the phone is asked to do.
    pub scene: u8,
    /// Answers of the server.
    pub server: VecDeque<Answer>,
    /// Answers of the lock.
    pub lock: VecDeque<Answer>,
    /// Requests that the browser, or another program on the phone, makes to the app in a sign-in.
    pub browser: VecDeque<Answer>,
}

/// Some content, and two bytes that say how it is said.
#[derive(Debug, Default)]
pub struct Answer {
    /// Status or kind.
    pub how: u8,
    /// Headers or code.
    pub more: u8,
    /// Body, payload or datagram.
    pub content: Vec<u8>,
}

impl Script {
    /// Every input is a script: what is cut off is there as far as it goes.
    #[must_use]
    pub fn read(data: &[u8]) -> Self {
        let Some((&scene, mut rest)) = data.split_first() else { return Self::default() };
        let mut script = Self { scene, ..Self::default() };
        while let Some((&[who, how, more, high, low], after)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
            let (content, left) = after.split_at(length);
            let answers = match who % 3 {
                0 => &mut script.server,
                1 => &mut script.lock,
                _ => &mut script.browser,
            };
            answers.push_back(Answer { how, more, content: content.to_vec() });
            rest = left;
        }
        script
    }
}
