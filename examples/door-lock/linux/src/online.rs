//! The lock's own line to its server, where there is a network: the list of revoked tokens (RFC 9770) and questions about single ones
//! (RFC 9200 §5.9), over CoAP and OSCORE, on a thread of its own. No door waits for it.
//!
//! What to ask and what an answer means is decided elsewhere ([`Follower`], [`Questions`]); here is the socket.

use crate::clock;
use crate::config::Wrong;
use crate::questions::Questions;
use crate::state::State;
use latchwork_ace::{IntrospectionRequest, TrlResponse};
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, SenderNumbers};
use latchwork_rs_lib::trl::{Nonsense, Pace, Query};
use latchwork_rs_lib::{Follower, Introspect, Introspected, Now, TokenHash};
use latchwork_transport::client::{Observation, Response};
use latchwork_transport::{CoapClient, Error};
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// The server and the OSCORE context that the lock shares with it.
pub(crate) struct Account {
    /// `HOST:PORT`.
    pub(crate) server: String,
    pub(crate) sender_id: Vec<u8>,
    pub(crate) recipient_id: Vec<u8>,
    pub(crate) master_secret: Zeroizing<Vec<u8>>,
}

/// The door's end of the line.
pub(crate) struct Online {
    /// Answers of the revocation list, each a payload that was verified and read.
    pub(crate) news: Receiver<Vec<u8>>,
    desk: Arc<Desk>,
}

/// Where questions lie until they are answered.
#[derive(Default)]
struct Desk {
    questions: Mutex<Questions>,
    new: Notify,
}

/// The server's end.
struct Line {
    account: Account,
    state: State,
    news: Sender<Vec<u8>>,
    desk: Arc<Desk>,
}

/// Why the server is not asked for a while.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Context(#[from] Unusable),
    /// An error in the clear comes from anybody, an error under protection from the server.
    #[error("it answers {0:?}, protected: {1}")]
    Code(Code, bool),
    #[error("its answer is no answer to this")]
    Nonsense,
    #[error("the lock is going")]
    NobodyListens,
}

impl From<Nonsense> for Trouble {
    fn from(_: Nonsense) -> Self {
        Self::Nonsense
    }
}

/// Starts to follow the list. `state` keeps the sender numbers, so it must be one that keeps.
pub(crate) fn start(account: Account, state: State, pace: Pace) -> std::io::Result<Online> {
    let (sender, news) = channel();
    let desk = Arc::new(Desk::default());
    let line = Line { account, state, news: sender, desk: Arc::clone(&desk) };
    line.context().map_err(std::io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("online".into()).spawn(move || runtime.block_on(line.follow(pace)))?;
    Ok(Online { news, desk })
}

impl Introspect for Online {
    fn introspect<'r>(&mut self, token: &[u8], hash: &TokenHash, now: &Now, room: &'r mut [u8]) -> Introspected<'r> {
        let (said, is_new) = self.desk.questions().ask(token, hash, now.uptime, room);
        if is_new {
            self.desk.new.notify_one();
        }
        said
    }
}

impl Desk {
    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> (TokenHash, Vec<u8>) {
        loop {
            let question = self.questions().take();
            match question {
                Some(question) => return question,
                None => self.new.notified().await,
            }
        }
    }
}

impl Line {
    /// Until the process ends. After trouble it waits a while, longer each time, and begins anew.
    async fn follow(self, pace: Pace) {
        let (mut follower, mut wait) = (Follower::new(pace), SHORTEST);
        loop {
            match self.converse(&mut follower, &mut wait).await {
                Err(Trouble::NobodyListens) => return,
                Err(trouble) => tracing::warn!(%trouble, seconds = wait.as_secs(), "the server cannot be asked"),
                Ok(never) => match never {},
            }
            let over = tokio::time::sleep(wait);
            tokio::pin!(over);
            loop {
                tokio::select! {
                    () = &mut over => break,
                    (hash, _) = self.desk.next() => self.desk.questions().answered(&hash, None),
                }
            }
            wait = (wait * 2).min(LONGEST);
        }
    }

    async fn converse(&self, follower: &mut Follower, wait: &mut Duration) -> Result<Infallible, Trouble> {
        let mut client = CoapClient::connect(&self.account.server).await?;
        client.set_patience(PATIENCE);
        client.set_context(Some(self.context()?));
        self.catch_up(&mut client, follower).await?;
        let watched = follower.watch();
        {
            self.reserve(client.context())?;
            let path = format!("{TRL}{watched}");
            let (first, watching) = client.observe(&path, Some(ContentFormat::ACE_TRL_CBOR)).await?;
            self.hear(follower, watched, &first)?;
            // Not before: a lock that owes nothing has asked nothing until here.
            *wait = SHORTEST;
            if let Some(watching) = watching {
                tracing::info!("the server will tell of revoked tokens");
                return self.watch(watching, follower, watched).await;
            }
        }
        tracing::info!("the server is asked for revoked tokens from time to time");
        loop {
            self.catch_up(&mut client, follower).await?;
            tokio::select! {
                () = self.poll_time(follower) => {
                    if follower.next(clock::uptime()).is_none() {
                        self.query(&mut client, follower, watched).await?;
                    }
                }
                question = self.desk.next() => self.question(&mut client, question).await?,
            }
        }
    }

    async fn watch(
        &self,
        mut watching: Observation<'_>,
        follower: &mut Follower,
        watched: Query,
    ) -> Result<Infallible, Trouble> {
        loop {
            self.catch_up(&mut watching, follower).await?;
            tokio::select! {
                told = watching.next() => self.hear(follower, watched, &told?)?,
                () = self.poll_time(follower) => {
                    if follower.next(clock::uptime()).is_none() {
                        self.reserve(watching.context())?;
                        let now = watching.renew().await?;
                        self.hear(follower, watched, &now)?;
                    }
                }
                question = self.desk.next() => self.question(&mut watching, question).await?,
            }
            if !watching.is_alive() {
                return Err(Error::Unobserved.into());
            }
        }
    }

    async fn poll_time(&self, follower: &Follower) {
        let left = follower.polls_at().since(clock::uptime());
        tokio::time::sleep(Duration::from_secs(left)).await;
    }

    /// Asks until nothing is owed.
    async fn catch_up(&self, asks: &mut impl Asks, follower: &mut Follower) -> Result<(), Trouble> {
        while let Some(query) = follower.next(clock::uptime()) {
            self.query(asks, follower, query).await?;
        }
        Ok(())
    }

    async fn query(&self, asks: &mut impl Asks, follower: &mut Follower, query: Query) -> Result<(), Trouble> {
        self.reserve(asks.oscore())?;
        let answer = asks.ask(Code::GET, &format!("{TRL}{query}"), &[]).await?;
        self.hear(follower, query, &answer)
    }

    /// Takes in what the list says, and tells the door.
    fn hear(&self, follower: &mut Follower, query: Query, answer: &Response) -> Result<(), Trouble> {
        match answer.code {
            Code::CONTENT if answer.protected => {}
            Code::BAD_REQUEST if answer.protected => return Ok(follower.refused(query)?),
            code => return Err(Trouble::Code(code, answer.protected)),
        }
        let list = TrlResponse::decode(&answer.payload).map_err(|_| Trouble::Nonsense)?;
        tracing::debug!(?query, ?list, "the list of revoked tokens");
        self.news.send(answer.payload.clone()).map_err(|_| Trouble::NobodyListens)?;
        Ok(follower.heard(query, &list, clock::uptime())?)
    }

    /// `POST /introspect`.
    async fn question(&self, asks: &mut impl Asks, (hash, token): (TokenHash, Vec<u8>)) -> Result<(), Trouble> {
        let mut room = vec![0; token.len() + 16];
        let asked = match IntrospectionRequest::new(&token).encode(&mut room) {
            Ok(payload) => {
                self.reserve(asks.oscore())?;
                asks.ask(Code::POST, "/introspect", payload).await.map_err(Trouble::from)
            }
            Err(_) => Err(Trouble::Nonsense),
        };
        let (answer, done) = match asked {
            Ok(answer) if answer.protected && answer.code == Code::CREATED => (Some(answer.payload), Ok(())),
            Ok(answer) if answer.protected => {
                tracing::warn!(code = ?answer.code, token = %hash, "the server does not say what this is");
                (None, Ok(()))
            }
            Ok(answer) => (None, Err(Trouble::Code(answer.code, false))),
            Err(trouble) => (None, Err(trouble)),
        };
        self.desk.questions().answered(&hash, answer);
        done
    }

    fn context(&self) -> Result<Context, Unusable> {
        let Account { sender_id, recipient_id, master_secret, .. } = &self.account;
        let material = Material { master_secret, master_salt: &[], sender_id, recipient_id, id_context: None };
        let below = Numbers(&self.state).below()?;
        let mut challenge = [0; 8];
        getrandom::fill(&mut challenge).map_err(std::io::Error::other)?;
        Context::restore(&RustCrypto, &material, below, challenge).map_err(|_| Unusable::File)
    }

    /// A number is written down before it is used: none is used twice, also after a power cut (RFC 8613 B.1.1).
    fn reserve(&self, context: Option<&mut Context>) -> Result<(), Trouble> {
        match context {
            Some(context) if context.numbers_left() < ENOUGH => Ok(context.reserve(BLOCK, &mut Numbers(&self.state))?),
            _ => Ok(()),
        }
    }
}

/// Why there is no context.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("no OSCORE context: its ids, or the file of its sender numbers")]
    File,
    /// Somebody else reserved them: the context is to be made anew.
    #[error("the file of its sender numbers is ahead of it")]
    Behind,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

struct Numbers<'s>(&'s State);

impl Numbers<'_> {
    /// What the file says; 0 before the first.
    fn below(&self) -> Result<u64, Unusable> {
        let Some(text) = self.0.read(NUMBERS)? else { return Ok(0) };
        std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()).ok_or(Unusable::File)
    }
}

impl SenderNumbers for Numbers<'_> {
    type Error = Unusable;

    fn reserve(&mut self, below: u64) -> Result<(), Unusable> {
        if below <= self.below()? {
            return Err(Unusable::Behind);
        }
        Ok(self.0.write(NUMBERS, format!("{below}\n").as_bytes())?)
    }
}

/// A client, whether it observes something or not.
trait Asks {
    async fn ask(&mut self, method: Code, path: &str, payload: &[u8]) -> Result<Response, Error>;
    fn oscore(&mut self) -> Option<&mut Context>;
}

impl Asks for CoapClient {
    async fn ask(&mut self, method: Code, path: &str, payload: &[u8]) -> Result<Response, Error> {
        self.request(method, path, format_of(payload), None, payload).await
    }

    fn oscore(&mut self) -> Option<&mut Context> {
        self.context()
    }
}

impl Asks for Observation<'_> {
    async fn ask(&mut self, method: Code, path: &str, payload: &[u8]) -> Result<Response, Error> {
        self.request(method, path, format_of(payload), None, payload).await
    }

    fn oscore(&mut self) -> Option<&mut Context> {
        self.context()
    }
}

fn format_of(payload: &[u8]) -> Option<ContentFormat> {
    (!payload.is_empty()).then_some(ContentFormat::ACE_CBOR)
}

impl Account {
    /// From the file's hexadecimal.
    pub(crate) fn new(
        server: String,
        sender_id: Vec<u8>,
        recipient_id: Vec<u8>,
        master_secret: Vec<u8>,
    ) -> Result<Self, Wrong> {
        let master_secret = Zeroizing::new(master_secret);
        match master_secret.len() {
            16.. => Ok(Self { server, sender_id, recipient_id, master_secret }),
            _ => Err(Wrong::Hex("online.master_secret", "16 or more")),
        }
    }
}

/// A file of the lock's state.
const NUMBERS: &str = "oscore-numbers";
/// Sender numbers for one request: the longest list comes in a thousand blocks.
const ENOUGH: u64 = 1100;
/// Sender numbers that one write reserves.
const BLOCK: u32 = 8192;
/// How long one message may go without an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the server is left alone after trouble.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Where the list is (RFC 9770 §6).
const TRL: &str = "/trl";

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_coap::{Kind, Message, Writer};
    use latchwork_oscore::Incoming;
    use std::net::UdpSocket;
    use std::path::Path;

    fn state_in(directory: &Path) -> State {
        State::open(Some(directory.to_owned())).unwrap()
    }

    fn line(server: String, state: State) -> (Line, Receiver<Vec<u8>>) {
        let (news, heard) = channel();
        let account = Account::new(server, vec![1], vec![2], SECRET.to_vec()).unwrap();
        (Line { account, state, news, desk: Arc::default() }, heard)
    }

    /// One that has the whole list and need not ask for it soon.
    fn owing_nothing() -> Follower {
        let mut follower = Follower::new(Pace::every(3600));
        let empty = TrlResponse::decode(&[0xa2, 0x00, 0x80, 0x02, 0x00]).unwrap();
        follower.heard(Query::Full, &empty, clock::uptime()).unwrap();
        follower
    }

    /// Answers one request after the other, under protection or not.
    fn answer(server: &UdpSocket, answers: &[(bool, Code)]) {
        let material =
            Material { master_secret: SECRET, master_salt: &[], sender_id: &[2], recipient_id: &[1], id_context: None };
        let mut context = Context::derive(&RustCrypto, &material).unwrap();
        for (protected, code) in answers {
            let (mut datagram, mut plain, mut out) = ([0; 1152], [0; 1152], [0; 1152]);
            let (length, peer) = server.recv_from(&mut datagram).unwrap();
            let asked = Message::parse(&datagram[..length]).unwrap();
            let answer = Writer::new(&mut plain, Kind::Ack, *code, asked.id, asked.token).finish().unwrap();
            let answer = if *protected {
                let mut room = [0; 1152];
                let Incoming::Request(_, mut request) =
                    context.unprotect_request(&RustCrypto, &asked, &mut room).unwrap()
                else {
                    panic!("a context that was derived knows its window");
                };
                let answer = Message::parse(answer).unwrap();
                context.protect_response(&RustCrypto, &mut request, &answer, &mut out).unwrap()
            } else {
                answer
            };
            server.send_to(answer, peer).unwrap();
        }
    }

    /// The wait grows until the server itself was heard, though nothing was to be asked before the list is watched.
    #[test]
    fn the_wait_ends_when_the_server_is_heard() {
        let clear = (false, Code::SERVICE_UNAVAILABLE);
        let long = Duration::from_secs(8);
        for (answers, left) in [
            (&[clear][..], long),
            (&[(true, Code::SERVICE_UNAVAILABLE)], long),
            (&[(true, Code::BAD_REQUEST), clear], SHORTEST),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let server = UdpSocket::bind("127.0.0.1:0").unwrap();
            server.set_read_timeout(Some(PATIENCE)).unwrap();
            let (line, _heard) = line(server.local_addr().unwrap().to_string(), state_in(dir.path()));
            let mut follower = owing_nothing();
            let mut wait = long;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let trouble = std::thread::scope(|threads| {
                threads.spawn(|| answer(&server, answers));
                runtime.block_on(line.converse(&mut follower, &mut wait))
            });
            let expected = answers.last().is_some_and(|(protected, code)| {
                matches!(&trouble, Err(Trouble::Code(came, under)) if came == code && under == protected)
            });
            assert!(expected, "{answers:?}: {trouble:?}");
            assert_eq!(wait, left, "{answers:?}");
        }
    }

    /// Whoever finds the file ahead of its context does not go back: it makes a new one from there.
    #[test]
    fn sender_numbers_never_go_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = state_in(dir.path());
        let (line, _heard) = line("127.0.0.1:9".into(), state.clone());
        let (mut one, mut twin) = (line.context().unwrap(), line.context().unwrap());
        line.reserve(Some(&mut one)).unwrap();
        let refused = line.reserve(Some(&mut twin));
        assert!(matches!(refused, Err(Trouble::Context(Unusable::Behind))), "{refused:?}");
        assert_eq!((twin.numbers_left(), state.read(NUMBERS).unwrap().unwrap()), (0, b"8192\n".to_vec()));
        let mut next = line.context().unwrap();
        line.reserve(Some(&mut next)).unwrap();
        assert_eq!(state.read(NUMBERS).unwrap().unwrap(), b"16384\n");
        for below in [0, 16383, 16384] {
            assert!(Numbers(&state).reserve(below).is_err(), "{below}");
        }
    }

    const SECRET: &[u8] = b"sixteen secrets!";
}
