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

/// A bolt and when it goes back.
pub struct Door<B> {
    bolt: B,
    relocks: Option<Uptime>,
}

impl<B: Bolt> Door<B> {
    /// A door that is locked.
    pub fn new(bolt: B) -> Self {
        Self { bolt, relocks: None }
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
                Err(Stuck) => Reply::code(Code::INTERNAL_SERVER_ERROR),
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
