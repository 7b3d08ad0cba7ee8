//! The door: a bolt that relocks by itself.

use latchwork_coap::{Code, ContentFormat, Message, OptionNumber};
use latchwork_rs_lib::{Allowed, Now, Reply, Resources, Uptime};

/// What moves the bolt.
pub trait Bolt {
    /// Opens, for this holder and nobody else. An [`Allowed`] exists only where a request was authorized.
    fn unlock(&mut self, allowed: &Allowed<'_>) -> Result<(), Stuck>;

    /// Closes, which needs nobody's permission.
    fn lock(&mut self) -> Result<(), Stuck>;
}

/// The bolt did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck;

/// A bolt and when it goes back. Where nobody knows how it stands, it goes back as soon as it can.
pub struct Door<B> {
    bolt: B,
    relocks: Option<Uptime>,
}

impl<B: Bolt> Door<B> {
    /// Locks: the power may have gone while the door was open. If the bolt is stuck, [`relock`](Self::relock) tries again.
    pub fn new(mut bolt: B) -> Self {
        let relocks = bolt.lock().err().map(|Stuck| Uptime(0));
        Self { bolt, relocks }
    }

    /// Locks if the time has come; a bolt that is stuck is tried again the next time.
    pub fn relock(&mut self, now: &Now) {
        if self.relocks.is_some_and(|at| at <= now.uptime) && self.bolt.lock().is_ok() {
            self.relocks = None;
        }
    }

    /// When [`relock`](Self::relock) has something to do.
    pub fn relocks(&self) -> Option<Uptime> {
        self.relocks
    }
}

impl<B: Bolt> Resources for Door<B> {
    fn paths(&self) -> &[&str] {
        &["/door"]
    }

    fn serve<'r>(&mut self, allowed: Allowed<'_>, request: &Message<'_>, now: &Now, _: &'r mut [u8]) -> Reply<'r> {
        self.relock(now);
        let text = ContentFormat::TEXT;
        let accept = request.options.get(OptionNumber::ACCEPT);
        if accept.is_some() && request.options.uint16(OptionNumber::ACCEPT) != Some(text.0) {
            return Reply::code(Code::NOT_ACCEPTABLE);
        }
        match request.code {
            Code::POST => match self.bolt.unlock(&allowed) {
                Ok(()) => {
                    self.relocks = Some(now.uptime.plus(OPEN_FOR));
                    Reply::code(Code::CHANGED)
                }
                Err(Stuck) => {
                    self.relocks = Some(now.uptime);
                    Reply::code(Code::INTERNAL_SERVER_ERROR)
                }
            },
            Code::GET => Reply {
                format: Some(text),
                payload: match self.relocks {
                    Some(_) => b"unlocked",
                    None => b"locked",
                },
                max_age: Some(0),
                ..Reply::code(Code::CONTENT)
            },
            _ => Reply::code(Code::METHOD_NOT_ALLOWED),
        }
    }
}

/// How long a door stays unlocked, in seconds.
const OPEN_FOR: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_rs_lib::Wall;

    /// Counts how often it was to be locked; stuck the first few times.
    struct Counted {
        stuck: u8,
        tried: u8,
    }

    impl Bolt for Counted {
        fn unlock(&mut self, _: &Allowed<'_>) -> Result<(), Stuck> {
            Ok(())
        }

        fn lock(&mut self) -> Result<(), Stuck> {
            self.tried += 1;
            if self.tried > self.stuck { Ok(()) } else { Err(Stuck) }
        }
    }

    /// A power cut leaves the bolt where it was.
    #[test]
    fn it_is_locked_at_the_start_and_until_it_is() {
        for (stuck, tried) in [(0, 1), (1, 2), (3, 4)] {
            let mut door = Door::new(Counted { stuck, tried: 0 });
            for uptime in 0..5 {
                door.relock(&Now { wall: Wall::Unknown, uptime: Uptime(uptime) });
            }
            assert_eq!((door.bolt.tried, door.relocks()), (tried, None), "stuck {stuck} times");
        }
    }
}
