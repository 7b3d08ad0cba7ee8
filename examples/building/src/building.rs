//! The company: its provider, its server, its locks. Everything lives in one directory and ends with it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::board::{EVERYTHING, EVERYTHING_UDP, IN_C, Pace};
use crate::{Browser, Lock, Outcome, Phone, Process, Witness};

/// What the company runs.
pub struct Building {
    directory: TempDir,
    /// The provider's issuer URL.
    pub provider_url: String,
    /// The server's issuer URL.
    pub issuer: String,
    /// The server over CoAP, `127.0.0.1:PORT`.
    pub coap: String,
    /// The locks by name.
    pub locks: BTreeMap<String, Lock>,
    /// The master secret that the robot shares with the server, in hexadecimal.
    pub robot_secret: String,
    /// The secret of the client `service`.
    pub service_secret: String,
    /// Sees the secrets that browsers and phones hold.
    pub witness: Witness,
    filter: String,
    provider: Option<Process>,
    server: Option<Process>,
}

/// What the locks of the front door and the side door run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Linux.
    Linux,
    /// Microcontrollers in QEMU, without a clock: the front door knows by this mode (`nonce`, `exi`) that a token is
    /// recent, the side door by `exi`.
    Board(&'static str),
    /// The same on Ethernet.
    BoardUdp(&'static str),
    /// Microcontrollers with the lock in C, which have a clock.
    InC,
}

/// The doors that have a running lock.
const LOCKS: [&str; 3] = ["front", "lab", "side"];

/// Those of them, and another, that speak EDHOC.
const EDHOC: [&str; 2] = ["side", "annex"];

impl Building {
    /// Starts everything and declares the building.
    pub fn open() -> Outcome<Self> {
        Self::open_logging("info")
    }

    /// The same, with everything logging what `filter` lets through.
    pub fn open_logging(filter: &str) -> Outcome<Self> {
        Self::open_configured(filter, "")
    }

    /// The same, with further sections at the end of the server's configuration.
    pub fn open_configured(filter: &str, more: &str) -> Outcome<Self> {
        Self::open_staged(filter, more, Body::Linux)
    }

    /// The same, with a choice of what two of the locks run on.
    pub fn open_staged(filter: &str, more: &str, body: Body) -> Outcome<Self> {
        let directory = TempDir::with_prefix("latchwork-")?;
        let at = directory.path();
        for part in ["logs", "locks", "phones"] {
            fs::create_dir(at.join(part))?;
        }
        let issuer = format!("https://127.0.0.1:{}", free_port()?);
        let provider_secret = random_hex(32)?;
        write_private(&at.join("provider.secret"), &provider_secret)?;
        let mut provider = start_provider(at, &issuer)?;
        let provider_url = provider.line("provider ")?;
        let mut building = Self {
            provider_url,
            issuer,
            coap: String::new(),
            locks: BTreeMap::new(),
            robot_secret: random_hex(16)?,
            service_secret: random_hex(32)?,
            witness: Witness::default(),
            filter: filter.to_owned(),
            provider: Some(provider),
            server: None,
            directory,
        };
        building.initialise(more)?;
        building.start_server()?;
        for name in LOCKS {
            let (locks, logs) = (building.path("locks"), building.path("logs"));
            let key = EDHOC.contains(&name).then(|| building.lock_key(name));
            let board = match (body, name) {
                (Body::Board(mode), "front") => Some((mode, EVERYTHING)),
                (Body::Board(_), "side") => Some(("exi", EVERYTHING)),
                (Body::BoardUdp(mode), "front") => Some((mode, EVERYTHING_UDP)),
                (Body::BoardUdp(_), "side") => Some(("exi", EVERYTHING_UDP)),
                (Body::InC, "front" | "side") => Some(("clock", IN_C)),
                _ => None,
            };
            let lock = match board {
                Some((mode, image)) => {
                    let file = building.enroll_with(name, &["--clock", mode])?;
                    Lock::on_board(name, &file, key.as_deref(), (&locks, &logs), (image, Pace::Real))?
                }
                None => {
                    // One of them has a network of its own, and learns of revoked tokens.
                    let online = ["--online", &building.coap.clone()];
                    let file = building.enroll_with(name, if name == "lab" { &online[..] } else { &[] })?;
                    Lock::start(name, &file, key.as_deref(), &locks, &logs, filter)?
                }
            };
            building.locks.insert(name.to_owned(), lock);
        }
        building.enroll("annex")?;
        building.enroll("server-room")?;
        building.apply()?;
        Ok(building)
    }

    /// A path in the building's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A lock by its name.
    pub fn lock(&self, name: &str) -> Outcome<&Lock> {
        self.locks.get(name).ok_or_else(|| format!("no lock {name}").into())
    }

    /// A browser that trusts the server's development certificate.
    pub fn browser(&self) -> Outcome<Browser> {
        Browser::new(&fs::read(self.certificate())?, self.witness.clone())
    }

    /// Somebody's phone, with a key of its own.
    pub fn phone(&self, owner: &str) -> Phone {
        let (home, logs) = (self.path("phones").join(owner), self.path("logs"));
        Phone::new(home, &self.issuer, self.certificate(), logs, &self.filter, self.witness.clone())
    }

    /// The server's development certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("server/tls/cert.pem")
    }

    /// Runs `latchwork VERB` against this server and returns what it printed.
    pub fn latchwork(&self, arguments: &[&str]) -> Outcome<String> {
        let output = Command::new(program("latchwork")?).args(arguments).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        Err(format!("latchwork {arguments:?}: {printed}{}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Writes the file of a lock, creating the lock where it is new.
    pub fn enroll(&self, name: &str) -> Outcome<PathBuf> {
        self.enroll_with(name, &[])
    }

    /// The same with further arguments.
    pub fn enroll_with(&self, name: &str, more: &[&str]) -> Outcome<PathBuf> {
        let file = self.path("locks").join(format!("{name}.lock"));
        let (directory, out) = (self.path("server"), file.to_string_lossy().into_owned());
        let directory = directory.to_string_lossy();
        let mut arguments = vec!["lock", "enroll", name, "--dir", &directory, "--out", &out];
        let credential = self.path("locks").join(format!("{name}.ccs")).to_string_lossy().into_owned();
        if EDHOC.contains(&name) {
            let key = self.lock_key(name);
            let printed = Command::new(program("door-lock")?).args(["keygen", "--key"]).arg(&key).output()?;
            fs::write(&credential, printed.stdout)?;
            arguments.extend(["--credential", &credential]);
        }
        arguments.extend(more);
        self.latchwork(&arguments)?;
        Ok(file)
    }

    /// The file of a lock's private key.
    fn lock_key(&self, name: &str) -> PathBuf {
        self.path("locks").join(format!("{name}.key"))
    }

    /// A lock's credential, as `door-lock keygen` printed it.
    pub fn credential(&self, name: &str) -> Outcome<Vec<u8>> {
        let text = fs::read_to_string(self.path("locks").join(format!("{name}.ccs")))?;
        let digits = text.trim().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
        Ok(digits.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>()?)
    }

    /// Declares `building.toml` with the addresses of today.
    pub fn apply(&self) -> Outcome<String> {
        self.apply_changed(&[])
    }

    /// The same with these words replaced before.
    fn apply_changed(&self, changes: &[(&str, &str)]) -> Outcome<String> {
        let mut declaration = include_str!("../building.toml").to_owned();
        for (word, other) in changes {
            declaration = declaration.replace(word, other);
        }
        let address =
            |name| self.locks.get(name).map(|lock: &Lock| lock.corridor.address.to_string()).unwrap_or_default();
        for (word, value) in [
            ("\"PROVIDER\"", &self.provider_url),
            ("\"FRONT\"", &address("front")),
            ("\"LAB\"", &address("lab")),
            ("\"SIDE\"", &address("side")),
            ("\"ROBOT_SECRET\"", &self.robot_secret),
            ("\"SERVICE_SECRET\"", &self.service_secret),
        ] {
            declaration = declaration.replace(word, &format!("{value:?}"));
        }
        let file = self.path("building.toml");
        write_private(&file, &declaration)?;
        self.latchwork(&["apply", "-f", &file.to_string_lossy(), "--dir", &self.path("server").to_string_lossy()])
    }

    /// Cuts the power of a lock and gives it back. The address of a board is another one then.
    pub fn reboot(&mut self, name: &str) -> Outcome<()> {
        if let Some(lock) = self.locks.get_mut(name).filter(|lock| lock.has_clock()) {
            return lock.reboot();
        }
        let image = self.locks.remove(name).and_then(|lock| lock.image()).ok_or("no such board")?;
        let (file, locks, logs) = (self.path(&format!("locks/{name}.lock")), self.path("locks"), self.path("logs"));
        let lock = Lock::on_board(name, &file, None, (&locks, &logs), image)?;
        self.locks.insert(name.to_owned(), lock);
        Ok(())
    }

    /// Builds the lock anew on a board with the image of this variant, where its timer counts instructions, and enrols it without a clock
    /// (`exi`), but for the one in C. Its tokens are signed by `alg`, ES256 if none is given. Its address is another one then.
    pub fn measure_on(&mut self, name: &str, variant: &'static str, alg: Option<&str>) -> Outcome<()> {
        drop(self.locks.remove(name));
        let (locks, logs) = (self.path("locks"), self.path("logs"));
        // Of the lock that it was.
        for kind in ["lock", "chip", "key"] {
            let _ = fs::remove_file(locks.join(format!("{name}.{kind}")));
        }
        let clock = if variant == IN_C { "clock" } else { "exi" };
        let file = self.enroll_with(name, &["--clock", clock, "--replace"])?;
        let key = EDHOC.contains(&name).then(|| self.lock_key(name));
        let at = (&*locks, &*logs);
        let lock = Lock::on_board(name, &file, key.as_deref(), at, (variant, Pace::Instructions))?;
        self.locks.insert(name.to_owned(), lock);
        let declared = format!("[[lock]]\nname = {name:?}\n");
        // Also where it is the usual one: what a declaration leaves out stays as it was for the image before.
        let algs = format!("tokens = {{ algs = [{:?}] }}\n", alg.unwrap_or("ES256"));
        self.apply_changed(&[(&declared, &format!("{declared}{algs}"))]).map(drop)
    }

    /// Ends the server, as a power cut would.
    pub fn stop_server(&mut self) {
        self.server = None;
    }

    /// Ends the provider.
    pub fn stop_provider(&mut self) {
        self.provider = None;
    }

    /// Whether neither server nor provider runs.
    pub fn is_offline(&self) -> bool {
        self.server.is_none() && self.provider.is_none()
    }

    /// Starts the server, or starts it again on the same data and ports.
    pub fn start_server(&mut self) -> Outcome<()> {
        let mut command = Command::new(program("latchwork")?);
        command.arg("serve").arg("--dir").arg(self.path("server"));
        let coap = if self.coap.is_empty() { "127.0.0.1:0" } else { &self.coap };
        command.env("LATCHWORK_COAP_LISTEN", coap);
        command.env("LATCHWORK_LOG_FILTER", &self.filter);
        let mut server = Process::start("server", &self.path("logs"), &mut command)?;
        server.line("https://")?;
        self.coap = server.line("coap://")?;
        self.server = Some(server);
        Ok(())
    }

    fn initialise(&self, more: &str) -> Outcome<()> {
        let server = self.path("server");
        self.latchwork(&["init", &server.to_string_lossy(), "--issuer", &self.issuer])?;
        let config = server.join("latchwork.toml");
        let listen = self.issuer.trim_start_matches("https://");
        let text = fs::read_to_string(&config)?
            .replace("#listen = \"127.0.0.1:8443\"", &format!("listen = {listen:?}"))
            + &format!(
                "\n[[provider]]\nname = \"company\"\nissuer = {:?}\nclient_id = \"latchwork\"\n\
                 client_secret_file = {:?}\nscopes = [\"openid\"]\ngroups_claim = \"groups\"\n",
                self.provider_url,
                self.path("provider.secret"),
            )
            + more;
        Ok(fs::write(config, text)?)
    }
}

fn start_provider(at: &Path, issuer: &str) -> Outcome<Process> {
    let here = repository()?.join("examples/building/provider");
    let mut command = Command::new(repository()?.join("target/tools/bin/node"));
    command.arg(here.join("provider.mjs")).args(["--client-id", "latchwork"]);
    command.arg("--client-secret-file").arg(at.join("provider.secret"));
    command.arg("--issued-file").arg(at.join("provider.issued"));
    command.arg("--redirect-uri").arg(format!("{issuer}/callback/company"));
    Ok(Process::start("provider", &at.join("logs"), &mut command)?)
}

/// The path of one of our programs: beside this one, where cargo put them all.
pub fn program(name: &str) -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("{name} is not built; make builds it").into())
}

/// The root of the repository.
pub fn repository() -> Outcome<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("no repository")?.to_path_buf())
}

/// A TCP port that is free at this moment. The provider has to know the server's address before the server starts.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Random bytes in hexadecimal.
pub fn random_hex(bytes: usize) -> Outcome<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_private(path: &Path, text: &str) -> Outcome<()> {
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(std::io::Write::write_all(&mut file, text.as_bytes())?)
}
