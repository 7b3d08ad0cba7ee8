//! One phone, one run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use latchwork_client_sdk::{App, Browser, Error, Server, SoftwareKey, TokenStore};
use latchwork_coap::Message;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};

use crate::lock::{self, Lock, OfToken, PHONE};
use crate::script::Script;
use crate::server::{self, Asked};

/// Who says what, and what was said.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) script: Script,
    pub(crate) asked: Vec<Asked>,
    /// Status and body.
    pub(crate) said: Vec<(u16, Vec<u8>)>,
    lock: Lock,
}

/// A server and a lock that wait for what a script has them say.
pub struct World {
    runtime: Runtime,
    issuer: String,
    lock: SocketAddr,
    stage: Arc<Mutex<Stage>>,
}

/// What came of a script.
pub struct Played {
    /// What the app said in the end: the number of doors, or nothing.
    pub outcome: Result<usize, Error>,
    opened: bool,
    issuer: String,
    /// What the app keeps, and whether it could start with it.
    kept: serde_json::Value,
    starts_again: bool,
    /// The names of its doors.
    doors: Vec<String>,
    script: Script,
    stage: Stage,
}

struct Memory(Mutex<Vec<u8>>);

impl TokenStore for Memory {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(Some(self.0.lock().expect("no panic before").clone()))
    }

    fn save(&self, state: &[u8]) -> io::Result<()> {
        *self.0.lock().expect("no panic before") = state.to_vec();
        Ok(())
    }
}

impl World {
    /// Runs `look` with this thread's world.
    pub fn with(look: impl FnOnce(&Self)) {
        thread_local!(static WORLD: RefCell<World> = RefCell::new(World::new()));
        WORLD.with_borrow(look);
    }

    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let stage = Arc::<Mutex<Stage>>::default();
        let (http, udp) = runtime.block_on(async {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            (TcpListener::bind("127.0.0.1:0").await.expect("a port"), udp)
        });
        let issuer = format!("http://{}", http.local_addr().expect("an address"));
        let lock = udp.local_addr().expect("an address");
        runtime.spawn(server::serve(http, Arc::clone(&stage)));
        runtime.spawn(speak(udp, Arc::clone(&stage)));
        Self { runtime, issuer, lock, stage }
    }

    /// Plays a script from the beginning.
    ///
    /// # Panics
    /// The app waits for longer than anybody lets it.
    #[must_use]
    pub fn play(&self, data: &[u8]) -> Played {
        let scene = Scene::of(data.first().copied().unwrap_or_default());
        let before = self.state(scene);
        let old = OfToken { master_secret: b"0123456789abcdef".to_vec(), salt: Vec::new(), context_id: None };
        let lock = Lock::knowing(old);
        *self.stage.lock().expect("no panic before") = Stage { script: Script::read(data), lock, ..Stage::default() };
        let store = Arc::new(Memory(Mutex::new(before.to_string().into_bytes())));
        let (outcome, doors) = self.runtime.block_on(async {
            let app = self.app(&store).expect("our own state");
            let outcome = self.act(&app, scene).await;
            (outcome, app.doors().await.into_iter().map(|(door, _)| door.name).collect())
        });
        let stage = std::mem::take(&mut *self.stage.lock().expect("no panic before"));
        let kept: serde_json::Value = serde_json::from_slice(&store.0.lock().expect("no panic before")).expect("JSON");
        Played {
            opened: outcome.is_ok() && scene.opens(),
            outcome,
            issuer: self.issuer.clone(),
            starts_again: kept == before || self.app(&store).is_ok(),
            kept,
            doors,
            script: Script::read(data),
            stage,
        }
    }

    fn app(&self, store: &Arc<Memory>) -> Result<App, Error> {
        let server =
            Server { issuer: self.issuer.clone(), client_id: "phone".to_owned(), certificate: Some(Vec::new()) };
        let key = SoftwareKey::from_scalar(&PHONE).expect("a key");
        App::new(server, Arc::new(key), Arc::clone(store) as _)
    }

    async fn act(&self, app: &App, scene: Scene) -> Result<usize, Error> {
        match scene {
            Scene::Update => app.update().await.map(|doors| doors.len()),
            Scene::SignIn => app.sign_in(self, &[]).await.map(|doors| doors.len()),
            Scene::Fetch(door) => app.fetch(door).await.map(|()| 0),
            Scene::Open(door, _) => app.open(door).await.map(|_| 0),
            Scene::OpenTwice => {
                app.open("front").await?;
                app.open("front").await.map(|_| 0)
            }
        }
    }

    /// A phone whose person signed in before.
    fn state(&self, scene: Scene) -> serde_json::Value {
        let ccs = URL_SAFE_NO_PAD.encode(lock::ccs());
        let door = |name: &str| {
            serde_json::json!({ "name": name, "audience": format!("{LOCK}{name}"), "address": self.lock.to_string(),
                "as_uri": format!("{}/token", self.issuer) })
        };
        let mut side = door("side");
        side["profile"] = "coap_edhoc_oscore".into();
        side["rs_cnf"] = serde_json::json!({ "kccs": ccs });
        let permissions = match scene {
            Scene::Open("front", Known::Good) | Scene::OpenTwice => serde_json::json!({ format!("{LOCK}front"): {
                "token": "b2xk", "id": "MA", "master_secret": "MDEyMzQ1Njc4OWFiY2RlZg", "salt": null,
                "context_id": null, "expires": 99_999_999_999_u64 } }),
            Scene::Open("side", known @ (Known::Good | Known::OneByOne)) => {
                let combined = known == Known::Good;
                serde_json::json!({ format!("{LOCK}side"): { "token": "b2xk", "lock": ccs, "combined": combined,
                    "message_4": !combined, "path": "/.well-known/edhoc", "expires": 99_999_999_999_u64 } })
            }
            _ => serde_json::json!({}),
        };
        serde_json::json!({ "issuer": self.issuer, "refresh_token": "Zmlyc3Q", "permissions": permissions,
            "doors": [door("front"), side] })
    }
}

/// A person whose browser is sent to the app with what the script says, and in the end with a refusal.
impl Browser for World {
    fn open(&self, url: &str) -> io::Result<()> {
        let url = Url::parse(url).expect("our own");
        let value = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).expect("ours").1.into_owned();
        let (redirect, state) = (Url::parse(&value("redirect_uri")).expect("ours"), value("state"));
        let script = std::mem::take(&mut self.stage.lock().expect("no panic before").script.browser);
        let last =
            format!("GET {}?state={state}&iss={}&error=access_denied HTTP/1.1\r\n\r\n", redirect.path(), self.issuer);
        let said = script.into_iter().map(|said| {
            let said = String::from_utf8_lossy(&said.content).into_owned();
            said.replace("STATE", &state).replace("ISS", &self.issuer).into_bytes()
        });
        let visits: Vec<_> = said.chain([last.into_bytes()]).collect();
        let address = format!("127.0.0.1:{}", redirect.port().expect("a port"));
        tokio::spawn(async move {
            for visit in visits {
                let Ok(mut stream) = TcpStream::connect(&address).await else { break };
                let _ = stream.set_zero_linger();
                let _ = stream.write_all(&visit).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
        Ok(())
    }
}

async fn speak(socket: UdpSocket, stage: Arc<Mutex<Stage>>) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(request) = Message::parse(&buffer[..length]) else { continue };
        let datagrams = {
            let mut stage = stage.lock().expect("no panic before");
            let granted = stage.said.iter().filter(|(status, _)| *status < 300).filter_map(|(_, body)| secret_of(body));
            let granted: Vec<_> = granted.collect();
            stage.lock.secrets.extend(granted);
            let asks = (1..32).contains(&request.code.0);
            let answer = if asks { stage.script.lock.pop_front() } else { None };
            stage.lock.answer(&request, answer)
        };
        for datagram in datagrams {
            let _ = socket.send_to(&datagram, from).await;
        }
    }
}

/// What is played.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    Update,
    SignIn,
    Fetch(&'static str),
    Open(&'static str, Known),
    OpenTwice,
}

/// The permission that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    None,
    Good,
    /// Message_3 goes alone, and message_4 has to come.
    OneByOne,
}

impl Scene {
    fn of(byte: u8) -> Self {
        match byte % 10 {
            0 => Self::Update,
            1 => Self::SignIn,
            2 => Self::Fetch("front"),
            3 => Self::Fetch("side"),
            4 => Self::Open("front", Known::None),
            5 => Self::Open("front", Known::Good),
            6 => Self::OpenTwice,
            7 => Self::Open("side", Known::None),
            8 => Self::Open("side", Known::Good),
            _ => Self::Open("side", Known::OneByOne),
        }
    }

    fn opens(self) -> bool {
        matches!(self, Self::Open(..) | Self::OpenTwice)
    }
}

impl Played {
    /// What holds, whatever was said.
    ///
    /// # Panics
    /// It does not.
    pub fn check(&self) {
        assert!(!self.opened || self.stage.lock.opened, "opened, and no lock said so");
        assert!(self.starts_again, "cannot start with {}", self.kept);
        for asked in &self.stage.asked {
            self.asked_for_our_own(asked);
        }
        self.kept_what_was_said();
    }

    fn asked_for_our_own(&self, asked: &Asked) {
        if asked.path == "/api/v1/doors" {
            return;
        }
        assert_eq!(asked.path, "/token");
        let api = format!("{}/api/v1", self.issuer);
        let own = [format!("{LOCK}front"), format!("{LOCK}side"), api];
        assert!(asked.audience.as_ref().is_some_and(|audience| own.contains(audience)), "{asked:?}");
        if let Some(cnonce) = &asked.cnonce {
            let hints = self.stage.lock.in_the_clear.iter().filter_map(|said| map(said));
            let from = |hints: &Vec<(Value, Value)>| {
                let text = |label| member(hints, label).map(|value| value.as_text().map(str::to_owned));
                let own_server = text(1).is_none_or(|uri| uri == Some(format!("{}/token", self.issuer)));
                let own_door = text(5).is_none_or(|audience| audience == asked.audience);
                own_server && own_door && member(hints, 39).and_then(Value::as_bytes) == Some(cnonce)
            };
            assert!(hints.into_iter().any(|hints| from(&hints)), "a cnonce that no hint for this door has: {asked:?}");
        }
        if let Some(code) = &asked.code {
            let visits = &self.script.browser;
            let from = |visit: &[u8]| [&b"state=STATE"[..], b"ISS"].iter().all(|word| contains(visit, word));
            assert!(visits.iter().any(|visit| from(&visit.content)), "a code {code} that no answer of the server has");
        }
    }

    /// Tokens and their successors are those of answers that were no refusals.
    fn kept_what_was_said(&self) {
        let good: Vec<&[u8]> =
            self.stage.said.iter().filter(|(status, _)| *status < 300).map(|(_, body)| &body[..]).collect();
        let mut tokens = BTreeSet::from(["b2xk".to_owned()]);
        let mut successors = BTreeSet::from(["Zmlyc3Q".to_owned()]);
        for body in good {
            if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
                successors.extend(json["refresh_token"].as_str().map(str::to_owned));
            }
            let Some(members) = map(body) else { continue };
            let bytes =
                |label| member(&members, label).and_then(Value::as_bytes).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
            tokens.extend(bytes(1));
            successors.extend(bytes(37));
        }
        let kept = self.kept["refresh_token"].as_str().expect("signed in");
        assert!(successors.contains(kept), "{kept} came from nowhere");
        let permissions = self.kept["permissions"].as_object().expect("permissions");
        for (audience, permission) in permissions {
            assert!(["front", "side"].iter().any(|own| *audience == format!("{LOCK}{own}")), "{audience}");
            let token = permission["token"].as_str().expect("a token");
            assert!(tokens.contains(token), "{token} came from nowhere");
        }
        let listed =
            self.kept["doors"].as_array().expect("doors").iter().map(|door| door["name"].as_str().expect("a name"));
        assert!(listed.eq(self.doors.iter().map(String::as_str)));
    }
}

/// The secret in a token response, by another reader.
fn secret_of(body: &[u8]) -> Option<OfToken> {
    let response = map(body)?;
    let cnf = member(&response, 8)?.as_map()?;
    let osc = member(cnf, 4)?.as_map()?;
    let bytes = |label| member(osc, label).and_then(Value::as_bytes).cloned();
    Some(OfToken { master_secret: bytes(2)?, salt: bytes(5).unwrap_or_default(), context_id: bytes(6) })
}

fn map(bytes: &[u8]) -> Option<Vec<(Value, Value)>> {
    ciborium::from_reader::<Value, _>(bytes).ok()?.into_map().ok()
}

fn member(map: &[(Value, Value)], label: i32) -> Option<&Value> {
    map.iter().find(|(key, _)| key.as_integer() == Some(label.into())).map(|(_, value)| value)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

const LOCK: &str = "urn:latchwork:lock:";

#[cfg(test)]
mod tests {
    use super::World;

    /// A seed that stops early would leave most of the target unseen. Its name says how it ends.
    #[test]
    fn the_seeds_end_as_they_say() {
        let (mut opened, mut others) = (0, Vec::new());
        World::with(|world| {
            for seed in std::fs::read_dir("../seeds/client_answers").expect("seeds") {
                let path = seed.expect("a seed").path();
                let played = world.play(&std::fs::read(&path).expect("a seed"));
                played.check();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                let ended = match &played.outcome {
                    Ok(_) if played.opened => "opened",
                    Ok(_) => "done",
                    Err(_) => "refused",
                };
                if !name.starts_with(ended) {
                    others.push(format!("{name}: {:?}", played.outcome));
                }
                opened += usize::from(played.opened);
            }
        });
        assert_eq!(others, [""; 0]);
        assert!(opened >= 8, "{opened}");
    }
}
