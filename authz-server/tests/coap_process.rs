//! `/token` over CoAP and OSCORE, asked of a server that is killed between requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_ace::{Cnf, Scope, TokenRequest, TokenResponse, TrlResponse};
use latchwork_coap::{Code, ContentFormat, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, OscoreOption};
use latchwork_transport::CoapClient;
use sha2::{Digest as _, Sha256};
use tokio::net::UdpSocket;

const DECLARATION: &str = r#"
    [[client]]
    id = "robot"
    kind = "confidential"
    oscore = true
    attributes = { role = "cleaning" }
    [[oscore]]
    client = "robot"
    client_sender_id = "0a"
    server_sender_id = "0b"
    master_secret = "000102030405060708090a0b0c0d0e0f"
    [[door]]
    name = "front"
    lock = "front"
    zone = "office"
"#;

fn latchwork(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchwork"));
    command
        .args(arguments)
        .env("LATCHWORK_HTTP_LISTEN", "127.0.0.1:0")
        .env("LATCHWORK_COAP_LISTEN", "127.0.0.1:0")
        .env("LATCHWORK_HTTP_WORKERS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn run(arguments: &[&str]) {
    let output = latchwork(arguments).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// A server that is up; killed, not stopped, when dropped.
struct Running {
    child: Child,
    https: String,
    coap: String,
}

impl Running {
    fn start(dir: &Path) -> Self {
        let mut child = latchwork(&["serve", "--dir", dir.to_str().unwrap()]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line =
            |scheme: &str| lines.by_ref().find_map(|line| line.unwrap().strip_prefix(scheme).map(str::to_owned));
        let (https, coap) = (line("https://").unwrap(), line("coap://").unwrap());
        Self { child, https: format!("https://{https}"), coap }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The robot's side of the context.
fn shared() -> Context {
    let material = Material {
        master_secret: &(0..16).collect::<Vec<u8>>(),
        master_salt: &[],
        sender_id: &[0x0a],
        recipient_id: &[0x0b],
        id_context: None,
    };
    Context::derive(&RustCrypto, &material).unwrap()
}

/// Sends a request without Echo; the server's own number in the challenge.
async fn challenge(server: &Running, context: &mut Context) -> u64 {
    let (mut plain, mut out, mut answer) = ([0; 64], [0; 128], [0; 256]);
    let mut writer = Writer::new(&mut plain, Kind::Con, Code::POST, 7, Token::new(b"t").unwrap());
    writer.option(OptionNumber::URI_PATH, b"token").unwrap();
    let message = Message::parse(writer.finish().unwrap()).unwrap();
    let (datagram, _) = context.protect_request(&RustCrypto, &message, &mut out).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(datagram, &server.coap).await.unwrap();
    let length = socket.recv(&mut answer).await.unwrap();
    let option = OscoreOption::of(&Message::parse(&answer[..length]).unwrap()).unwrap().unwrap();
    option.piv.expect("a number of its own").number()
}

async fn token(server: &Running, context: Context) -> (Context, Vec<u8>) {
    let request = TokenRequest {
        audience: Some("urn:latchwork:lock:front"),
        scope: Some(Scope::Text("door:open")),
        ..TokenRequest::default()
    };
    let mut buffer = [0; 128];
    let payload = request.encode(&mut buffer).unwrap();
    let mut client = CoapClient::connect(&server.coap).await.unwrap();
    client.set_context(Some(context));
    let got = client.request(Code::POST, "/token", Some(ContentFormat::ACE_CBOR), None, payload).await.unwrap();
    assert_eq!((got.code, got.protected), (Code::CREATED, true), "{got:?}");
    let response = TokenResponse::decode(&got.payload).unwrap();
    assert!(matches!(response.cnf, Some(Cnf::Osc(_))), "{response:?}");
    (client.set_context(None).unwrap(), response.access_token.to_vec())
}

/// R8613-7.2-01
#[tokio::test]
async fn killed_between_requests_it_sends_no_number_twice() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("server");
    let at = at.as_path();
    let text = at.to_str().unwrap();
    run(&["init", text]);
    let mut context = shared();
    let (mut numbers, mut tokens) = (BTreeSet::new(), BTreeSet::new());
    for life in 0..4 {
        let server = Running::start(at);
        if life == 0 {
            let file = dir.path().join("declaration.toml");
            std::fs::write(&file, DECLARATION).unwrap();
            let out = dir.path().join("front.lock");
            run(&["lock", "enroll", "front", "--dir", text, "--server", &server.https, "--out", out.to_str().unwrap()]);
            run(&["apply", "-f", file.to_str().unwrap(), "--dir", text, "--server", &server.https]);
        }
        for _ in 0..=life {
            let number = challenge(&server, &mut context).await;
            assert!(numbers.insert(number), "{number} twice, in life {life}");
        }
        let (back, first) = token(&server, context).await;
        let (back, second) = token(&server, back).await;
        context = back;
        assert!(tokens.insert(first) && tokens.insert(second));
    }
}

/// The revocation list as the robot sees it.
async fn listed(server: &Running, context: Context) -> (Context, BTreeSet<Vec<u8>>) {
    let mut client = CoapClient::connect(&server.coap).await.unwrap();
    client.set_context(Some(context));
    let got = client.request(Code::GET, "/trl", None, None, &[]).await.unwrap();
    assert_eq!((got.code, got.protected), (Code::CONTENT, true), "{got:?}");
    let TrlResponse::Full { revoked, .. } = TrlResponse::decode(&got.payload).unwrap() else { panic!("{got:?}") };
    (client.set_context(None).unwrap(), revoked.sha_256().map(Vec::from).collect())
}

/// The server dies by SIGKILL in the middle of revoking: whatever was answered is on the list after its restart.
#[tokio::test]
async fn killed_while_it_revokes_it_keeps_what_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("server");
    let at = home.to_str().unwrap().to_owned();
    run(&["init", &at]);
    let declaration = dir.path().join("building.toml");
    std::fs::write(&declaration, DECLARATION).unwrap();
    let mut server = Running::start(&home);
    run(&[
        "lock",
        "enroll",
        "front",
        "--dir",
        &at,
        "--server",
        &server.https,
        "--out",
        dir.path().join("front.lock").to_str().unwrap(),
    ]);
    run(&["apply", "-f", declaration.to_str().unwrap(), "--dir", &at, "--server", &server.https]);
    let mut context = shared();
    let mut answered = BTreeSet::new();
    for deaths_after in [0, 1, 3] {
        let mut tokens = Vec::new();
        for _ in 0..4 {
            let (next, token) = token(&server, context).await;
            context = next;
            tokens.push(URL_SAFE_NO_PAD.encode(token));
        }
        let mut asking = None;
        for (n, text) in tokens.iter().enumerate() {
            let mut command = latchwork(&["revoke", "--token", text, "--dir", &at, "--server", &server.https]);
            let mut child = command.stdout(Stdio::null()).spawn().unwrap();
            if n == deaths_after {
                // This one is under way, answered or not, when the server dies.
                std::thread::sleep(std::time::Duration::from_millis(30 * (n as u64 + 1)));
                server.child.kill().unwrap();
                asking = Some((child, text));
                break;
            }
            assert!(child.wait().unwrap().success());
            answered.insert(Sha256::digest(text.as_bytes()).to_vec());
        }
        if let Some((mut child, text)) = asking
            && child.wait().unwrap().success()
        {
            answered.insert(Sha256::digest(text.as_bytes()).to_vec());
        }
        server = Running::start(&home);
        let (next, list) = listed(&server, context).await;
        context = next;
        assert!(list.is_superset(&answered), "answered and lost");
        assert!(list.len() <= answered.len() + 3, "nobody asked for the others");
    }
    assert!(answered.len() >= 4);
}
