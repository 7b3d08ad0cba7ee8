//! The configuration: one commented TOML file, each key with an environment variable over it.
//!
//! A key that nobody knows or a value that cannot be is refused, by name, before anything starts.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use openidconnect::url::Url;
use zeroize::Zeroizing;

mod keys;
mod reader;

pub use keys::KeySettings;

pub use reader::ConfigError;
pub(crate) use reader::complaint;
use reader::{Section, Source};

/// What `init` writes: every key, commented, with its default.
pub const TEMPLATE: &str = include_str!("config/latchwork.toml");

/// The file's name inside the server's directory.
pub const FILE: &str = "latchwork.toml";

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer, without a slash at the end; `None`: derived from the HTTPS address.
    pub issuer: Option<String>,
    /// HTTPS and its proxy-side sibling.
    pub http: Http,
    /// CoAP.
    pub coap: Coap,
    /// The store.
    pub store: StoreSettings,
    /// The server's own keys.
    pub keys: KeySettings,
    /// The directory with the Cedar schema and policies.
    pub policy_dir: PathBuf,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How much is too much.
    pub limits: Limits,
    /// Where the audit log goes; `None`: standard error.
    pub audit_file: Option<PathBuf>,
    /// Whether a token waits for its line in it.
    pub audit_required: bool,
    /// What is logged, and how.
    pub log: Log,
    /// OpenID providers at which people sign in, in the order of the file.
    pub providers: Vec<ProviderSettings>,
}

/// HTTP listeners.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// HTTPS.
    pub listen: SocketAddr,
    /// PEM certificate chain.
    pub tls_cert: PathBuf,
    /// PEM private key.
    pub tls_key: PathBuf,
    /// Plain HTTP for a reverse proxy on this machine; loopback only.
    pub plain_listen: Option<SocketAddr>,
    /// HTTPS that asks clients for a certificate; `None`: off.
    pub mtls_listen: Option<SocketAddr>,
    /// Its URL, if not its address.
    pub mtls_url: Option<String>,
    /// PEM authorities that vouch for clients' certificates.
    pub mtls_ca: Option<PathBuf>,
    /// Threads that serve HTTP.
    pub workers: usize,
}

/// CoAP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Coap {
    /// UDP; `None`: off.
    pub listen: Option<SocketAddr>,
}

/// The store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSettings {
    /// Which engine.
    pub engine: Engine,
    /// Its directory.
    pub path: PathBuf,
    /// Bytes of pages kept in memory, at most.
    pub cache: u64,
}

/// An engine of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// sled, made durable.
    Sled,
    /// Forgets everything at the end; for trying out.
    Memory,
}

/// Lifetimes, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetimes {
    /// An authorization code.
    pub code: u32,
    /// A reference to a pushed request.
    pub pushed_request: u32,
    /// The codes of a device, from its question to the person's answer.
    pub device_code: u32,
    /// From `/authorize` to the end of sign-in and consents.
    pub sign_in: u32,
    /// How long an asker waits for a door's owner.
    pub owner_answer: u32,
    /// A consent that an owner gives on the page.
    pub owner_consent: u32,
    /// A grant, in any case.
    pub grant: u32,
    /// A grant that nobody refreshes.
    pub grant_idle: u32,
    /// A token for the people API.
    pub api_token: u32,
    /// A browser's session on the pages for people.
    pub session: u32,
    /// The window of the nonces in DPoP proofs; 0: none are asked for.
    pub dpop_nonce: u32,
}

/// Limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Requests per second and address in the long run, beyond which the answer is 429; 0: no limit.
    pub per_address: u32,
    /// Requests per second and client in the long run; 0: no limit.
    pub per_client: u32,
    /// Bytes of a request body.
    pub body: usize,
    /// Open HTTP connections.
    pub connections: usize,
}

/// Logging.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// A `tracing` filter.
    pub filter: String,
    /// JSON lines instead of text.
    pub json: bool,
}

/// An OpenID provider.
#[derive(Clone)]
pub struct ProviderSettings {
    /// The name in `/callback/NAME`.
    pub name: String,
    /// Its issuer.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our secret there; `None`: a public client.
    pub client_secret: Option<Zeroizing<String>>,
    /// Scopes beside `openid`.
    pub scopes: Vec<String>,
    /// PEM file with the only certificates trusted for it.
    pub ca_file: Option<PathBuf>,
    /// The claim that lists a person's groups.
    pub groups_claim: Option<String>,
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSettings")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads `DIR/latchwork.toml` under this process's environment.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let file = dir.join(FILE);
        let text = fs::read_to_string(&file).map_err(|cause| ConfigError::File { file, cause })?;
        Self::parse(&text, &variables(), dir)
    }

    /// Reads a file's text; relative paths are below `dir`, environment variables count over the file.
    pub fn parse(text: &str, variables: &BTreeMap<String, String>, dir: &Path) -> Result<Self, ConfigError> {
        let mut source = Source::new(text, variables, dir)?;

        let mut top = source.top();
        let issuer = top.text("issuer")?;
        if let Some(issuer) = &issuer
            && !is_issuer(issuer)
        {
            return Err(top.wrong("issuer", ISSUER_RULE));
        }
        top.end()?;

        let mut http = source.section("http")?;
        let plain_listen = http.parsed::<SocketAddr>("plain_listen", ADDRESS)?;
        if plain_listen.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(http.wrong("plain_listen", "an address of this machine only: it has no TLS"));
        }
        let http = http.finish(|section| {
            let listen = section.parsed("listen", ADDRESS)?.unwrap_or(local(8443));
            if issuer.is_none() && listen.ip().is_unspecified() {
                return Err(section.wrong("listen", "an address that can stand in every token; set issuer beside it"));
            }
            Ok(Http {
                listen,
                tls_cert: section.path("tls_cert", "tls/cert.pem")?,
                tls_key: section.path("tls_key", "tls/key.pem")?,
                plain_listen,
                mtls_listen: section.parsed("mtls_listen", ADDRESS)?,
                mtls_url: match section.text("mtls_url")? {
                    Some(url) if !is_issuer(&url) => return Err(section.wrong("mtls_url", ISSUER_RULE)),
                    url => url,
                },
                mtls_ca: section.path_if_set("mtls_ca")?,
                workers: section.number("workers", 1..=256)?.map_or_else(cores, |workers| workers as usize),
            })
        })?;

        let coap = source.section("coap")?.finish(|section| {
            let off = section.flag("off")?.unwrap_or(false);
            let listen = section.parsed("listen", ADDRESS)?.unwrap_or(local(5683));
            Ok(Coap { listen: (!off).then_some(listen) })
        })?;

        let store = source.section("store")?.finish(|section| {
            Ok(StoreSettings {
                engine: match section.text("engine")?.as_deref() {
                    None | Some("sled") => Engine::Sled,
                    Some("memory") => Engine::Memory,
                    Some(_) => return Err(section.wrong("engine", "one of: sled, memory")),
                },
                path: section.path("path", "store")?,
                cache: section.number("cache_mb", 1..=65_536)?.unwrap_or(16) << 20,
            })
        })?;

        let keys = source.section("keys")?.finish(keys::keys)?;

        let policy_dir = source.section("policy")?.finish(|section| section.path("dir", "policies"))?;

        let lifetimes = source.section("lifetimes")?.finish(|section| {
            let mut seconds = |key, default, at_most| {
                Ok::<_, ConfigError>(section.number(key, 1..=at_most)?.map_or(default, |seconds| seconds as u32))
            };
            Ok(Lifetimes {
                code: seconds("code", 60, 600)?,
                pushed_request: seconds("pushed_request", 120, 600)?,
                device_code: seconds("device_code", 600, 3_600)?,
                sign_in: seconds("sign_in", 600, 3_600)?,
                owner_answer: seconds("owner_answer", 600, DAY)?,
                owner_consent: seconds("owner_consent", 28_800, 365 * DAY)?,
                grant: seconds("grant", 7_776_000, 730 * DAY)?,
                grant_idle: seconds("grant_idle", 2_592_000, 730 * DAY)?,
                api_token: seconds("api_token", 300, 3_600)?,
                session: seconds("session", 3_600, 7 * DAY)?,
                dpop_nonce: section.number("dpop_nonce", 0..=3_600)?.map_or(300, |seconds| seconds as u32),
            })
        })?;

        let limits = source.section("limits")?.finish(|section| {
            Ok(Limits {
                per_address: section.number("per_address", 0..=1_000_000)?.unwrap_or(100) as u32,
                per_client: section.number("per_client", 0..=1_000_000)?.unwrap_or(100) as u32,
                body: section.number("body_kb", 1..=1_024)?.unwrap_or(64) as usize * 1024,
                connections: section.number("connections", 1..=1_000_000)?.unwrap_or(10_000) as usize,
            })
        })?;

        let (audit_file, audit_required) = source
            .section("audit")?
            .finish(|section| Ok((section.path_if_set("file")?, section.flag("required")?.unwrap_or(true))))?;

        let log = source.section("log")?.finish(|section| {
            let filter = section.text("filter")?.unwrap_or_else(|| "info".to_owned());
            if filter.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
                return Err(section.wrong("filter", "a filter such as info or latchwork_authz_server=debug"));
            }
            Ok(Log {
                filter,
                json: match section.text("format")?.as_deref() {
                    None | Some("text") => false,
                    Some("json") => true,
                    Some(_) => return Err(section.wrong("format", "one of: text, json")),
                },
            })
        })?;

        let mut providers = Vec::new();
        for section in source.sections("provider")? {
            let provider = section.finish(provider)?;
            if providers.iter().any(|other: &ProviderSettings| other.name == provider.name) {
                return Err(ConfigError::wrong("provider.name", &provider.name, "a name of its own"));
            }
            providers.push(provider);
        }
        source.end()?;
        Ok(Self {
            issuer,
            http,
            coap,
            store,
            keys,
            policy_dir,
            lifetimes,
            limits,
            audit_file,
            audit_required,
            log,
            providers,
        })
    }

    /// The issuer, once the HTTPS port is known.
    #[must_use]
    pub fn issuer_at(&self, https: SocketAddr) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("https://{https}"))
    }
}

/// This process's environment, as far as it is text.
#[must_use]
pub fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn provider(section: &mut Section<'_>) -> Result<ProviderSettings, ConfigError> {
    let name = section.needed("name")?;
    if !(1..=32).contains(&name.len())
        || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return Err(section.wrong("name", "1 to 32 of a-z 0-9 -"));
    }
    let issuer = section.needed("issuer")?;
    if !is_provider(&issuer) {
        return Err(section.wrong("issuer", "an https URL (http on 127.0.0.1, [::1] or localhost)"));
    }
    let client_secret = section.secret("client_secret", "client_secret_file")?;
    let ca_file = section.path_if_set("ca_file")?;
    if ca_file.as_ref().is_some_and(|file| !file.is_file()) {
        return Err(section.wrong("ca_file", "a file that exists"));
    }
    Ok(ProviderSettings {
        name,
        issuer,
        client_id: section.needed("client_id")?,
        client_secret,
        scopes: section.texts("scopes")?.unwrap_or_else(|| vec!["openid".to_owned(), "profile".to_owned()]),
        ca_file,
        groups_claim: section.text("groups_claim")?,
    })
}

/// An absolute URL with no query, fragment, credentials or slash at the end (RFC 8414 §2); https, or http to this machine.
fn is_issuer(text: &str) -> bool {
    !text.ends_with('/') && is_provider(text)
}

fn is_provider(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    plain && url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && local)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const ADDRESS: &str = "an IP address and a port such as 127.0.0.1:8443";
const ISSUER_RULE: &str =
    "an https URL without query, fragment or slash at its end (http on 127.0.0.1, [::1] or localhost)";
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests;
