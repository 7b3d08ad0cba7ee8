//! Secrets, and how they would look if somebody wrote them down.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Url;

/// Secrets by what they are, in every form in which a program could print them.
#[derive(Default)]
pub struct Secrets {
    known: BTreeSet<Vec<u8>>,
    /// By their beginnings, so that a log is read once.
    spellings: HashMap<[u8; BEGINNING], Vec<Spelling>>,
}

struct Spelling {
    what: String,
    text: Vec<u8>,
}

impl Secrets {
    /// Adds bytes.
    ///
    /// # Panics
    /// There are fewer than eight: they would be found by accident.
    pub fn bytes(&mut self, what: &str, secret: &[u8]) {
        assert!(secret.len() >= BEGINNING, "{what} is too short to be found");
        if self.known.insert(secret.to_vec()) {
            for (form, text) in spellings(secret) {
                if let Some(beginning) = text.first_chunk() {
                    let what = format!("{what}, {form}");
                    self.spellings.entry(*beginning).or_default().push(Spelling { what, text });
                }
            }
        }
    }

    /// Adds text, and the bytes that it means if it is hexadecimal or base64url.
    ///
    /// # Panics
    /// As [`Secrets::bytes`].
    pub fn text(&mut self, what: &str, secret: &str) {
        self.bytes(what, secret.as_bytes());
        for meant in [from_hex(secret), URL_SAFE_NO_PAD.decode(secret).ok()].into_iter().flatten() {
            if meant.len() >= BEGINNING {
                self.bytes(what, &meant);
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// What of them a log tells.
    #[must_use]
    pub fn found_in(&self, log: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for (at, beginning) in log.windows(BEGINNING).enumerate() {
            for spelling in self.spellings.get(beginning).into_iter().flatten() {
                if log[at..].starts_with(&spelling.text) {
                    found.insert(spelling.what.as_str());
                }
            }
        }
        found
    }
}

/// The headers of all compact JWS in a log (RFC 7515 §7.1), whoever made them: ID tokens, tokens for the API, proofs, assertions.
#[must_use]
pub fn jws_in(log: &[u8]) -> Vec<String> {
    let in_jws = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let header = |run: &[u8]| {
        let parts: Vec<_> = run.split(|byte| *byte == b'.').collect();
        let header = parts.windows(3).map(|parts| parts[0]).filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        header.filter_map(|header| String::from_utf8(header).ok()).find(|header| header.contains("\"alg\""))
    };
    log.split(|byte| !in_jws(byte)).filter_map(header).collect()
}

/// What an app printed, without the `state` in the address that it shows its person. That page is for the person's own browser, which
/// has to know its `state`; a phone has a log elsewhere. All else on that line stays.
#[must_use]
pub fn without_page(printed: &[u8]) -> Vec<u8> {
    let shown = |line: &[u8]| {
        let url = Url::parse(std::str::from_utf8(line.strip_prefix(b"open in a browser: ")?).ok()?).ok()?;
        let state = url.query_pairs().find(|(name, _)| name == "state")?.1.into_owned();
        Some(url.as_str().replacen(&format!("&state={state}&"), "&state=&", 1).into_bytes())
    };
    let lines = printed.split(|byte| *byte == b'\n').map(|line| shown(line).unwrap_or_else(|| line.to_vec()));
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// The bytes of hexadecimal text with nothing around it.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn spellings(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |digits: fn(&u8) -> String| secret.iter().map(digits).collect::<String>();
    let percent = |unreserved: &[u8], digits: fn(&u8) -> String| {
        let one = |byte: &u8| match byte {
            byte if byte.is_ascii_alphanumeric() || unreserved.contains(byte) => char::from(*byte).to_string(),
            byte => digits(byte),
        };
        secret.iter().map(one).collect::<String>()
    };
    let list = |text: String| text.trim_matches(['[', ']']).to_owned();
    let mut forms = vec![
        ("raw", secret.to_vec()),
        ("hexadecimal", hex(|byte| format!("{byte:02x}")).into()),
        ("HEXADECIMAL", hex(|byte| format!("{byte:02X}")).into()),
        ("a list", list(format!("{secret:?}")).into()),
        ("a hexadecimal list", list(format!("{secret:02x?}")).into()),
        ("a HEXADECIMAL list", list(format!("{secret:02X?}")).into()),
        ("escaped", secret.escape_ascii().to_string().into()),
        ("escaped as text", String::from_utf8_lossy(secret).escape_debug().to_string().into()),
        ("percent-encoded", percent(b"-._~", |byte| format!("%{byte:02X}")).into()),
        ("percent-encoded in small letters", percent(b"-._~", |byte| format!("%{byte:02x}")).into()),
        ("in a form", percent(b"-._*", |byte| format!("%{byte:02X}")).replace("%20", "+").into()),
    ];
    // Within something longer, such as `id:secret` of HTTP Basic, base64 depends on where its three bytes begin.
    for before in 0..3 {
        let shifted = [&b"\0\0"[..before], secret].concat();
        let whole = shifted.len() / 3 * 3;
        let from = if before == 0 { 0 } else { before + 1 };
        forms.push(("base64", STANDARD.encode(&shifted[..whole])[from..].into()));
        forms.push(("base64url", URL_SAFE_NO_PAD.encode(&shifted[..whole])[from..].into()));
    }
    forms
}

/// Bytes of a spelling by which it is looked up.
const BEGINNING: usize = 8;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    use super::*;

    /// The test that searches logs can fail: each way to tell a secret is found, and what is no secret is not.
    #[test]
    fn a_secret_is_found_however_it_is_told() {
        let key: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(37).wrapping_add(150)).collect();
        let (password, token) = ("tell no-one/ever+~*", URL_SAFE_NO_PAD.encode(&key));
        let mut secrets = Secrets::default();
        secrets.bytes("key", &key);
        secrets.text("password", password);
        let basic = |user: &str| STANDARD.encode(format!("{user}:{password}"));
        for (told, what) in [
            (key.clone(), "key, raw"),
            (key.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(), "key, hexadecimal"),
            (key.iter().map(|byte| format!("{byte:02X}")).collect::<String>().into(), "key, HEXADECIMAL"),
            (format!("Key({key:?})").into(), "key, a list"),
            (format!("{key:02x?}").into(), "key, a hexadecimal list"),
            (format!("{key:02X?}").into(), "key, a HEXADECIMAL list"),
            (format!("b\"{}\"", key.escape_ascii()).into(), "key, escaped"),
            (format!("{:?}", String::from_utf8_lossy(&key)).into(), "key, escaped as text"),
            (token.clone().into(), "key, base64url"),
            (STANDARD_NO_PAD.encode(&key).into(), "key, base64"),
            (STANDARD.encode([b"1", &key[..]].concat()).into(), "key, base64"),
            (URL_SAFE_NO_PAD.encode([b"12", &key[..], b"3"].concat()).into(), "key, base64url"),
            (format!("password={password}").into(), "password, raw"),
            (format!("{password:?}").into(), "password, escaped"),
            ("p=tell%20no-one%2Fever%2B~%2A".into(), "password, percent-encoded"),
            ("p=tell%20no-one%2fever%2b~%2a".into(), "password, percent-encoded in small letters"),
            ("p=tell+no-one%2Fever%2B%7E*".into(), "password, in a form"),
            (format!("Basic {}", basic("a")).into(), "password, base64"),
            (format!("Basic {}", basic("ab")).into(), "password, base64"),
            (format!("Basic {}", basic("abc")).into(), "password, base64"),
        ] {
            let log = [b"before ".as_slice(), &told, b" after"].concat();
            let found = secrets.found_in(&log);
            assert!(found.contains(what), "{:?}: {what:?} is not in {found:?}", log.escape_ascii().to_string());
            // The last byte of what was told is another.
            let other = [&log[..told.len() / 2 + 6], b"#", &log[told.len() / 2 + 7..]].concat();
            assert!(secrets.found_in(&other).is_empty(), "{what} in {:?}", other.escape_ascii().to_string());
        }
        assert!(secrets.found_in(b"nothing, TRACE nothing").is_empty());
    }

    #[test]
    fn text_is_a_secret_and_so_is_what_it_means() {
        let mut secrets = Secrets::default();
        secrets.text("in hexadecimal", "00112233445566778899aabbccddeeff");
        let found = secrets.found_in(b"[0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255]");
        assert_eq!(found, ["in hexadecimal, a list"].into());
    }

    /// The one exception is as narrow as it can be: that parameter, on that line, once.
    #[test]
    fn the_page_that_is_shown_may_have_its_state_and_no_other_secret() {
        let mut secrets = Secrets::default();
        secrets.text("state", "abcdefghijkl");
        secrets.text("code", "mnopqrstuvwx");
        let found = |printed: &str| -> Vec<String> {
            secrets.found_in(&without_page(printed.as_bytes())).into_iter().map(str::to_owned).collect()
        };
        let page = "open in a browser: https://as.example/authorize?client_id=phone";
        let log = |line: &str| format!("TRACE before\n{line}\nTRACE after");
        assert_eq!(found(&log(&format!("{page}&state=abcdefghijkl&code_challenge=c"))), [""; 0]);
        for told in [
            format!("{page}&state=abcdefghijkl&code_challenge=abcdefghijkl"),
            format!("{page}&state=abcdefghijkl&state=abcdefghijkl&x=y"),
            format!("{page}&nonce=abcdefghijkl&x=y"),
            format!("TRACE {page}&state=abcdefghijkl&x=y"),
            "open in a browser: abcdefghijkl".to_owned(),
            "TRACE state=abcdefghijkl".to_owned(),
        ] {
            assert!(found(&log(&told)).contains(&"state, raw".to_owned()), "{told}");
        }
        let code = format!("{page}&state=mnopqrstuvwx&code=mnopqrstuvwx&x=y");
        assert!(found(&log(&code)).contains(&"code, raw".to_owned()));
    }

    #[test]
    fn any_jws_is_found() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let jws = format!("{}.{}.{}", part(r#"{"alg":"ES256"}"#), part("{}"), part("signature"));
        assert_eq!(jws_in(format!("authorization: DPoP {jws}\n").as_bytes()), [r#"{"alg":"ES256"}"#]);
        assert_eq!(jws_in(b"127.0.0.1:443 latchwork.shell.http alg eyJ.a"), [""; 0]);
    }
}
