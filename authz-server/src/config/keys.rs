//! `[keys]`: where the key-encryption key is, and how long signing keys sign.

use super::reader::{ConfigError, Section};
use crate::core::rotation::Schedule;
use crate::core::time::Seconds;
use crate::keys::Kek;
use crate::keys::kek::{Pkcs11, Token};
use crate::keys::ring::Schedules;

/// The server's own keys.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// What the key files are sealed under.
    pub kek: Kek,
    /// When signing keys change.
    pub schedules: Schedules,
}

pub(super) fn keys(section: &mut Section<'_>) -> Result<KeySettings, ConfigError> {
    let kek = kek(section)?;
    let mut days = |key, default, from, to| {
        Ok::<_, ConfigError>(Seconds(section.number(key, from..=to)?.map_or(default, |days| days as u32) * DAY))
    };
    let announce = days("announce_days", 30, 0, 365)?;
    let retire = days("retire_days", 31, 31, 3_650)?;
    let api = days("api_rotate_days", 90, 0, 3_650)?;
    let cwt = days("rotate_days", 0, 0, 3_650)?;
    if cwt.0 > 0 && cwt <= announce {
        return Err(section.wrong("rotate_days", "0, or more days than announce_days"));
    }
    let every = |span: Seconds| (span.0 > 0).then_some(span);
    Ok(KeySettings {
        kek,
        schedules: Schedules {
            cwt: Schedule { announce, sign: every(cwt), retire },
            // Their tokens live for an hour at most, and whoever verifies asks us.
            api: Schedule { announce: Seconds(3_600), sign: every(api), retire: Seconds(DAY) },
        },
    })
}

fn kek(section: &mut Section<'_>) -> Result<Kek, ConfigError> {
    let file = section.path_if_set("kek_file")?;
    let given = section.text("kek")?;
    let module = section.path_if_set("pkcs11_module")?;
    let token = section.text("pkcs11_token")?;
    let slot = section.number("pkcs11_slot", 0..=u64::MAX)?;
    let pin = section.secret("pkcs11_pin", "pkcs11_pin_file")?;
    let label = section.text("pkcs11_label")?;
    let one = "left out beside another source of the key-encryption key";
    match (file, given, module) {
        (Some(_), Some(_), _) => Err(section.wrong("kek", one)),
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => Err(section.wrong("pkcs11_module", one)),
        (Some(file), None, None) => Ok(Kek::File(file)),
        (None, Some(text), None) => Kek::given(&text).ok_or_else(|| section.wrong("kek", "64 hexadecimal digits")),
        (None, None, Some(module)) => {
            let token = match (token, slot) {
                (Some(label), None) => Token::Label(label),
                (None, Some(number)) => Token::Slot(number),
                _ => return Err(section.wrong("pkcs11_module", "followed by one of pkcs11_token and pkcs11_slot")),
            };
            let pin = pin.ok_or_else(|| section.wrong("pkcs11_module", "followed by pkcs11_pin or pkcs11_pin_file"))?;
            let label = label.unwrap_or_else(|| "latchwork".to_owned());
            Ok(Kek::Pkcs11(Pkcs11 { module, token, pin, label }))
        }
        (None, None, None) => Ok(Kek::File(section.path("kek_file", "keys/kek.key")?)),
    }
}

const DAY: u32 = 86_400;
