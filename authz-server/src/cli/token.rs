//! `latchwork token inspect`: what a token says. Nothing is verified, and no secret is shown.

use std::io::Read as _;
use std::path::PathBuf;

use ciborium::Value as Cbor;
use clap::{Args, Subcommand};
use latchwork_ace::cose::Token as Cwt;
use latchwork_ace::registry::{Claim, CnfMember, OscMember};
use latchwork_crypto::{RustCrypto, Symmetric as _};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Failure;
use crate::core::bytes::{Blob, base64url, from_base64url};
use crate::core::bytes::{hex, unhex};
use crate::core::{mint, scope};

/// Look into tokens
#[derive(Args)]
pub(super) struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the header and the claims of a token, as JSON; nothing is verified
    Inspect {
        /// The token, its bytes or their base64url text; - is standard input
        file: PathBuf,
        /// The lock's file, to open an encrypted token with its key
        #[arg(long, value_name = "NAME.lock")]
        lock: Option<PathBuf>,
    },
}

impl Token {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Verb::Inspect { file, lock } = self.verb;
        let mut token = Vec::new();
        let read = match file.as_os_str() == "-" {
            true => std::io::stdin().lock().take(MAX_LEN).read_to_end(&mut token),
            false => std::fs::File::open(&file).and_then(|open| open.take(MAX_LEN).read_to_end(&mut token)),
        };
        read.map_err(|cause| Failure::io(file.display(), cause))?;
        let key = match lock {
            None => None,
            Some(lock) => {
                let text = std::fs::read_to_string(&lock).map(Zeroizing::new);
                let text = text.map_err(|cause| Failure::io(lock.display(), cause))?;
                let key = lock_key(&text).ok_or_else(|| format!("{}: not the file of a lock", lock.display()));
                Some(key.map_err(|problem| Failure::Other(problem.into()))?)
            }
        };
        super::say(&inspect(&token, key.as_ref()).map_err(|problem| Failure::Other(problem.into()))?)
    }
}

fn lock_key(file: &str) -> Option<Zeroizing<[u8; 16]>> {
    let table: toml::Table = file.parse().ok()?;
    let key = Zeroizing::new(unhex(table.get("token_key")?.get("key")?.as_str()?)?);
    key.as_slice().try_into().ok().map(Zeroizing::new)
}

fn inspect(token: &[u8], key: Option<&Zeroizing<[u8; 16]>>) -> Result<Value, &'static str> {
    let text = std::str::from_utf8(token).map(str::trim).unwrap_or_default();
    if let Some(jwt) = jwt(text) {
        return Ok(jwt);
    }
    let bytes = from_base64url(text).filter(|bytes| !bytes.is_empty()).unwrap_or_else(|| token.to_vec());
    let cwt = Cwt::parse(&bytes).map_err(|_| "not a token as this server makes it (RFC 9770 §3), nor a JWT")?;
    let mut shown = header(&cwt);
    shown.insert("hash".into(), json!(mint::token_hash(&bytes)));
    match (&cwt, key) {
        (Cwt::Encrypt0(_), None) => {
            drop(shown.insert("claims".into(), json!("(encrypted; --lock NAME.lock opens it)")))
        }
        (Cwt::Encrypt0(sealed), Some(key)) => {
            let failed = "it does not open with this lock's key";
            let mut aad = [0; 256];
            let aad = sealed.aad(&mut aad).map_err(|_| failed)?;
            let (text, tag) = sealed.ciphertext.split_last_chunk::<16>().ok_or(failed)?;
            let iv = sealed.iv.try_into().map_err(|_| failed)?;
            let mut text = Zeroizing::new(text.to_vec());
            RustCrypto.ccm_open(key, iv, aad, &mut text, tag).map_err(|_| failed)?;
            match Cwt::parse_nested(&text).map_err(|_| "what it holds is no token")? {
                Some(inner) => {
                    shown.insert("signed_inside".into(), Value::Object(header(&inner)));
                    shown.insert("claims".into(), claims(payload(&inner))?);
                }
                None => drop(shown.insert("claims".into(), claims(&text)?)),
            }
        }
        (open, _) => drop(shown.insert("claims".into(), claims(payload(open))?)),
    }
    Ok(Value::Object(shown))
}

fn jwt(text: &str) -> Option<Value> {
    let mut parts = text.split('.');
    let mut part = || serde_json::from_slice::<Value>(&from_base64url(parts.next()?)?).ok();
    let (header, claims) = (part()?, part()?);
    Some(json!({ "type": "JWT", "header": header, "claims": claims }))
}

fn header(token: &Cwt<'_>) -> Map<String, Value> {
    let kind = match token {
        Cwt::Encrypt0(_) => "COSE_Encrypt0",
        Cwt::Mac0(_) => "COSE_Mac0",
        Cwt::Sign1(_) => "COSE_Sign1",
    };
    let alg = token.alg().name().map_or(json!(token.alg().0), Value::from);
    Map::from_iter([
        ("type".to_owned(), json!(kind)),
        ("header".to_owned(), json!({ "alg": alg, "kid": hex(token.kid()) })),
    ])
}

fn payload<'t>(token: &Cwt<'t>) -> &'t [u8] {
    match token {
        Cwt::Sign1(signed) => signed.payload,
        Cwt::Mac0(maced) => maced.payload,
        Cwt::Encrypt0(_) => &[],
    }
}

fn claims(cbor: &[u8]) -> Result<Value, &'static str> {
    let claims: Cbor = ciborium::from_reader(cbor).map_err(|_| "its claims are no CBOR")?;
    Ok(shown(&claims, |label| Claim(label).name()))
}

/// As JSON, labels by the names that they have at this place.
fn shown(value: &Cbor, name: fn(i64) -> Option<&'static str>) -> Value {
    match value {
        Cbor::Map(entries) => Value::Object(entries.iter().map(|(key, value)| member(key, value, name)).collect()),
        Cbor::Array(items) => items.iter().map(|item| shown(item, |_| None)).collect(),
        Cbor::Text(text) => json!(text),
        Cbor::Bytes(bytes) => json!(base64url(bytes)),
        Cbor::Integer(number) => i64::try_from(*number).map_or_else(|_| json!(format!("{number:?}")), Value::from),
        Cbor::Float(number) => json!(number),
        Cbor::Bool(flag) => json!(flag),
        Cbor::Tag(_, inner) => shown(inner, name),
        _ => Value::Null,
    }
}

fn member(key: &Cbor, value: &Cbor, name: fn(i64) -> Option<&'static str>) -> (String, Value) {
    let label = key.as_integer().and_then(|label| i64::try_from(label).ok());
    let known = label.and_then(name);
    let inside = match known {
        Some("cnf") => |label| CnfMember(label).name(),
        Some("osc") => |label| OscMember(label).name(),
        Some("kccs") => |label| Claim(label).name(),
        _ => (|_| None) as fn(i64) -> Option<&'static str>,
    };
    let value = match (known, value) {
        (Some("ms"), _) => json!("(hidden)"),
        (Some("scope"), Cbor::Bytes(aif)) => json!(scope::decode(&Blob(aif.clone()))),
        _ => shown(value, inside),
    };
    let key = known.map(str::to_owned).or(key.as_text().map(str::to_owned));
    (key.unwrap_or_else(|| label.map_or("?".to_owned(), |label| label.to_string())), value)
}

/// Bytes of a token that are read.
const MAX_LEN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::request::{GrantAsked, ReqCnf, TokenRequest};
    use crate::core::response::Token as Issued;
    use crate::core::testing::{House, LOCK_KEY, Pair, request, robot};

    #[test]
    fn header_and_claims_and_no_secret() {
        let house = House::new();
        let pair = Pair::new(3);
        let mut proven = robot();
        proven.proof = Some(pair.proof("p"));
        let asked = request(GrantAsked::ClientCredentials, "front");
        let public = TokenRequest { req_cnf: Some(ReqCnf::Key(pair.public())), ..asked.clone() };
        let key = Zeroizing::new(LOCK_KEY);
        for (presented, asked, kind, cnf) in
            [(robot(), asked, "COSE_Encrypt0", "osc"), (proven, public, "COSE_Sign1", "COSE_Key")]
        {
            let Issued::Cwt(token) = house.decide(&presented, &asked).unwrap().response.token else { panic!() };
            for form in [token.clone(), format!("{}\n", base64url(&token)).into_bytes()] {
                let said = inspect(&form, Some(&key)).unwrap();
                assert_eq!((&said["type"], &said["claims"]["aud"]), (&json!(kind), &json!("urn:latchwork:lock:front")));
                assert_eq!(said["claims"]["scope"], json!([["/door", 2]]), "{said}");
                assert!(said["claims"]["cnf"][cnf].is_object(), "{said}");
                if cnf == "osc" {
                    assert_eq!(said["claims"]["cnf"]["osc"]["ms"], "(hidden)");
                    assert!(inspect(&form, None).unwrap()["claims"].as_str().unwrap().contains("encrypted"));
                    assert!(inspect(&form, Some(&Zeroizing::new([0; 16]))).is_err(), "another lock's key");
                }
            }
            for length in 0..token.len() {
                assert!(inspect(&token[..length], Some(&key)).is_err(), "cut at {length}");
            }
        }
        let jwt = pair.proof("p").jwt;
        assert_eq!(inspect(jwt.as_bytes(), None).unwrap()["header"]["typ"], "dpop+jwt");
        assert!(inspect(b"", None).is_err() && inspect(b"nonsense", None).is_err());
        assert_eq!(lock_key("[token_key]\nkid = '01'\nkey = '42424242424242424242424242424242'").unwrap(), key);
        assert!(lock_key("[token_key]\nkey = '42'").is_none() && lock_key("").is_none());
    }
}
