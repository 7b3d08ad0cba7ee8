//! What a browser keeps for us and cannot read or change: sealed cookies.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::Stop;
use crate::core::bytes::{base64url, from_base64url};
use crate::shell::Shell;

/// A cookie's value that opens at this `place` only.
pub(super) fn seal(shell: &Shell, place: &str, value: &impl Serialize) -> Result<String, Stop> {
    let mut plain = Vec::new();
    ciborium::into_writer(value, &mut plain).map_err(|cause| Stop::Ours(cause.to_string()))?;
    Ok(base64url(&shell.keys.storage.seal(place, &plain)?))
}

/// What was sealed here for this `place`.
pub(super) fn open<T: DeserializeOwned>(shell: &Shell, place: &str, cookie: &str) -> Option<T> {
    let plain = shell.keys.storage.open(place, &from_base64url(cookie)?).ok()?;
    ciborium::from_reader(plain.as_slice()).ok()
}
