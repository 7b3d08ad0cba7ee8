//! Questions about tokens that only the server can read: which were asked, what came back, and for how long that holds. No IO.
//!
//! Anybody can upload bytes that are no token of ours, and each is a question. There are few places, and a place stays taken for a
//! while even when its question was answered, so the server is not asked more often than the places go round.

use latchwork_rs_lib::{Introspected, TokenHash, Uptime};
use zeroize::Zeroizing;

/// The questions of the last [`HOLDS`] seconds.
#[derive(Default)]
pub(crate) struct Questions(Vec<Question>);

struct Question {
    hash: TokenHash,
    token: Vec<u8>,
    asked: Uptime,
    state: State,
}

enum State {
    /// Nobody has taken it to the server.
    New,
    /// Somebody has.
    Asked,
    /// What the server said; it may hold a secret.
    Answered(Zeroizing<Vec<u8>>),
    /// It could not be asked, or made no sense.
    Failed,
}

impl Questions {
    /// What is known of a token; asks if nothing is. True: there is a new question.
    pub(crate) fn ask<'r>(
        &mut self,
        token: &[u8],
        hash: &TokenHash,
        now: Uptime,
        room: &'r mut [u8],
    ) -> (Introspected<'r>, bool) {
        self.0.retain(|question| now.since(question.asked) < HOLDS);
        let Some(known) = self.0.iter().find(|question| question.hash == *hash) else {
            if self.0.len() >= PLACES {
                return (Introspected::Unreachable, false);
            }
            self.0.push(Question { hash: *hash, token: token.to_vec(), asked: now, state: State::New });
            return (Introspected::Later, true);
        };
        let said = match &known.state {
            State::New | State::Asked => Introspected::Later,
            State::Failed => Introspected::Unreachable,
            State::Answered(payload) => match room.get_mut(..payload.len()) {
                Some(room) => {
                    room.copy_from_slice(payload);
                    Introspected::Answer { issuer: OURS, payload: room }
                }
                None => Introspected::Unreachable,
            },
        };
        (said, false)
    }

    /// The next question for the server.
    pub(crate) fn take(&mut self) -> Option<(TokenHash, Vec<u8>)> {
        let question = self.0.iter_mut().find(|question| matches!(question.state, State::New))?;
        question.state = State::Asked;
        Some((question.hash, question.token.clone()))
    }

    /// What became of it: the payload of a protected answer, or nothing.
    pub(crate) fn answered(&mut self, hash: &TokenHash, payload: Option<Vec<u8>>) {
        if let Some(question) = self.0.iter_mut().find(|question| question.hash == *hash) {
            question.state = payload.map_or(State::Failed, |payload| State::Answered(Zeroizing::new(payload)));
        }
    }
}

/// Seconds that an answer holds, or that its place is taken without one.
const HOLDS: u64 = 10;
/// How many questions there may be in that time.
const PLACES: usize = 32;
/// A lock of this kind has one issuer.
pub(crate) const OURS: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(questions: &mut Questions, byte: u8, now: u64) -> &'static str {
        let mut room = [0; 8];
        let (said, new) = questions.ask(&[byte], &TokenHash([byte; 32]), Uptime(now), &mut room);
        match said {
            Introspected::Later if new => "asked",
            Introspected::Later => "later",
            Introspected::Unreachable => "unreachable",
            Introspected::Answer { payload, .. } if payload == [byte, byte] => "answered",
            Introspected::Answer { .. } => "answered wrongly",
        }
    }

    #[test]
    fn a_question_is_asked_once_and_its_answer_holds_for_a_while() {
        let mut questions = Questions::default();
        assert_eq!([said(&mut questions, 1, 0), said(&mut questions, 1, 1)], ["asked", "later"]);
        let (hash, token) = questions.take().unwrap();
        assert_eq!((hash, &token[..]), (TokenHash([1; 32]), &[1][..]));
        assert!(questions.take().is_none());
        assert_eq!(said(&mut questions, 1, 2), "later");
        questions.answered(&hash, Some(vec![1, 1]));
        assert_eq!([said(&mut questions, 1, 3), said(&mut questions, 1, HOLDS - 1)], ["answered"; 2]);
        assert_eq!(said(&mut questions, 1, HOLDS), "asked");
        questions.answered(&hash, None);
        assert_eq!(said(&mut questions, 1, HOLDS + 1), "unreachable");
        questions.answered(&hash, Some(vec![0; 9]));
        assert_eq!(said(&mut questions, 1, HOLDS + 1), "unreachable", "an answer larger than any token");
    }

    #[test]
    fn a_flood_of_noise_asks_no_more_than_there_are_places() {
        let mut questions = Questions::default();
        let asked = (0..=255).filter(|byte| said(&mut questions, *byte, 0) == "asked").count();
        assert_eq!(asked, PLACES);
        while let Some((hash, _)) = questions.take() {
            questions.answered(&hash, None);
        }
        assert_eq!(said(&mut questions, 255, HOLDS - 1), "unreachable", "also when all are answered");
        assert_eq!(said(&mut questions, 255, HOLDS), "asked");
    }
}
