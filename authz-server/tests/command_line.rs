//! `latchwork init` and `latchwork serve` as an operator meets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use sha2::{Digest, Sha256};

fn latchwork(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchwork"));
    command
        .args(arguments)
        .env("LATCHWORK_HTTP_LISTEN", "127.0.0.1:0")
        .env("LATCHWORK_HTTP_PLAIN_LISTEN", "127.0.0.1:0")
        .env("LATCHWORK_COAP_LISTEN", "127.0.0.1:0")
        .env("LATCHWORK_HTTP_WORKERS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn init(dir: &Path) -> Output {
    let output = latchwork(&["init", dir.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn serve(dir: &Path) -> Command {
    latchwork(&["serve", "--dir", dir.to_str().unwrap()])
}

/// A server that is up; killed when dropped.
struct Running {
    child: Child,
    lines: Vec<String>,
    /// Open, so that it may go on talking.
    _out: BufReader<ChildStdout>,
}

impl Running {
    fn start(dir: &Path) -> Self {
        Self::spawn(serve(dir))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.starts_with("http://")) {
            let mut line = String::new();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended: {:?}", child.wait());
            lines.push(line.trim_end().to_owned());
        }
        Self { child, lines, _out: out }
    }

    fn plain(&self) -> &str {
        self.lines.iter().find_map(|line| line.strip_prefix("http://")).unwrap()
    }

    fn ask(&self, path: &str) -> String {
        self.ask_with(path, "")
    }

    fn ask_with(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.plain()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n", self.plain()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn init_makes_private_keys_and_shows_no_secret() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    let shown = String::from_utf8(init(&dir).stdout).unwrap();
    for (file, mode) in [
        (".", 0o700),
        ("keys", 0o700),
        ("keys/kek.key", 0o600),
        ("keys/storage.key", 0o600),
        ("keys/secrets.key", 0o600),
        ("keys/pairwise.key", 0o600),
        ("keys/refresh.key", 0o600),
        ("tls/key.pem", 0o600),
        ("admin.token", 0o600),
        ("latchwork.toml", 0o600),
        ("store", 0o700),
    ] {
        let found = fs::metadata(dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}")).permissions().mode();
        assert_eq!(found & 0o777, mode, "{file}");
    }
    for file in ["tls/cert.pem", "policies/latchwork.cedarschema", "policies/doors.cedar", "policies/cases/doors.toml"]
    {
        assert!(dir.join(file).is_file(), "{file}");
    }
    let token = fs::read_to_string(dir.join("admin.token")).unwrap();
    assert_eq!(token.trim_end().len(), 43);
    assert!(!shown.contains(token.trim_end()));
    let stored = fs::read(dir.join("store/db")).unwrap();
    assert!(!stored.windows(43).any(|window| window == token.trim_end().as_bytes()), "only its hash is in the store");

    let pem = fs::read_to_string(dir.join("tls/cert.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    let fingerprint: String = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(shown.contains(&format!("sha256:{fingerprint}")), "{shown}");

    let again = latchwork(&["init", dir.to_str().unwrap()]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"));
    assert_eq!(fs::read_to_string(dir.join("admin.token")).unwrap(), token, "nothing was changed");
}

#[test]
fn init_refuses_an_issuer_that_cannot_be() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    for issuer in ["http://as.example", "https://as.example/", "as.example"] {
        let output = latchwork(&["init", dir.to_str().unwrap(), "--issuer", issuer]).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{issuer}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("issuer: "), "{issuer}");
        assert!(!dir.exists(), "{issuer}");
    }
}

#[test]
fn serves_until_told_to_stop_and_remembers() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    for _ in 0..2 {
        let mut server = Running::start(&dir);
        let port = server.lines[0].strip_prefix("https://127.0.0.1:").unwrap().parse::<u16>().unwrap();
        assert_ne!(port, 0);
        assert!(server.ask("/healthz").starts_with("HTTP/1.1 200"));
        let metadata = server.ask("/.well-known/oauth-authorization-server");
        assert!(metadata.contains(&format!("\"issuer\":\"{}\"", server.lines[0])), "{metadata}");
        assert_eq!(server.terminate(), Some(0));
    }
}

/// One line that says what is wrong; an exit code that says of which kind.
#[test]
fn refuses_to_start_and_says_why() {
    let parent = tempfile::tempdir().unwrap();
    let good = parent.path().join("good");
    init(&good);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken_udp = udp.local_addr().unwrap().to_string();
    type Break<'a> = &'a dyn Fn(&Path, &mut Command);
    let rows: &[(&str, i32, &str, Break<'_>)] = &[
        ("no directory", 78, "latchwork init", &|dir, _| fs::remove_file(dir.join("latchwork.toml")).unwrap()),
        ("unknown key", 78, "http.lisen: no such key", &|dir, _| {
            fs::write(dir.join("latchwork.toml"), "[http]\nlisen = \"127.0.0.1:0\"").unwrap();
        }),
        ("bad value", 78, "http.listen: \"here\" is not", &|_, serve| {
            serve.env("LATCHWORK_HTTP_LISTEN", "here");
        }),
        ("plain HTTP for the world", 78, "http.plain_listen: ", &|_, serve| {
            serve.env("LATCHWORK_HTTP_PLAIN_LISTEN", "0.0.0.0:0");
        }),
        ("port taken", 78, "http.listen: ", &|_, serve| {
            serve.env("LATCHWORK_HTTP_LISTEN", &taken);
        }),
        ("port taken, of CoAP", 78, "coap.listen: ", &|_, serve| {
            serve.env("LATCHWORK_COAP_LISTEN", &taken_udp);
        }),
        ("no certificate", 78, "http.tls_cert: ", &|dir, _| fs::remove_file(dir.join("tls/cert.pem")).unwrap()),
        ("no certificate's key", 78, "http.tls_key: ", &|dir, _| {
            fs::write(dir.join("tls/key.pem"), "nothing").unwrap()
        }),
        ("a policy that is none", 78, "policy.dir: ", &|dir, _| {
            fs::write(dir.join("policies/doors.cedar"), "permit (everything);").unwrap();
        }),
        ("no policies", 78, "policy.dir: ", &|dir, _| fs::remove_dir_all(dir.join("policies")).unwrap()),
        ("audit log nowhere", 78, "audit.file: ", &|_, serve| {
            serve.env("LATCHWORK_AUDIT_FILE", "no/such/directory/audit.jsonl");
        }),
        ("a key that others can read", 1, "keys/refresh.key: others can read this key (mode 644)", &|dir, _| {
            fs::set_permissions(dir.join("keys/refresh.key"), fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("a key that is none", 1, "keys/storage.key: this is not a key", &|dir, _| {
            fs::write(dir.join("keys/storage.key"), "00").unwrap();
        }),
        ("a missing key", 1, "keys/refresh.key: No such file", &|dir, _| {
            fs::remove_file(dir.join("keys/refresh.key")).unwrap();
        }),
        ("a missing key-encryption key", 1, "keys/kek.key: No such file", &|dir, _| {
            fs::remove_file(dir.join("keys/kek.key")).unwrap();
        }),
        ("another key-encryption key", 1, "keys/storage.key: the key-encryption key of keys.kek", &|_, serve| {
            serve.env("LATCHWORK_KEYS_KEK", "7a".repeat(32));
        }),
        ("two key-encryption keys", 78, "keys.kek: the value is not left out", &|_, serve| {
            serve.env("LATCHWORK_KEYS_KEK", "7a".repeat(32)).env("LATCHWORK_KEYS_KEK_FILE", "keys/kek.key");
        }),
        ("a store that lost its content", 74, "lost its content", &|dir, _| {
            fs::remove_file(dir.join("store/db")).unwrap()
        }),
    ];
    for (name, code, message, breaks) in rows {
        let dir = parent.path().join("broken");
        let copied = Command::new("cp").arg("-a").arg(&good).arg(&dir).status().unwrap();
        assert!(copied.success());
        let mut serve = serve(&dir);
        breaks(&dir, &mut serve);
        let output = serve.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<_> = stderr.lines().filter(|line| line.starts_with("latchwork: ")).collect();
        assert_eq!(output.status.code(), Some(*code), "{name}: {stderr}");
        assert_eq!(ours.len(), 1, "{name}: {stderr}");
        assert!(ours[0].contains(message), "{name}: {stderr}");
        assert!(output.stdout.is_empty(), "{name}: it claimed to be ready");
        fs::remove_dir_all(&dir).unwrap();
    }
}

/// A disk in memory, in a mount namespace of its own, with no byte left.
#[test]
fn a_full_disk_is_said_in_one_line() {
    let parent = tempfile::tempdir().unwrap();
    let (good, full) = (parent.path().join("good"), parent.path().join("full"));
    init(&good);
    fs::create_dir(&full).unwrap();
    let fill = "mount -t tmpfs -o size=32m none \"$2\" && cp -a \"$1/.\" \"$2\" && ! cat /dev/zero >\"$2/rest\"";
    for (verb, code) in [("serve --dir \"$2\"", 74), ("init \"$2/another\"", 1)] {
        let script = format!("({fill}) 2>/dev/null; exec \"$3\" {verb}");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script, "sh"]).args([&good, &full]).arg(env!("CARGO_BIN_EXE_latchwork"));
        let output =
            command.env("LATCHWORK_HTTP_LISTEN", "127.0.0.1:0").env("LATCHWORK_COAP_OFF", "true").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<_> = stderr.lines().filter(|line| line.starts_with("latchwork: ")).collect();
        assert!(ours.len() == 1 && ours[0].contains("No space left on device"), "{verb}: {stderr}");
        assert_eq!(output.status.code(), Some(code), "{verb}: {stderr}");
    }
}

#[test]
fn a_second_server_on_the_same_store_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    let first = Running::start(&dir);
    let second = serve(&dir).output().unwrap();
    assert_eq!(second.status.code(), Some(74), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another process"), "{second:?}");
    assert!(first.ask("/healthz").starts_with("HTTP/1.1 200"), "the first is unharmed");
}

/// Verbs that work on files.
#[test]
fn policies_are_checked_and_decide_what_their_cases_say() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    let check = |dir: &Path| latchwork(&["policy", "check", "--dir", dir.to_str().unwrap()]).output().unwrap();
    for place in [dir.clone(), dir.join("policies")] {
        let output = check(&place);
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 files of cases"), "{output:?}");
    }
    fs::remove_file(dir.join("policies/limits.cedar")).unwrap();
    let output = check(&dir);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("cases/doors.toml: "), "{output:?}");
    for (file, text) in
        [("cases/doors.toml", "[[case]]"), ("doors.cedar", "permit (everything);"), ("latchwork.cedarschema", "entity")]
    {
        fs::write(dir.join("policies").join(file), text).unwrap();
        let output = check(&dir);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(78), 1), "{file}: {said}");
        assert!(said.starts_with("latchwork: policy.dir: "), "{file}: {said}");
    }
}

#[test]
fn a_new_administrators_token_voids_the_old_one() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    let file = dir.join("admin.token");
    let renew = || latchwork(&["admin-token", "--dir", dir.to_str().unwrap()]).output().unwrap();
    let old = fs::read_to_string(&file).unwrap();
    let output = renew();
    assert!(output.status.success(), "{output:?}");
    let new = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!String::from_utf8_lossy(&output.stdout).contains(new.trim_end()));
    let server = Running::start(&dir);
    for (token, status) in [(&old, "401"), (&new, "200")] {
        let answer = server.ask_with("/admin/api/v1/locks", &format!("Authorization: Bearer {}\r\n", token.trim_end()));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let served = renew();
    assert_eq!(served.status.code(), Some(74), "{served:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), new, "nothing was changed");
}

/// Signing keys outlive a restart, rotate on demand, and those of a server before are taken over.
#[test]
fn signing_keys_last_and_rotate() {
    use p256::pkcs8::EncodePrivateKey as _;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    let old = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let pem = old.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap();
    fs::write(dir.join("keys/es256.pem"), pem.as_bytes()).unwrap();
    fs::set_permissions(dir.join("keys/es256.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let keys = |server: &Running, verb: &[&str]| -> serde_json::Value {
        let mut arguments = vec!["keys"];
        arguments.extend(verb);
        arguments.extend(["--dir", dir.to_str().unwrap(), "--server", &server.lines[0]]);
        let output = latchwork(&arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let phases = |keys: &serde_json::Value| {
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().map(|key| format!("{} {}", key["purpose"], key["phase"]).replace('"', "")).collect::<Vec<_>>()
    };
    let mut server = Running::start(&dir);
    let first = keys(&server, &["list"]);
    assert_eq!(phases(&first), ["es256 signing", "eddsa signing", "api signing"]);
    let point = old.public_key().to_sec1_bytes();
    let x = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &point[1..33]);
    assert!(server.ask("/jwks.json").contains(&x), "the key of the server before");
    let announced = keys(&server, &["rotate", "--purpose", "es256"]);
    assert_eq!(phases(&announced), ["es256 signing", "es256 announced", "eddsa signing", "api signing"]);
    assert_eq!(server.terminate(), Some(0));
    fs::remove_file(dir.join("keys/es256.pem")).unwrap();
    let server = Running::start(&dir);
    assert_eq!(keys(&server, &["list"]), announced);
    let now = keys(&server, &["rotate", "--now"]);
    assert_eq!(phases(&now).iter().filter(|phase| phase.ends_with("signing")).count(), 3);
    assert_eq!(now["keys"].as_array().unwrap().len(), 7);
}

/// R9200-6.2-01, R7009-2-03, R7662-2-01, R7662-4-03, R8414-3-01
#[test]
fn only_answers_by_tls_ask_for_tls() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    // Also one that is there, empty, and open to all.
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    init(&dir);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let server = Running::start(&dir);
    assert!(!server.ask("/healthz").to_lowercase().contains("strict-transport-security"));
    let pem = fs::read(dir.join("tls/cert.pem")).unwrap();
    latchwork_authz_server::shell::tls::install_provider();
    let answer = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let trusted = reqwest::Certificate::from_pem(&pem).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
        client.get(format!("{}/keys", server.lines[0])).send().await.unwrap()
    });
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/cose-key-set");
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
}

/// Whoever reaches TLS of our own has no proxy in front: what says so is the stranger's own word.
/// R9700-4.13-01
#[test]
fn over_tls_nobody_comes_from_elsewhere() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    let server = Running::start(&dir);
    let pem = fs::read(dir.join("tls/cert.pem")).unwrap();
    latchwork_authz_server::shell::tls::install_provider();
    let statuses: Vec<u16> = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let trusted = reqwest::Certificate::from_pem(&pem).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
        let mut statuses = Vec::new();
        for n in 0..5 {
            let guess = client.post(format!("{}/token", server.lines[0])).basic_auth("robot", Some("guess"));
            let guess = guess.header("x-forwarded-for", format!("198.51.100.{n}"));
            let guess = guess.form(&[("grant_type", "client_credentials")]);
            statuses.push(guess.send().await.unwrap().status().as_u16());
        }
        statuses
    });
    assert_eq!(statuses, [401, 401, 401, 401, 429]);
}

/// From the token to the admitted client and back, with no secret on the screen or in a log at trace level.
#[test]
fn a_client_registers_itself_and_is_admitted() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("server");
    init(&dir);
    let log = parent.path().join("log");
    let mut command = serve(&dir);
    command.env("LATCHWORK_LOG_FILTER", "trace").stderr(fs::File::create(&log).unwrap());
    let running = Running::spawn(command);
    let https = running.lines.iter().find(|line| line.starts_with("https://")).unwrap().clone();
    let file = parent.path().join("registration.token");
    let client = |arguments: &[&str]| {
        let place = ["--dir", dir.to_str().unwrap(), "--server", &https];
        latchwork(&[&["client"], arguments, &place[..]].concat()).output().unwrap()
    };
    let token = ["token", "--uses", "2", "--out", file.to_str().unwrap()];
    let made = client(&token);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&file).unwrap();
    assert!(!String::from_utf8_lossy(&made.stdout).contains(secret.trim()));
    assert!(!client(&token).status.success(), "the file is there");

    let body = r#"{"grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic"}"#;
    let mut stream = TcpStream::connect(running.plain()).unwrap();
    write!(
        stream,
        "POST /register HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        running.plain(),
        secret.trim(),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let id = answer.split_once("\"client_id\":\"").unwrap().1.split('"').next().unwrap();

    let list = || String::from_utf8(client(&["list"]).stdout).unwrap();
    assert!(list().contains(id) && list().contains("\"admitted\": false"), "{}", list());
    let listed: serde_json::Value = serde_json::from_str(&list()).unwrap();
    let line = listed["clients"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap();
    let revision = line["revision"].as_u64().unwrap();
    assert!(!client(&["admit", id]).status.success(), "as it was when?");
    let stale = client(&["admit", id, &(revision - 1).to_string()]);
    assert!(
        !stale.status.success() && String::from_utf8_lossy(&stale.stderr).contains("look at it again"),
        "{stale:?}"
    );
    let admitted = client(&["admit", id, &revision.to_string()]);
    assert!(admitted.status.success(), "{admitted:?}");
    assert!(list().contains("\"admitted\": true"), "{}", list());
    let tokens = String::from_utf8(client(&["tokens"]).stdout).unwrap();
    assert!(tokens.contains("\"uses\": 1") && !tokens.contains(secret.trim()), "{tokens}");
    let name = tokens.split_once("\"id\": \"").unwrap().1.split('"').next().unwrap();
    assert!(client(&["void", name]).status.success());
    assert!(!client(&["void", name]).status.success(), "it is void");
    assert!(client(&["remove", id]).status.success());
    assert!(!list().contains(id));

    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("TRACE") && log.contains(id), "the test looks at the wrong thing");
    let shown = |name: &str| answer.split_once(&format!("\"{name}\":\"")).unwrap().1.split('"').next().unwrap();
    for secret in [secret.trim(), shown("client_secret"), shown("registration_access_token")] {
        assert!(secret.len() >= 43 && !log.contains(secret), "a secret in the log");
    }
}
