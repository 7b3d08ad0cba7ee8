//! Opening a door over UDP: the token at `/authz-info` (RFC 9203 §4) or in EDHOC, then the request under the context that both ends
//! derive.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use latchwork_ace::{Hints, authz_info};
use latchwork_coap::{Code, ContentFormat, OptionNumber};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, master_salt};
use latchwork_transport::client::Response;
use latchwork_transport::{CoapClient, Traffic};

use crate::clock;
use crate::door::{Bound, Door, Permission};
use crate::edhoc::Lock;
use crate::encoding::random;
use crate::error::Error;
use crate::key::Named;

/// What it took to open a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Messages that were answered.
    pub round_trips: u64,
    /// Bytes of CoAP sent.
    pub sent: u64,
    /// Bytes of CoAP received.
    pub received: u64,
    /// From the first byte out to the last byte in.
    pub took: Duration,
}

/// A connection to a lock under a context that it accepted.
pub(crate) struct Session {
    client: CoapClient,
    /// The token whose rights it has.
    token: Vec<u8>,
    /// That token's series: a newer one of it changes the rights of this session, any other starts anew.
    series: Option<Vec<u8>>,
}

/// Where permissions come from: the app or the machine, asking the server.
pub(crate) trait Source: Send {
    /// Asks once for a new permission for `door`, with the lock's `cnonce` in it if there is one; the next in the series of `living`,
    /// if that has one.
    fn ask(
        &mut self,
        door: &Door,
        cnonce: Option<&[u8]>,
        living: Option<&Permission>,
    ) -> impl Future<Output = Result<Permission, Error>> + Send;

    /// A permission that begins anew.
    fn permission(
        &mut self,
        door: &Door,
        cnonce: Option<&[u8]>,
    ) -> impl Future<Output = Result<Permission, Error>> + Send {
        self.ask(door, cnonce, None)
    }

    /// For a session that lives by `living`: a permission with which it goes on, or a new one if the server knows no more of its series.
    fn update(
        &mut self,
        door: &Door,
        cnonce: Option<&[u8]>,
        living: &Permission,
    ) -> impl Future<Output = Result<Permission, Error>> + Send {
        async move {
            match self.ask(door, cnonce, Some(living)).await {
                Err(error) if error.is_of_request() => self.permission(door, cnonce).await,
                asked => asked,
            }
        }
    }
}

/// How long a lock may be silent. CoAP repeats a message four times in this time (RFC 7252 §4.8).
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a lock may take to ask its server about a token, answers and pauses together; after that, no other attempt begins.
const ASKING: Duration = Duration::from_secs(10);

/// Sizes of a `cnonce` that servers copy into tokens.
const CNONCE: RangeInclusive<usize> = 8..=32;

const ACE_CBOR: ContentFormat = ContentFormat::ACE_CBOR;
const DOOR: &str = "/door";

/// Opens `door` with the permission that is `known`, else with a new one; returns the one that opened it.
///
/// A lock that refuses a token gets another one, once: it may have got a new key, or want its `cnonce` (RFC 9200 §5.3.1). So does one that
/// says inside a session that the rights are too few: there may be more by now.
pub(crate) async fn open(
    session: &mut Option<Session>,
    door: &Door,
    known: Option<Permission>,
    source: &mut impl Source,
    key: Option<Named<'_>>,
) -> Result<(Opened, Permission), Error> {
    let permission = match known {
        Some(permission) => permission,
        None => first(door, source).await?,
    };
    let refusal = match present(session, door, &permission, key).await {
        Ok(opened) => return Ok((opened, permission)),
        Err(Error::LockRefused { code }) if another_may_do(&permission, Code(code), session.is_some()) => {
            Error::LockRefused { code }
        }
        Err(error) => return Err(error),
    };
    let cnonce = cnonce(door).await?;
    let asked = match session.as_ref().filter(|session| session.goes_on_with(&permission)) {
        Some(_) => source.update(door, cnonce.as_deref(), &permission).await,
        None => source.permission(door, cnonce.as_deref()).await,
    };
    let renewed = match asked {
        // Without a network the lock's word is all there is.
        Err(Error::Unreachable(_)) => return Err(refusal),
        renewed => renewed?,
    };
    let opened = present(session, door, &renewed, key).await?;
    Ok((opened, renewed))
}

/// Whether it may have been the token that the lock refused. In EDHOC it says no more than that there was an error
/// (draft-ietf-ace-edhoc-oscore-profile §4.3.3); `inside` a session, what the rights lack (RFC 9200 §5.10.2).
fn another_may_do(permission: &Permission, code: Code, inside: bool) -> bool {
    code == Code::UNAUTHORIZED
        || code == Code::BAD_REQUEST && matches!(permission.bound, Bound::Key { .. })
        || inside && [Code::FORBIDDEN, Code::METHOD_NOT_ALLOWED].contains(&code)
}

/// The server refuses a token without `cnonce` for a lock without a clock; then that lock is asked for one.
async fn first(door: &Door, source: &mut impl Source) -> Result<Permission, Error> {
    match source.permission(door, None).await {
        Err(error) if error.is_of_request() => match cnonce(door).await? {
            Some(cnonce) => source.permission(door, Some(&cnonce)).await,
            None => Err(error),
        },
        asked => asked,
    }
}

/// What the hints of this lock want copied into the token request.
async fn cnonce(door: &Door) -> Result<Option<Vec<u8>>, Error> {
    let response = unlock(&mut connect(door).await?).await?;
    match hints(door, &response)?.and_then(|hints| hints.cnonce.map(<[u8]>::to_vec)) {
        Some(cnonce) if !CNONCE.contains(&cnonce.len()) => Err(Error::Nonsense("the lock's hints")),
        cnonce => Ok(cnonce),
    }
}

/// Where a context lives already, one message does it, or two if the token is newer; else the token goes first.
async fn present(
    session: &mut Option<Session>,
    door: &Door,
    permission: &Permission,
    key: Option<Named<'_>>,
) -> Result<Opened, Error> {
    let started = clock::instant();
    if let Some(mut live) = session.take().filter(|session| session.goes_on_with(permission)) {
        let before = live.client.traffic();
        if live.has(permission).await? {
            let response = unlock(&mut live.client).await?;
            // A lock that forgot us says so without protection: the token helps. Anything else it says is its word.
            if response.protected {
                let spent = since(&live.client, before, started);
                *session = Some(live);
                return opened(&response, spent);
            }
        }
    }
    let mut new = Session::start(door, permission, key).await?;
    let response = unlock(&mut new.client).await?;
    if !response.protected {
        return Err(refused(door, &response));
    }
    let spent = since(&new.client, Traffic::default(), started);
    *session = Some(new);
    opened(&response, spent)
}

async fn connect(door: &Door) -> Result<CoapClient, Error> {
    let mut client = CoapClient::connect(&door.address).await.map_err(|_| Error::LockSilent)?;
    client.set_patience(PATIENCE);
    Ok(client)
}

async fn unlock(client: &mut CoapClient) -> Result<Response, Error> {
    client.request(Code::POST, DOOR, None, None, &[]).await.map_err(silent)
}

fn opened(response: &Response, spent: Opened) -> Result<Opened, Error> {
    match response.code {
        Code::CHANGED => Ok(spent),
        Code(code) => Err(Error::LockRefused { code }),
    }
}

fn since(client: &CoapClient, before: Traffic, started: Instant) -> Opened {
    let now = client.traffic();
    Opened {
        round_trips: now.round_trips - before.round_trips,
        sent: now.sent - before.sent,
        received: now.received - before.received,
        took: started.elapsed(),
    }
}

impl Session {
    /// Presents the token, and derives a context with the lock.
    async fn start(door: &Door, permission: &Permission, key: Option<Named<'_>>) -> Result<Self, Error> {
        let mut client = connect(door).await?;
        match &permission.bound {
            Bound::Secret { master_secret, salt, context_id, .. } => {
                let secret = Secret { master_secret, salt: salt.as_deref(), context_id: context_id.as_deref() };
                secret.upload(&mut client, door, &permission.token).await?;
            }
            Bound::Key { lock, combined, message_4, path, .. } => {
                let key = key.ok_or(Error::Configuration("there is no key to prove"))?;
                let lock = Lock { credential: lock, combined: *combined, message_4: *message_4, path };
                lock.run(&mut client, key, &permission.token, |response| refused(door, response)).await?;
            }
        }
        Ok(Self { client, token: permission.token.clone(), series: permission.series().map(<[u8]>::to_vec) })
    }

    /// Whether this permission is the one that it lives by, or may take that one's place.
    pub(crate) fn goes_on_with(&self, permission: &Permission) -> bool {
        self.token == permission.token || self.series.is_some() && self.series.as_deref() == permission.series()
    }

    /// Whether the lock has the rights of this permission for this session, or takes them now: a newer token of the series goes there as it
    /// is, under the context that stays (draft-ietf-ace-edhoc-oscore-profile §4.6.1).
    async fn has(&mut self, permission: &Permission) -> Result<bool, Error> {
        if self.token == permission.token {
            return Ok(true);
        }
        let response = post_token(&mut self.client, ContentFormat::CWT, None, &permission.token).await?;
        let taken = response.protected && response.code == Code::CREATED;
        if taken {
            self.token.clone_from(&permission.token);
        }
        Ok(taken)
    }
}

/// Posts what holds a token, and again where the lock has to ask its server about it first.
async fn post_token(
    client: &mut CoapClient,
    format: ContentFormat,
    accept: Option<ContentFormat>,
    payload: &[u8],
) -> Result<Response, Error> {
    let started = clock::instant();
    loop {
        let asked = client.request(Code::POST, "/authz-info", Some(format), accept, payload);
        let response = asked.await.map_err(silent)?;
        match again(&response, started.elapsed()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Ok(response),
        }
    }
}

/// The secret of a token, and what else its context is derived from.
struct Secret<'s> {
    master_secret: &'s [u8],
    salt: Option<&'s [u8]>,
    context_id: Option<&'s [u8]>,
}

impl Secret<'_> {
    /// Uploads the token with our nonce and identifier, and derives the context from the lock's (RFC 9203 §4.1, §4.3).
    async fn upload(&self, client: &mut CoapClient, door: &Door, token: &[u8]) -> Result<(), Error> {
        let (nonce1, id1): ([u8; 8], [u8; 2]) = (random()?, random()?);
        let upload =
            authz_info::Request { access_token: token, nonce1: Some(&nonce1), client_recipient_id: Some(&id1) };
        let mut payload = vec![0; token.len() + 64];
        let payload = upload.encode(&mut payload).map_err(|_| Error::Nonsense("a token that is too long"))?;
        let response = post_token(client, ACE_CBOR, Some(ACE_CBOR), payload).await?;
        if response.code != Code::CREATED {
            return Err(refused(door, &response));
        }
        let answer =
            authz_info::Response::decode(&response.payload).map_err(|_| Error::Nonsense("the lock's nonce"))?;
        // Equal identifiers would make both ends use the same keys: stop (RFC 9203 §4.3).
        if answer.server_recipient_id == id1 {
            return Err(Error::Nonsense("the lock calls itself by our name"));
        }
        client.set_context(Some(self.derive(&nonce1, &id1, &answer)?));
        Ok(())
    }

    fn derive(&self, nonce1: &[u8], id1: &[u8], answer: &authz_info::Response<'_>) -> Result<Context, Error> {
        let salt = self.salt.unwrap_or_default();
        let mut buffer = vec![0; salt.len() + nonce1.len() + answer.nonce2.len() + 32];
        let master_salt =
            master_salt(salt, nonce1, answer.nonce2, &mut buffer).map_err(|_| Error::Nonsense("the lock's nonce"))?;
        let material = Material {
            master_secret: self.master_secret,
            master_salt,
            sender_id: answer.server_recipient_id,
            recipient_id: id1,
            id_context: self.context_id,
        };
        Context::derive(&RustCrypto, &material).map_err(|_| Error::Nonsense("the lock's nonce"))
    }
}

/// How long to wait before a token is shown again. A lock that has to ask its server about it says so by 5.03, and by Max-Age when to come
/// again (RFC 7252 §5.9.3.4); this may be anybody's word, so it moves nothing beyond [`ASKING`] and makes no haste.
fn again(response: &Response, elapsed: Duration) -> Option<Duration> {
    if response.code != Code::SERVICE_UNAVAILABLE {
        return None;
    }
    let (_, value) = response.options.iter().find(|(number, _)| *number == OptionNumber::MAX_AGE)?;
    let seconds = value.iter().try_fold(0u32, |sum, byte| Some(sum.checked_mul(256)? | u32::from(*byte)))?;
    let pause = Duration::from_secs(seconds.max(1).into());
    (elapsed.saturating_add(pause) <= ASKING).then_some(pause)
}

/// What an unprotected refusal means.
fn refused(door: &Door, response: &Response) -> Error {
    match hints(door, response) {
        Ok(_) => Error::LockRefused { code: response.code.0 },
        Err(error) => error,
    }
}

/// The hints of a 4.01 (RFC 9200 §5.3). They may come from anybody (§6.4), so they count only where our own list agrees, and of all that they say
/// one thing is used: a `cnonce`, which goes to the server of that list and nowhere else. Each member is optional there: one that is missing
/// contradicts nothing, and gives nothing.
fn hints<'r>(door: &Door, response: &'r Response) -> Result<Option<Hints<'r>>, Error> {
    if response.code != Code::UNAUTHORIZED || response.content_format() != Some(ACE_CBOR) {
        return Ok(None);
    }
    let hints = Hints::decode(&response.payload).map_err(|_| Error::Nonsense("the lock's hints"))?;
    if agrees(door, &hints) { Ok(Some(hints)) } else { Err(Error::ForeignHints) }
}

fn agrees(door: &Door, hints: &Hints<'_>) -> bool {
    hints.as_uri.is_none_or(|uri| uri == door.as_uri) && hints.audience.is_none_or(|audience| audience == door.audience)
}

pub(crate) fn silent(error: latchwork_transport::Error) -> Error {
    use latchwork_transport::Error as Coap;
    match error {
        Coap::Io(_) | Coap::Timeout | Coap::Reset => Error::LockSilent,
        Coap::Oscore(_) | Coap::Transfer(_) | Coap::BadOption(_) | Coap::Unfit | Coap::Unobserved => {
            Error::Nonsense("the lock's answer")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_coap::{Kind, Message, Writer};

    /// It is waited for, as long as it is said and no longer than is sensible.
    #[test]
    fn how_long_a_lock_is_waited_for() {
        let answer = |code, max_age: Option<&[u8]>| Response {
            code,
            options: max_age.map(|value| (OptionNumber::MAX_AGE, value.to_vec())).into_iter().collect(),
            payload: vec![],
            protected: false,
        };
        let busy = Code::SERVICE_UNAVAILABLE;
        for (code, max_age, elapsed, pause) in [
            (busy, Some(&[2][..]), 0, Some(2)),
            (busy, Some(&[2]), 8, Some(2)),
            (busy, Some(&[2]), 9, None),
            (busy, Some(&[]), 0, Some(1)),
            (busy, Some(&[0]), 9, Some(1)),
            (busy, Some(&[0]), 10, None),
            (busy, Some(&[10]), 0, Some(10)),
            (busy, Some(&[11]), 0, None),
            (busy, Some(&[1, 0]), 0, None),
            (busy, Some(&[0xff; 4]), 0, None),
            (busy, Some(&[0xff; 5]), 0, None),
            (busy, Some(&[2]), u64::MAX, None),
            (busy, None, 0, None),
            (Code::UNAUTHORIZED, Some(&[2]), 0, None),
            (Code::CREATED, Some(&[2]), 0, None),
        ] {
            let got = again(&answer(code, max_age), Duration::from_secs(elapsed));
            assert_eq!(got, pause.map(Duration::from_secs), "{code:?} {max_age:?} after {elapsed}");
        }
    }

    /// A lock of our own making answers 5.03 as the Linux lock does while its server is asked, then as it likes.
    #[tokio::test]
    async fn a_lock_that_has_to_ask_is_asked_again() {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let lock = tokio::spawn(async move {
            let mut uploads = 0;
            for code in [Code::SERVICE_UNAVAILABLE, Code::FORBIDDEN] {
                let (mut datagram, mut out) = ([0; 1024], [0; 64]);
                let (length, phone) = socket.recv_from(&mut datagram).await.unwrap();
                let request = Message::parse(&datagram[..length]).unwrap();
                uploads += usize::from(request.options.path_eq("/authz-info"));
                let mut writer = Writer::new(&mut out, Kind::Ack, code, request.id, request.token);
                writer.option(OptionNumber::MAX_AGE, &[1]).unwrap();
                socket.send_to(writer.finish().unwrap(), phone).await.unwrap();
            }
            uploads
        });
        let door = door(&address);
        let mut client = connect(&door).await.unwrap();
        let secret = Secret { master_secret: &[1; 16], salt: None, context_id: None };
        let refusal = secret.upload(&mut client, &door, b"a reference").await.err().unwrap();
        assert!(matches!(refusal, Error::LockRefused { code } if Code(code) == Code::FORBIDDEN), "{refusal}");
        assert_eq!(lock.await.unwrap(), 2);
    }

    fn door(address: &str) -> Door {
        Door {
            name: "front".into(),
            title: String::new(),
            audience: "urn:latchwork:lock:front".into(),
            address: address.into(),
            as_uri: "https://as.example/token".into(),
            scopes: String::new(),
            profile: None,
            rs_cnf: None,
            standing: Default::default(),
        }
    }

    /// R9200-5.1-01, R9200-6.4-01
    #[test]
    fn hints_are_followed_only_where_our_list_agrees() {
        let door = door("127.0.0.1:5683");
        for (as_uri, audience, follows) in [
            (Some("https://as.example/token"), Some("urn:latchwork:lock:front"), true),
            (None, None, true),
            (Some("https://as.example/token"), None, true),
            (None, Some("urn:latchwork:lock:front"), true),
            (Some("https://evil.example/token"), None, false),
            (None, Some("urn:latchwork:lock:vault"), false),
            (Some(""), None, false),
            (None, Some(""), false),
            (Some("https://evil.example/token"), Some("urn:latchwork:lock:front"), false),
            (Some("https://as.example/token"), Some("urn:latchwork:lock:vault"), false),
            (Some("https://as.example/token/"), None, false),
        ] {
            let hints = Hints { as_uri, audience, ..Hints::default() };
            assert_eq!(agrees(&door, &hints), follows, "{as_uri:?} {audience:?}");
            let mut payload = [0; 256];
            let response = Response {
                code: Code::UNAUTHORIZED,
                options: vec![(latchwork_coap::OptionNumber::CONTENT_FORMAT, vec![19])],
                payload: hints.encode(&mut payload).unwrap().to_vec(),
                protected: false,
            };
            assert_eq!(matches!(refused(&door, &response), Error::ForeignHints), !follows);
        }
    }

    /// The app's server as far as an opening sees it: what it was asked for. It may want a `cnonce` for this lock.
    struct Asked {
        cnonces: Vec<Option<Vec<u8>>>,
        wants_one: bool,
    }

    impl Source for Asked {
        async fn ask(&mut self, _: &Door, cnonce: Option<&[u8]>, _: Option<&Permission>) -> Result<Permission, Error> {
            self.cnonces.push(cnonce.map(<[u8]>::to_vec));
            if self.wants_one && cnonce.is_none() {
                return Err(Error::Refused("invalid_request".into()));
            }
            Ok(permission())
        }
    }

    fn permission() -> Permission {
        let bound = Bound::Secret { id: vec![7], master_secret: vec![1; 16], salt: None, context_id: None };
        Permission { token: b"a token".to_vec(), bound, expires: u64::MAX }
    }

    /// Whoever answers for a lock: 4.01 with these hints, whatever is asked.
    async fn answering(hints: Option<Hints<'_>>) -> String {
        let mut payload = [0; 256];
        let payload = hints.map(|hints| hints.encode(&mut payload).unwrap().to_vec());
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut datagram, mut out) = ([0; 1024], [0; 512]);
                let (length, phone) = socket.recv_from(&mut datagram).await.unwrap();
                let request = Message::parse(&datagram[..length]).unwrap();
                let mut writer = Writer::new(&mut out, Kind::Ack, Code::UNAUTHORIZED, request.id, request.token);
                if let Some(payload) = &payload {
                    writer.uint_option(OptionNumber::CONTENT_FORMAT, 19).unwrap().payload(payload).unwrap();
                }
                socket.send_to(writer.finish().unwrap(), phone).await.unwrap();
            }
        });
        address
    }

    /// Hints with members missing, or from anybody: the server is asked for another token once at most (twice where it wants a nonce first), with the
    /// nonce that was hinted at or with none; and not at all where they contradict our list.
    /// R9200-5.1-01, R9200-5.3.1-02, R9200-6.4-01
    #[tokio::test]
    async fn hints_never_lead_to_asking_without_end() {
        let ours = (Some("https://as.example/token"), Some("urn:latchwork:lock:front"));
        let nonce = &[5; 20][..];
        let all = Hints { as_uri: ours.0, audience: ours.1, cnonce: Some(nonce), ..Hints::default() };
        let (with, without) = (Some(nonce.to_vec()), None);
        for (what, hints, renews) in [
            ("none", None, Some(&without)),
            ("nothing in them", Some(Hints::default()), Some(&without)),
            (
                "a name and a scope",
                Some(Hints {
                    kid: Some(b"7"),
                    scope: Some(latchwork_ace::Scope::Text("door:open")),
                    ..Hints::default()
                }),
                Some(&without),
            ),
            ("no nonce", Some(Hints { cnonce: None, ..all }), Some(&without)),
            ("a nonce alone", Some(Hints { cnonce: Some(nonce), ..Hints::default() }), Some(&with)),
            ("no audience", Some(Hints { audience: None, ..all }), Some(&with)),
            ("no server", Some(Hints { as_uri: None, ..all }), Some(&with)),
            ("all", Some(all), Some(&with)),
            ("another server", Some(Hints { as_uri: Some("https://evil.example/token"), ..all }), None),
            (
                "another server alone",
                Some(Hints { as_uri: Some("https://evil.example/token"), ..Hints::default() }),
                None,
            ),
            (
                "another lock alone",
                Some(Hints { audience: Some("urn:latchwork:lock:vault"), ..Hints::default() }),
                None,
            ),
        ] {
            let door = door(&answering(hints).await);
            for (is_known, wants_one) in [(true, false), (true, true), (false, false), (false, true)] {
                let mut source = Asked { cnonces: vec![], wants_one };
                let known = is_known.then(permission);
                let opened = open(&mut None, &door, known, &mut source, None).await.map(|_| ());
                let first = (!is_known).then(|| without.clone());
                let asked: Vec<_> = match renews {
                    // The first permission, with the nonce if it takes one; then another, once.
                    Some(renewed) if is_known || !wants_one => first.into_iter().chain([renewed.clone()]).collect(),
                    Some(None) | None => first.into_iter().collect(),
                    Some(renewed) => first.into_iter().chain([renewed.clone(), renewed.clone()]).collect(),
                };
                let expected = match renews {
                    None => "the lock points elsewhere than our list of doors",
                    Some(None) if wants_one => "the server refused: invalid_request",
                    Some(_) => "the lock refused: 4.01",
                };
                assert_eq!(opened.unwrap_err().to_string(), expected, "{what} {is_known} {wants_one}");
                assert_eq!(source.cnonces, asked, "{what} {is_known} {wants_one}");
            }
        }
    }
}
