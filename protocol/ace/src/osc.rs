//! OSCORE_Input_Material: what an OSCORE context is derived from (RFC 9203 §3.2.1).

use core::fmt;

use latchwork_cbor::{Full, Reader, Writer};

use crate::{
    Error,
    codec::{self, Hidden, Put, some},
    registry::{Alg, OscMember},
};

/// The value of the `osc` confirmation method. No `==`: it holds the master secret.
#[derive(Clone, Copy)]
pub struct OscMaterial<'t> {
    /// Names this material between server, client and resource server.
    pub id: &'t [u8],
    /// OSCORE version; 1 unless said otherwise.
    pub version: u64,
    /// Master Secret.
    pub ms: &'t [u8],
    /// HKDF, by the number of its HMAC; HMAC 256/256 (5) unless said otherwise.
    pub hkdf: Alg,
    /// AEAD; AES-CCM-16-64-128 (10) unless said otherwise.
    pub alg: Alg,
    /// Input to the Master Salt. Absent means empty, and still goes in as `h''` (RFC 9203 §4.3).
    pub salt: Option<&'t [u8]>,
    /// ID Context.
    pub context_id: Option<&'t [u8]>,
    /// There were members beside these. A resource server answers 4.00 then (RFC 9203 §4.2).
    pub unrecognized: bool,
}

impl<'t> OscMaterial<'t> {
    /// Material with every default.
    pub fn new(id: &'t [u8], ms: &'t [u8]) -> Self {
        Self {
            id,
            version: DEFAULT_VERSION,
            ms,
            hkdf: DEFAULT_HKDF,
            alg: DEFAULT_ALG,
            salt: None,
            context_id: None,
            unrecognized: false,
        }
    }

    /// Reads one map. `id` and `ms` must be there.
    pub fn read(r: &mut Reader<'t>) -> Result<Self, Error> {
        let (mut id, mut ms) = (None, None);
        let mut osc = Self::new(&[], &[]);
        codec::map(r, |label, r| {
            match label.map(OscMember) {
                Some(OscMember::ID) => id = Some(r.bytes()?),
                Some(OscMember::VERSION) => osc.version = r.uint()?,
                Some(OscMember::MS) => ms = Some(r.bytes()?),
                Some(OscMember::HKDF) => osc.hkdf = codec::algorithm(r)?,
                Some(OscMember::ALG) => osc.alg = codec::algorithm(r)?,
                Some(OscMember::SALT) => osc.salt = Some(r.bytes()?),
                Some(OscMember::CONTEXT_ID) => osc.context_id = Some(r.bytes()?),
                _ => {
                    osc.unrecognized = true;
                    r.skip()?;
                }
            }
            Ok(())
        })?;
        osc.id = id.ok_or(Error::Missing(OscMember::ID.0))?;
        osc.ms = ms.ok_or(Error::Missing(OscMember::MS.0))?;
        Ok(osc)
    }

    /// Writes one map, without what equals its default.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        let unless = |value: i64, default: i64| (value != default).then_some(value);
        let version = (self.version != DEFAULT_VERSION).then_some(self.version);
        codec::write_map(
            w,
            &[
                some(OscMember::ID.0, &Some(self.id)),
                some(OscMember::VERSION.0, &version),
                some(OscMember::MS.0, &Some(self.ms)),
                some(OscMember::HKDF.0, &unless(self.hkdf.0, DEFAULT_HKDF.0)),
                some(OscMember::ALG.0, &unless(self.alg.0, DEFAULT_ALG.0)),
                some(OscMember::SALT.0, &self.salt),
                some(OscMember::CONTEXT_ID.0, &self.context_id),
            ],
        )
    }
}

impl Put for OscMaterial<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        self.write(w)
    }
}

impl fmt::Debug for OscMaterial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OscMaterial")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("ms", &Hidden(self.ms))
            .field("hkdf", &self.hkdf)
            .field("alg", &self.alg)
            .field("salt", &self.salt.map(Hidden))
            .field("context_id", &self.context_id)
            .field("unrecognized", &self.unrecognized)
            .finish()
    }
}

const DEFAULT_VERSION: u64 = 1;
const DEFAULT_HKDF: Alg = Alg::HMAC_256_256;
const DEFAULT_ALG: Alg = Alg::AES_CCM_16_64_128;
