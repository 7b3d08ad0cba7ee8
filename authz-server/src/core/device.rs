//! Devices without a browser (RFC 8628): one shows a person a short code, the person types it on a page of ours and says yes or no,
//! and the device, which polls meanwhile, gets its tokens.

use super::authenticate::{Authenticated, is_public};
use super::authorize;
use super::bytes::{Hash32, Hidden, base64url, from_base64url};
use super::change::Change;
use super::entropy::{Entropy, NoEntropy, fresh};
use super::names::{ClientId, Jkt, LockName};
use super::records::GrantKind;
use super::refusal::{AuthorizationFault, DeviceFault, GrantFault, ProofFault, Refusal, ServerFault};
use super::request::AuthorizationRequest;
use super::scope::Scope;
use super::time::{Seconds, Timestamp};
use serde::{Deserialize, Serialize};

/// A device that waits for a person, by the hash of its user code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// The hash of the code that a person types.
    pub user_code: Hash32,
    /// The hash of the code that the device polls with.
    pub device_code: Hash32,
    /// Whose device.
    pub client: ClientId,
    /// The key that its tokens are bound to.
    pub jkt: Option<Jkt>,
    /// The doors named; empty means all that are open to the person.
    pub audience: Vec<LockName>,
    /// What for; empty means all that each lock offers.
    pub scope: Scope,
    /// The address from which it asked, for the person to look at.
    pub from: String,
    /// Good until.
    pub expires: Timestamp,
    /// What the person said.
    pub answer: Answer,
}

/// What the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing yet.
    Waiting,
    /// Yes: a code of the same name as the device code has the rest.
    Yes,
    /// No, or policy or an owner did.
    No,
}

/// What a device gets (§3.2).
#[derive(Clone, Debug)]
pub struct Codes {
    /// To poll with.
    pub device_code: Hidden,
    /// To show: eight letters, with a dash in the middle.
    pub user_code: String,
}

/// A device asks (§3.1): `audience` may repeat, the key may be named (`dpop_jkt`) or shown by the proof beside it.
pub fn ask(
    who: &Authenticated<'_>,
    parameters: &[(String, String)],
    from: String,
    life: Seconds,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(Codes, Change), Refusal> {
    let client = who.client();
    if !client.grants.contains(&GrantKind::DeviceCode) {
        return Err(Refusal::GrantNotAllowed(client.id.clone()));
    }
    for (name, _) in parameters.iter().filter(|(name, _)| name != "audience") {
        authorize::only(parameters, name)?;
    }
    let named = authorize::only(parameters, "dpop_jkt")?.map(str::parse::<Jkt>).transpose();
    let named = named.map_err(|_| AuthorizationFault::Jkt)?;
    let jkt = match (named, who.jkt()) {
        (Some(named), Some(shown)) if named != shown => return Err(ProofFault::ForeignKey.into()),
        (None, None) if is_public(client) => return Err(AuthorizationFault::Jkt.into()),
        (named, shown) => named.or(shown),
    };
    let user_code = user_code(entropy).map_err(|_| ServerFault::Entropy)?;
    let name = name_of(&user_code).ok_or(ServerFault::Entropy)?;
    let secret = fresh::<32>(entropy).map_err(|_| ServerFault::Entropy)?;
    // Which record it is, then what nobody guesses.
    let device_code = Hidden::new(base64url(&[name.0, secret].concat()).into_bytes());
    let device = Device {
        user_code: name,
        device_code: Hash32::of(&[device_code.expose()]),
        client: client.id.clone(),
        jkt,
        audience: authorize::locks(parameters)?,
        scope: authorize::scope(parameters)?,
        from,
        expires: now + life,
        answer: Answer::Waiting,
    };
    let codes = Codes { device_code, user_code: shown(&user_code) };
    Ok((codes, Change::once(device, Refusal::Busy)))
}

impl Device {
    /// Whether somebody may still answer for it.
    #[must_use]
    pub fn waits(&self, now: Timestamp) -> bool {
        self.answer == Answer::Waiting && now < self.expires
    }

    /// What it asks, as an app would have asked at `/authorize`.
    #[must_use]
    pub fn request(&self) -> AuthorizationRequest {
        AuthorizationRequest {
            client: self.client.clone(),
            redirect_uri: String::new(),
            state: None,
            // Nobody knows what hashes to this, and nobody is asked.
            challenge: Hash32([0; 32]),
            jkt: self.jkt,
            audience: self.audience.clone(),
            scope: self.scope.clone(),
            device: Some(Asking {
                user_code: self.user_code,
                device_code: self.device_code,
                from: self.from.clone(),
                expires: self.expires,
            }),
        }
    }

    /// Why there are no tokens for whoever polls with `device_code` (§3.5).
    #[must_use]
    pub fn standing(device: Option<&Self>, device_code: Hash32, who: &Authenticated<'_>, now: Timestamp) -> Refusal {
        match device.filter(|device| device.device_code == device_code) {
            None => GrantFault::Unknown.into(),
            Some(device) if device.client != who.client().id => GrantFault::OtherClient.into(),
            Some(device) if device.jkt.is_some() && device.jkt != who.jkt() => GrantFault::Key.into(),
            Some(device) if device.answer == Answer::No => DeviceFault::Denied.into(),
            Some(device) if device.expires <= now => DeviceFault::Expired.into(),
            Some(_) => DeviceFault::Pending.into(),
        }
    }
}

/// The device to which an answer goes, in place of a redirect target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// The name of its record.
    pub user_code: Hash32,
    /// The name of the code that it will redeem.
    pub device_code: Hash32,
    /// The address from which it asked.
    pub from: String,
    /// When it gives up.
    pub expires: Timestamp,
}

/// The record that a typed code names. Case, spaces and dashes do not count; `None` if it can be no code of ours.
#[must_use]
pub fn name_of(typed: &str) -> Option<Hash32> {
    let letters: Vec<u8> = typed
        .bytes()
        .filter(|byte| !matches!(byte, b' ' | b'-'))
        .map(|byte| byte.to_ascii_uppercase())
        .take(LETTERS + 1)
        .collect();
    let ours = letters.len() == LETTERS && letters.iter().all(|letter| ALPHABET.contains(letter));
    ours.then(|| Hash32::of(&[b"user code", &letters]))
}

/// The record that a device code names.
#[must_use]
pub fn named_by(device_code: &Hidden) -> Option<Hash32> {
    let text = std::str::from_utf8(device_code.expose()).ok()?;
    from_base64url(text)?.first_chunk().copied().map(Hash32)
}

/// Eight letters, each as likely as any other.
fn user_code(entropy: &mut dyn Entropy) -> Result<String, NoEntropy> {
    let mut code = String::new();
    while code.len() < LETTERS {
        for byte in fresh::<16>(entropy)? {
            let even = (byte < EVEN).then_some(usize::from(byte) % ALPHABET.len());
            if let Some(letter) = even.and_then(|at| ALPHABET.get(at))
                && code.len() < LETTERS
            {
                code.push(char::from(*letter));
            }
        }
    }
    Ok(code)
}

fn shown(code: &str) -> String {
    let (left, right) = code.split_at_checked(LETTERS / 2).unwrap_or((code, ""));
    format!("{left}-{right}")
}

/// No vowels, so no words; nothing that looks like something else (§6.1). Eight of them are 34 bits, and tries are counted.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS: usize = 8;
/// Bytes below are 12 times the alphabet.
const EVEN: u8 = 240;

#[cfg(test)]
mod tests;
