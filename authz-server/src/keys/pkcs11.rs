//! A key-encryption key that a hardware module keeps shut: random bytes, encrypted by an AES key that never leaves the module.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Module};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::{AuthPin, Ulong};
use zeroize::Zeroizing;

use super::kek::{Pkcs11, Token};
use super::{Key32, KeyError, file};
use crate::core::bytes::{base64url, from_base64url};

/// Makes a key-encryption key and writes it, wrapped; makes the wrapping key inside the module where it is missing.
pub(super) fn wrap(module: &Pkcs11, file: &Path) -> Result<(), KeyError> {
    with_key(module, true, |session, key| {
        let secret = Key32::random()?;
        let mut iv = [0_u8; IV];
        getrandom::fill(&mut iv).map_err(|_| KeyError::Random)?;
        let text = session.encrypt(&gcm(&mut iv.clone())?, key, secret.expose()).map_err(refused)?;
        file::write(file, &format!("{}\n", base64url(&[&iv[..], &text].concat())))
    })
}

/// The key-encryption key, unwrapped by the module.
pub(super) fn unwrapped(module: &Pkcs11, file: &Path) -> Result<Key32, KeyError> {
    let bad = || KeyError::Content { file: file.to_owned() };
    let wrapped = from_base64url(file::read(file)?.trim()).ok_or_else(bad)?;
    let (iv, text) = wrapped.split_first_chunk::<IV>().ok_or_else(bad)?;
    with_key(module, false, |session, key| {
        let bytes = Zeroizing::new(session.decrypt(&gcm(&mut iv.clone())?, key, text).map_err(refused)?);
        <[u8; 32]>::try_from(bytes.as_slice()).map(Key32::from).map_err(|_| bad())
    })
}

fn with_key<T>(
    settings: &Pkcs11,
    make: bool,
    with: impl FnOnce(&Session, ObjectHandle) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let module = Module::new(&settings.module).map_err(refused)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(refused)?;
    let done = session(&module, settings, make).and_then(|session| {
        let key = key(&session, settings, make)?;
        with(&session, key)
    });
    // Else it could not be opened a second time. What it was for is done.
    let _ = module.finalize();
    done
}

fn session(module: &Module, settings: &Pkcs11, make: bool) -> Result<Session, KeyError> {
    let slot = slot(module, &settings.token)?;
    let session = if make { module.open_rw_session(slot) } else { module.open_ro_session(slot) }.map_err(refused)?;
    session.login(UserType::User, Some(&AuthPin::new(settings.pin.as_str().into()))).map_err(refused)?;
    Ok(session)
}

fn key(session: &Session, settings: &Pkcs11, make: bool) -> Result<ObjectHandle, KeyError> {
    let label = Attribute::Label(settings.label.clone().into_bytes());
    let wanted = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES), label.clone()];
    let found = session.find_objects(&wanted).map_err(refused)?;
    match (found.as_slice(), make) {
        ([key], _) => Ok(*key),
        ([], true) => session.generate_key(&Mechanism::AesKeyGen, &template(label)).map_err(refused),
        ([], false) => Err(KeyError::Hardware(format!("the token has no AES key {:?}", settings.label))),
        _ => Err(KeyError::Hardware(format!("the token has several AES keys {:?}", settings.label))),
    }
}

fn slot(module: &Module, token: &Token) -> Result<Slot, KeyError> {
    let slots = module.get_slots_with_token().map_err(refused)?;
    for slot in slots {
        let fits = match token {
            Token::Slot(number) => slot.id() == *number,
            Token::Label(label) => module.get_token_info(slot).map_err(refused)?.label() == label,
        };
        if fits {
            return Ok(slot);
        }
    }
    Err(KeyError::Hardware(format!("no token with {token:?}")))
}

/// An AES-256 key that stays where it is.
fn template(label: Attribute) -> [Attribute; 8] {
    [
        label,
        Attribute::ValueLen(32.into()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ]
}

fn gcm(iv: &mut [u8; IV]) -> Result<Mechanism<'_>, KeyError> {
    GcmParams::new(iv, PLACE, Ulong::new(128)).map(Mechanism::AesGcm).map_err(refused)
}

/// The module's reason; it never repeats the PIN.
fn refused(cause: cryptoki::error::Error) -> KeyError {
    KeyError::Hardware(cause.to_string())
}

const IV: usize = 12;
const PLACE: &[u8] = b"latchwork key-encryption key";
