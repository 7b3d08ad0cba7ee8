//! Tokens and what is in them. A token has one form only: what was taken is written back byte for byte, and coset and ciborium find
//! the same in it.
#![no_main]

use latchwork_ace::{
    Aif, Claims, Cnf, CoseKey,
    cose::{self, Envelope, Kind, Token},
    registry::Method,
    token_hash,
};
use latchwork_cbor::Reader;
use latchwork_fuzz::claims as theirs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut room = vec![0; 2 * data.len() + 64];
    if let Ok(token) = Token::parse(data) {
        assert_eq!(written(&token, &mut room), data, "{token:?}");
        if theirs::is_known(token.alg()) {
            theirs::envelope(&token, data);
        }
        claims(content(&token));
        let _ = Token::parse_nested(content(&token));
    }
    let _ = Token::parse_nested(data);
    let _ = Envelope::parse(data).map(|envelope| (envelope.kid(), envelope.iv(), claims(envelope.content)));
    for kind in [Kind::Encrypt0, Kind::Mac0, Kind::Sign1] {
        let _ = Envelope::parse_untagged(kind, data);
    }
    claims(data);
    let _ = Cnf::read(&mut Reader::new(data)).map(|cnf| (cnf.tells_a_secret(), format!("{cnf:?}")));
    let _ = CoseKey::decode(data).map(|key| (key.as_p256().is_some(), key.as_ed25519().is_some()));
    rights(data);
    assert_eq!(token_hash::input(data, &mut room).map(<[u8]>::len), Ok(token_hash::input_len(data.len())));
});

fn content<'t>(token: &Token<'t>) -> &'t [u8] {
    match token {
        Token::Encrypt0(token) => token.ciphertext,
        Token::Mac0(token) => token.payload,
        Token::Sign1(token) => token.payload,
    }
}

fn written<'o>(token: &Token<'_>, out: &'o mut [u8]) -> &'o [u8] {
    let (protected, authenticator) = match token {
        Token::Encrypt0(token) => (token.aad_parts()[1], None),
        Token::Mac0(token) => (token.maced()[1], Some(token.tag)),
        Token::Sign1(token) => (token.signed()[1], Some(token.signature)),
    };
    cose::token(token.kind(), protected, content(token), authenticator, out).expect("room for a token")
}

fn claims(data: &[u8]) {
    let Ok(claims) = Claims::decode(data) else { return };
    theirs::agree(&claims, data);
    let (mut once, mut twice) = (vec![0; 2 * data.len() + 64], vec![0; 2 * data.len() + 64]);
    let once = claims.encode(&mut once).expect("room for what was taken");
    let again = Claims::decode(once).expect("what was written").encode(&mut twice);
    assert_eq!(again, Ok(once), "{claims:?}");
}

fn rights(data: &[u8]) {
    let Ok(aif) = Aif::parse(data) else { return };
    let entries: Vec<_> = aif.iter().collect();
    assert_eq!(Aif::encode(&entries, &mut [0; Aif::MAX_LEN]), Ok(aif), "rights have one form");
    for (entry, methods) in entries {
        let (path, query) = entry.split_once('?').map_or((entry, None), |(path, query)| (path, Some(query)));
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert!(!methods.contains(method) || aif.allows(path, query, method), "{aif:?} {entry} {method:?}");
        }
    }
}
