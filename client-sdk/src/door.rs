//! A person's doors, and the permissions to open them.

use latchwork_ace::registry::{Alg, Profile};
use latchwork_ace::{Cnf, EdhocInfo, TokenResponse};
use latchwork_edhoc::{Credential, Method, SUITE_2};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::encoding;
use crate::error::Error;

/// A door of this person, as the server lists it. What a lock says of itself must agree with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Its name: 1 to 64 of `a-z 0-9 . -`.
    pub name: String,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// The audience of its lock, `urn:latchwork:lock:NAME`.
    pub audience: String,
    /// Where the lock listens: host and port of CoAP over UDP.
    pub address: String,
    /// The token endpoint that the lock trusts.
    pub as_uri: String,
    /// What this person may ask for, in text, separated by spaces.
    #[serde(default)]
    pub scopes: String,
    /// How the lock is spoken to, by the profile's name; none is `coap_oscore`.
    #[serde(default)]
    pub profile: Option<String>,
    /// The lock's own credential, for EDHOC.
    #[serde(default)]
    pub rs_cnf: Option<LockCredential>,
    /// What the server says it takes to get a token.
    #[serde(default, rename = "state")]
    pub standing: Standing,
}

/// A lock's credential as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockCredential {
    /// A CWT Claims Set with the lock's public key.
    #[serde(default, with = "encoding::optional_bytes")]
    pub kccs: Option<Vec<u8>>,
}

impl Door {
    /// Whether tokens for this door are bound to the installation key (draft-ietf-ace-edhoc-oscore-profile).
    pub(crate) fn is_for_edhoc(&self) -> bool {
        self.profile.as_deref() == Profile::COAP_EDHOC_OSCORE.name()
    }
}

/// What it takes to get a token for a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing: the sign-in covers it.
    #[default]
    Granted,
    /// A sign-in that names its audience.
    Available,
    /// Such a sign-in, and a yes of the door's owner.
    NeedsConsent,
}

/// A token for one lock and what it is bound to.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Permission {
    #[serde(with = "encoding::bytes")]
    pub(crate) token: Vec<u8>,
    #[serde(flatten)]
    pub(crate) bound: Bound,
    /// By the phone's clock, in seconds since 1970. The lock decides by its own.
    pub(crate) expires: u64,
}

/// What has to be proved with a token.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(untagged)]
pub(crate) enum Bound {
    /// A secret that came with it (RFC 9203): whoever has both opens the door.
    Secret {
        #[serde(with = "encoding::bytes")]
        id: Vec<u8>,
        #[serde(with = "encoding::bytes")]
        master_secret: Vec<u8>,
        #[serde(with = "encoding::optional_bytes")]
        salt: Option<Vec<u8>>,
        #[serde(with = "encoding::optional_bytes")]
        context_id: Option<Vec<u8>>,
    },
    /// The installation key, by EDHOC.
    Key {
        /// The lock's credential.
        #[serde(with = "encoding::bytes")]
        lock: Vec<u8>,
        /// The token series, if the server named it: by this name its rights are updated.
        #[serde(default, with = "encoding::optional_bytes")]
        series: Option<Vec<u8>>,
        /// Whether message_3 may go together with the first request.
        combined: bool,
        /// Whether the lock must send message_4.
        message_4: bool,
        /// Where the lock takes EDHOC messages.
        path: String,
    },
}

impl Permission {
    /// From the answer of `/token` that arrived at `now` (RFC 9203 §3.2, draft-ietf-ace-edhoc-oscore-profile §3.3).
    pub(crate) fn granted(response: &TokenResponse<'_>, door: &Door, now: u64) -> Result<Self, Error> {
        // A token whose end we cannot learn is not used (RFC 9200 §5.10.4).
        let lifetime = response.expires_in.ok_or(Error::Nonsense("a token without an end"))?;
        let (profile, bound) = if door.is_for_edhoc() {
            (Profile::COAP_EDHOC_OSCORE, Bound::by_key(response, door)?)
        } else {
            (Profile::COAP_OSCORE, Bound::by_secret(response)?)
        };
        if response.ace_profile.is_some_and(|said| said != profile) {
            return Err(Error::Nonsense("a token for a profile that we did not ask for"));
        }
        Ok(Self { token: response.access_token.to_vec(), bound, expires: now.saturating_add(lifetime) })
    }

    /// The next of its series, from an answer that says nothing of keys and locks, since both stay (§3.3.3 of the latter).
    pub(crate) fn updated(&self, response: &TokenResponse<'_>, now: u64) -> Result<Self, Error> {
        let lifetime = response.expires_in.ok_or(Error::Nonsense("a token without an end"))?;
        if response.cnf.is_some()
            || response.rs_cnf.is_some()
            || response.edhoc_info.is_some()
            || response.ace_profile.is_some_and(|said| said != Profile::COAP_EDHOC_OSCORE)
        {
            return Err(Error::Nonsense("an update that is none"));
        }
        let (token, bound) = (response.access_token.to_vec(), self.bound.clone());
        Ok(Self { token, bound, expires: now.saturating_add(lifetime) })
    }

    /// The series that it is the latest token of.
    pub(crate) fn series(&self) -> Option<&[u8]> {
        match &self.bound {
            Bound::Secret { .. } => None,
            Bound::Key { series, .. } => series.as_deref(),
        }
    }

    pub(crate) fn is_valid(&self, now: u64) -> bool {
        now < self.expires
    }

    /// Whether it still fits what the list says of its door: another credential of the lock needs another token.
    pub(crate) fn fits(&self, door: &Door) -> bool {
        match &self.bound {
            Bound::Secret { .. } => !door.is_for_edhoc(),
            Bound::Key { lock, .. } => door.is_for_edhoc() && door.credential().is_none_or(|listed| listed == lock),
        }
    }
}

impl Door {
    fn credential(&self) -> Option<&[u8]> {
        self.rs_cnf.as_ref()?.kccs.as_deref()
    }
}

impl Bound {
    fn by_secret(response: &TokenResponse<'_>) -> Result<Self, Error> {
        let Some(Cnf::Osc(osc)) = response.cnf else {
            return Err(Error::Nonsense("a token without the secret it is bound to"));
        };
        if osc.unrecognized || osc.version != 1 || osc.hkdf != Alg::HMAC_256_256 || osc.alg != Alg::AES_CCM_16_64_128 {
            return Err(Error::Nonsense("an OSCORE context of a kind that we do not speak"));
        }
        Ok(Self::Secret {
            id: osc.id.to_vec(),
            master_secret: osc.ms.to_vec(),
            salt: osc.salt.map(<[u8]>::to_vec),
            context_id: osc.context_id.map(<[u8]>::to_vec),
        })
    }

    /// The lock's credential is that of the answer, which must be that of our list where the list has one; of what the lock can do we
    /// hold it to what the server says (draft-ietf-ace-edhoc-oscore-profile §3.3.2, §3.4, §4.3.1).
    fn by_key(response: &TokenResponse<'_>, door: &Door) -> Result<Self, Error> {
        if response.cnf.is_some() {
            return Err(Error::Nonsense("a token bound to another key than ours"));
        }
        let said = match response.rs_cnf {
            Some(Cnf::Kccs(ccs)) => Some(ccs),
            Some(_) => return Err(Error::Nonsense("a lock's key of a kind that we do not speak")),
            None => None,
        };
        let listed = door.credential();
        let lock = said.or(listed).ok_or(Error::Nonsense("a token for a lock that nobody names"))?;
        if listed.is_some_and(|listed| listed != lock) || Credential::ccs(lock).is_err() {
            return Err(Error::Nonsense("a credential of another lock"));
        }
        let info = response.edhoc_info.unwrap_or_default();
        let EdhocInfo { methods, cipher_suites, message_4, comb_req, uri_path, .. } = info;
        let signs = Method::SignatureStaticDh.number();
        if methods.is_some_and(|methods| !methods.contains(signs))
            || cipher_suites.is_some_and(|suites| !suites.contains(SUITE_2))
        {
            return Err(Error::Nonsense("a lock that speaks EDHOC in other ways than we"));
        }
        let message_4 = message_4.unwrap_or(false);
        Ok(Self::Key {
            lock: lock.to_vec(),
            series: info.session_id.map(<[u8]>::to_vec),
            // Message_4 has no place in a combined request (RFC 9668 §5).
            combined: comb_req.unwrap_or(true) && !message_4,
            message_4,
            path: uri_path.unwrap_or(WELL_KNOWN).to_owned(),
        })
    }
}

/// Where a lock takes EDHOC messages that says nothing else.
pub(crate) const WELL_KNOWN: &str = "/.well-known/edhoc";

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_ace::edhoc_info::Numbers;
    use latchwork_ace::{Claims, CoseKey, OscMaterial};

    fn ccs(x: u8) -> Vec<u8> {
        let (x, y) = ([x; 32], [2; 32]);
        let claims = Claims { cnf: Some(Cnf::CoseKey(CoseKey::p256(&x, &y))), ..Claims::default() };
        claims.encode(&mut [0; 96]).unwrap().to_vec()
    }

    fn door(profile: Option<&str>, kccs: Option<Vec<u8>>) -> Door {
        Door {
            name: "front".into(),
            title: String::new(),
            audience: "urn:latchwork:lock:front".into(),
            address: "127.0.0.1:5683".into(),
            as_uri: "https://as.example/token".into(),
            scopes: String::new(),
            profile: profile.map(str::to_owned),
            rs_cnf: Some(LockCredential { kccs }),
            standing: Standing::Granted,
        }
    }

    /// EDHOC-3.3-02, EDHOC-3.3-04, EDHOC-3.3-05, EDHOC-3.3.2-01, EDHOC-3.4-02, EDHOC-4.2-06, EDHOC-4.3.1-01
    #[test]
    fn what_is_taken_for_a_door_that_speaks_edhoc() {
        let (own, other, broken) = (ccs(1), ccs(3), [0xa0]);
        let osc = OscMaterial::new(b"1", b"0123456789abcdef");
        let good = TokenResponse {
            expires_in: Some(600),
            ace_profile: Some(Profile::COAP_EDHOC_OSCORE),
            rs_cnf: Some(Cnf::Kccs(&own)),
            edhoc_info: Some(EdhocInfo::series(b"1")),
            ..TokenResponse::new(b"token")
        };
        let listed = door(Some("coap_edhoc_oscore"), Some(own.clone()));
        let unlisted = door(Some("coap_edhoc_oscore"), None);
        let info = |change: fn(&mut EdhocInfo<'static>)| {
            let mut info = EdhocInfo::series(b"1");
            change(&mut info);
            TokenResponse { edhoc_info: Some(info), ..good }
        };
        for (what, response, door, taken) in [
            ("good", good, &listed, true),
            ("known to the list alone", TokenResponse { rs_cnf: None, ..good }, &listed, true),
            ("known to the answer alone", good, &unlisted, true),
            ("known to nobody", TokenResponse { rs_cnf: None, ..good }, &unlisted, false),
            ("another lock", TokenResponse { rs_cnf: Some(Cnf::Kccs(&other)), ..good }, &listed, false),
            ("no key in it", TokenResponse { rs_cnf: Some(Cnf::Kccs(&broken)), ..good }, &unlisted, false),
            ("a bare name", TokenResponse { rs_cnf: Some(Cnf::Kid(b"1")), ..good }, &listed, false),
            ("another profile", TokenResponse { ace_profile: Some(Profile::COAP_OSCORE), ..good }, &listed, false),
            ("another key than ours", TokenResponse { cnf: Some(Cnf::Osc(osc)), ..good }, &listed, false),
            ("without an end", TokenResponse { expires_in: None, ..good }, &listed, false),
            ("methods", info(|info| info.methods = Some(Numbers::Plain(&[1, 3]))), &listed, true),
            ("other methods", info(|info| info.methods = Some(Numbers::Plain(&[3]))), &listed, false),
            ("suites", info(|info| info.cipher_suites = Some(Numbers::Plain(&[2]))), &listed, true),
            ("other suites", info(|info| info.cipher_suites = Some(Numbers::Plain(&[0]))), &listed, false),
            ("a door of the other profile", good, &door(None, Some(own.clone())), false),
        ] {
            assert_eq!(Permission::granted(&response, door, 0).is_ok(), taken, "{what}");
        }
        for (what, response, expected) in [
            ("as it comes", good, (true, false, "/.well-known/edhoc")),
            ("one by one", info(|info| info.comb_req = Some(false)), (false, false, "/.well-known/edhoc")),
            ("message_4", info(|info| info.message_4 = Some(true)), (false, true, "/.well-known/edhoc")),
            ("elsewhere", info(|info| info.uri_path = Some("/e")), (true, false, "/e")),
        ] {
            let permission = Permission::granted(&response, &listed, 0).unwrap();
            let Bound::Key { combined, message_4, path, .. } = &permission.bound else { panic!("{what}") };
            assert_eq!((*combined, *message_4, path.as_str()), expected, "{what}");
            assert!(
                permission.fits(&listed) && !permission.fits(&door(Some("coap_edhoc_oscore"), Some(other.clone())))
            );
            let again: Permission = serde_json::from_slice(&serde_json::to_vec(&permission).unwrap()).unwrap();
            assert!(again.fits(&listed) && again.series() == Some(b"1"), "{what}");
        }
    }

    #[test]
    fn what_is_taken_for_an_update() {
        let own = ccs(1);
        let first = TokenResponse {
            expires_in: Some(600),
            rs_cnf: Some(Cnf::Kccs(&own)),
            edhoc_info: Some(EdhocInfo { comb_req: Some(false), ..EdhocInfo::series(b"1") }),
            ..TokenResponse::new(b"first")
        };
        let listed = door(Some("coap_edhoc_oscore"), Some(own.clone()));
        let first = Permission::granted(&first, &listed, 0).unwrap();
        let good = TokenResponse { expires_in: Some(900), ..TokenResponse::new(b"second") };
        let osc = OscMaterial::new(b"1", b"0123456789abcdef");
        for (what, response, taken) in [
            ("good", good, true),
            ("its profile", TokenResponse { ace_profile: Some(Profile::COAP_EDHOC_OSCORE), ..good }, true),
            ("another profile", TokenResponse { ace_profile: Some(Profile::COAP_OSCORE), ..good }, false),
            ("a lock", TokenResponse { rs_cnf: Some(Cnf::Kccs(&own)), ..good }, false),
            ("a series", TokenResponse { edhoc_info: Some(EdhocInfo::series(b"1")), ..good }, false),
            ("a secret", TokenResponse { cnf: Some(Cnf::Osc(osc)), ..good }, false),
            ("without an end", TokenResponse { expires_in: None, ..good }, false),
        ] {
            let updated = first.updated(&response, 100);
            assert_eq!(updated.is_ok(), taken, "{what}");
            let Ok(updated) = updated else { continue };
            assert_eq!((&*updated.token, updated.expires, updated.series()), (&b"second"[..], 1000, Some(&b"1"[..])));
            assert!(matches!(&updated.bound, Bound::Key { lock, combined: false, .. } if *lock == own), "{what}");
        }
    }
}
