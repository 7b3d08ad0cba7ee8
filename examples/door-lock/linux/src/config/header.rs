//! The lock's file as `lock_config.h`, which the lock in C is compiled with (`examples/door-lock/c`).

use super::{ClockMode, Config, Wrong, hex};
use crate::keygen;
use crate::serve::{Fault, NONCE_FRESH, NONCE_RIGHTS};
use latchwork_ace::Aif;
use latchwork_door_lock_app::page::Public;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Writes the header of `config`, and of the lock's own key where it has one, to a new file.
pub(crate) fn header(config: &Path, key: Option<&Path>, out: &Path) -> Result<(), Fault> {
    let text = std::fs::read_to_string(config).map_err(|error| Fault::File(config.to_owned(), error))?;
    let wrong = |error| Fault::Config(config.to_owned(), error);
    let file = |error| Fault::File(key.unwrap_or(out).to_owned(), error);
    let key =
        key.map(|path| keygen::read(path).and_then(|key| Ok((keygen::ccs(&key)?, key)))).transpose().map_err(file)?;
    let own_key = key.as_ref().map(|(ccs, key)| (key.expose(), ccs.as_slice()));
    let text = Config::parse(&text).and_then(|config| config.header(own_key)).map_err(wrong)?;
    let file = |error| Fault::File(out.to_owned(), error);
    let mut header = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(file)?;
    header.write_all(text.as_bytes()).and_then(|()| header.sync_all()).map_err(file)
}

impl Config {
    /// The header's text; `own_key` is the scalar and the credential (a CCS) that the lock speaks EDHOC with.
    fn header(&self, own_key: Option<(&[u8; 32], &[u8])>) -> Result<Zeroizing<String>, Wrong> {
        if self.clock == ClockMode::Exi || self.mac_key.is_some() {
            return Err(Wrong::InC);
        }
        // Room enough from the start: what grows leaves copies of keys behind.
        let mut c = Zeroizing::new(String::with_capacity(64 << 10));
        c.push_str(BEGIN);
        c.push_str("static const LatchworkKey keys[] = {\n");
        let (kid, key) = (hex("token_key.kid", &self.token_key.kid)?, self.token_key.key()?);
        write_key(&mut c, "AES_CCM", &kid, &[key.expose()]);
        for public in &self.as_keys {
            let kid = hex("as_keys.kid", &public.kid)?;
            match public.key()? {
                Public::Es256(key) => write_key(&mut c, "ES256", &kid, &[&key.x, &key.y]),
                Public::EdDsa(key) => write_key(&mut c, "ED_DSA", &kid, &[&key]),
            }
        }
        c.push_str("};\n_Static_assert(sizeof keys / sizeof *keys <= LATCHWORK_KEYS, \"too many as_keys\");\n\n");

        c.push_str("static const LatchworkIssuer issuers[] = {\n    {.name = ");
        write_text(&mut c, &self.issuer);
        c.push_str(", .token_uri = ");
        write_text(&mut c, &self.as_uri);
        c.push_str(", .keys = keys, .keys_len = sizeof keys / sizeof *keys},\n};\n\n");

        let mut settings = String::new();
        write_table(&mut c, &mut settings, "LatchworkScope", "scopes", &self.scopes, |c, scope| {
            c.push_str("{.name = ");
            write_text(c, &scope.name);
            c.push_str(", .grants = ");
            write_bytes(c, &[scope.grants(&mut [0; Aif::MAX_LEN])?.as_bytes()]);
            c.push('}');
            Ok(())
        })?;
        write_table(&mut c, &mut settings, "LatchworkBytes", "groups", &self.groups, |c, group| {
            write_text(c, group);
            Ok(())
        })?;
        if self.clock == ClockMode::Nonce {
            let _ = write!(settings, "    .nonce_fresh = {NONCE_FRESH},\n    .nonce_rights = {NONCE_RIGHTS},\n");
        }
        if let Some((scalar, ccs)) = own_key {
            c.push_str("static const LatchworkOwnKey own_key = {\n    .credential = ");
            write_bytes(&mut c, &[ccs]);
            c.push_str(",\n    .private_key = ");
            write_bytes(&mut c, &[scalar]);
            c.push_str(",\n};\n\n");
            settings.push_str("    .own_key = &own_key,\n");
        }

        c.push_str("static const LatchworkConfig lock_config = {\n    .audience = ");
        write_text(&mut c, &self.aud);
        c.push_str(",\n    .issuers = issuers,\n    .issuers_len = 1,\n    .paths = paths,\n    .paths_len = 1,\n");
        c.push_str(&settings);
        c.push_str("};\n\n#endif\n");
        Ok(c)
    }
}

/// A table under its name, and the settings that point to it; nothing of either where it would be empty, which C does not know.
fn write_table<T>(
    c: &mut String,
    settings: &mut String,
    kind: &str,
    name: &str,
    rows: &[T],
    mut write_row: impl FnMut(&mut String, &T) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    if rows.is_empty() {
        return Ok(());
    }
    let _ = writeln!(c, "static const {kind} {name}[] = {{");
    for row in rows {
        c.push_str("    ");
        write_row(c, row)?;
        c.push_str(",\n");
    }
    let length = format!("sizeof {name} / sizeof *{name}");
    let _ = write!(c, "}};\n_Static_assert({length} <= LATCHWORK_NAMES, \"too many {name}\");\n\n");
    let _ = write!(settings, "    .{name} = {name},\n    .{name}_len = {length},\n");
    Ok(())
}

fn write_key(c: &mut String, kind: &str, kid: &[u8], key: &[&[u8]]) {
    let _ = write!(c, "    {{.kind = LATCHWORK_KEY_KIND_{kind}, .kid = ");
    write_bytes(c, &[kid]);
    c.push_str(", .key = ");
    write_bytes(c, key);
    c.push_str("},\n");
}

/// Bytes that follow each other, as a `LatchworkBytes`.
fn write_bytes(c: &mut String, parts: &[&[u8]]) {
    if parts.iter().all(|part| part.is_empty()) {
        c.push_str("{NULL, 0}");
        return;
    }
    c.push_str("BYTES(");
    for (at, byte) in parts.iter().copied().flatten().enumerate() {
        let _ = write!(c, "{}{byte}", if at == 0 { "" } else { ", " });
    }
    c.push(')');
}

/// A text as a `LatchworkBytes`. What means something to C, in a string or before it is one (`??/`), is written as a number.
fn write_text(c: &mut String, text: &str) {
    c.push_str("TEXT(\"");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'/' | b'.' | b'-' | b'_' | b' ' => c.push(byte.into()),
            _ => drop(write!(c, "\\{byte:03o}")),
        }
    }
    c.push_str("\")");
}

const BEGIN: &str = r#"/* What enrolment tells this lock, as `door-lock header` wrote it. The lock's keys are in it, and in what is compiled with it. */
#ifndef LOCK_CONFIG_H
#define LOCK_CONFIG_H

#include "latchwork.h"

#define TEXT(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define BYTES(...) {(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})}

static const LatchworkBytes paths[] = {TEXT("/door")};

"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::GOOD;

    fn header(text: &str) -> Result<Zeroizing<String>, Wrong> {
        Config::parse(text)?.header(Some((&[9; 32], &[0xa1, 8, 0x80])))
    }

    #[test]
    fn a_header_has_what_the_file_has() {
        let text = header(&GOOD.replace("groups = []", "groups = [\"urn:house\"]")).unwrap();
        for line in [
            "    {.kind = LATCHWORK_KEY_KIND_AES_CCM, .kid = BYTES(102, 114, 111, 110, 116), .key = BYTES(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)},",
            "    {.name = TEXT(\"https://127.0.0.1:8443\"), .token_uri = TEXT(\"https://127.0.0.1:8443/token\"), .keys = keys, .keys_len = sizeof keys / sizeof *keys},",
            "    {.name = TEXT(\"door:open\"), .grants = BYTES(129, 130, 101, 47, 100, 111, 111, 114, 2)},",
            "    TEXT(\"urn:house\"),",
            "    .audience = TEXT(\"urn:latchwork:lock:front\"),",
            "    .scopes = scopes,",
            "    .groups = groups,",
            "    .credential = BYTES(161, 8, 128),",
            "    .own_key = &own_key,",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{}", *text);
        }
        assert!(!text.contains("nonce"), "it goes by the date");
        let nonce = header(&GOOD.replace("clock = \"clock\"", "clock = \"nonce\"")).unwrap();
        assert!(nonce.contains("    .nonce_fresh = 600,\n    .nonce_rights = 3600,\n"), "{}", *nonce);
        let bare = header(GOOD.split("[[scopes]]").next().unwrap()).unwrap();
        assert!(!bare.contains("scopes"), "C knows no empty tables: {}", *bare);
    }

    /// Nothing that an administrator can call a lock becomes code of it.
    #[test]
    fn names_are_no_code() {
        for (name, written) in [
            (r#"\"}; int x; /*"#, r"\042\175\073 int x\073 /\052"),
            (r"\\\n??/", r"\134\012\077\077/"),
            ("tür 1", r"t\303\274r 1"),
        ] {
            let text = header(&GOOD.replace("urn:latchwork:lock:front", name)).unwrap();
            let line = format!("    .audience = TEXT(\"{written}\"),");
            assert!(text.lines().any(|written| written == line), "{line}\n{}", *text);
        }
    }

    #[test]
    fn a_lock_that_cannot_be_in_c_is_refused() {
        let exi = GOOD.replace("clock = \"clock\"", "clock = \"exi\"");
        let mac =
            GOOD.replace("[[as_keys]]", &format!("[mac_key]\nkid = \"0d\"\nkey = \"{}\"\n[[as_keys]]", "0".repeat(64)));
        for file in [exi, mac] {
            assert!(matches!(header(&file), Err(Wrong::InC)));
        }
    }
}
