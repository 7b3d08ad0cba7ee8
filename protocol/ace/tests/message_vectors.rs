//! The examples of RFC 9200, 9201, 9203 and 9770, both ways.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::hex;
use latchwork_ace::{
    Claims, Cnf, CoseKey, EdhocInfo, ErrorResponse, Hints, IntrospectionRequest, IntrospectionResponse, OscMaterial,
    Scope, TokenRequest, TokenResponse, authz_info,
    claims::Audience,
    cose::{self, Envelope, Kind, Token},
    cose_key::Key,
    introspection::Hint,
    registry::{Alg, ErrorCode, GrantType, Profile, TokenType},
    token_hash,
    token_request::AskedProfile,
};
use latchwork_crypto::{RustCrypto, Symmetric};

/// RFC 9200 Figure 5 and RFC 9203 Figure 4 need these.
const X: &str = "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff";
const Y: &str = "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e";
const MS: &str = "f9af838368e353e78888e1426bd94e6f";

/// R9200-5.3-01
#[test]
fn hints_of_rfc_9200_figure_3() {
    let bytes = hex(
        "a401781c636f6170733a2f2f61732e6578616d706c652e636f6d2f746f6b656e0576636f6170733a2f2f72732e6578616d706c652e63
        6f6d09667254656d7043182745e0a156bb3f",
    );
    let hints = Hints {
        as_uri: Some("coaps://as.example.com/token"),
        kid: None,
        audience: Some("coaps://rs.example.com"),
        scope: Some(Scope::Text("rTempC")),
        cnonce: Some(&[0xe0, 0xa1, 0x56, 0xbb, 0x3f]),
    };
    assert_eq!(Hints::decode(&bytes).unwrap(), hints);
    assert_eq!(hints.encode(&mut [0; 128]).unwrap(), bytes);
    assert!(hints.encode(&mut [0; 20]).is_err(), "too small a buffer");
}

/// Figures 9 and 10, in the order of RFC 8949 §4.2; a key of 15 bytes as printed. R9200-5.9.2-01, R9201-4-01
#[test]
fn introspection_of_rfc_9200_figures_9_and_10() {
    let bytes = hex("a20b48ee08f4757250e375182102");
    let request = IntrospectionRequest::decode(&bytes).unwrap();
    assert_eq!((request.token, request.hint), (&hex("ee08f4757250e375")[..], Some(Hint::Number(2))));
    assert_eq!(request.encode(&mut [0; 64]).unwrap(), bytes);
    let text = IntrospectionRequest { token: b"t", hint: Some(Hint::Text("access_token")) };
    let mut buffer = [0; 64];
    let read = IntrospectionRequest::decode(text.encode(&mut buffer).unwrap()).unwrap();
    assert_eq!((read.token, read.hint), (&b"t"[..], text.hint));

    let printed = hex("a40af509647265616418260108a101a3010402 44dfd1aa9720 4f849b5786457c1491be3a76dcea6c42");
    let response = IntrospectionResponse::decode(&printed).unwrap();
    assert!(response.active);
    assert_eq!(response.claims.scope, Some(Scope::Text("read")));
    assert_eq!(response.claims.ace_profile, Some(Profile::COAP_DTLS));
    assert!(
        matches!(response.claims.cnf, Some(Cnf::CoseKey(CoseKey { key: Key::Symmetric { k }, .. })) if k.len() == 15)
    );
    let canonical = hex("a408a101a301040244dfd1aa97204f849b5786457c1491be3a76dcea6c4209647265616 40af5182601");
    assert_eq!(response.encode(&mut [0; 64]).unwrap(), canonical);

    let inactive = IntrospectionResponse::default();
    assert_eq!(inactive.encode(&mut [0; 8]).unwrap(), hex("a10af4"));
    for (what, bytes) in [("no active", "a10964726561 64"), ("active twice", "a20af50af4"), ("active 1", "a10a01")] {
        assert!(IntrospectionResponse::decode(&hex(bytes)).is_err(), "{what}");
    }
    for (what, bytes) in
        [("no token", "a1182102"), ("token as text", "a10b6174"), ("a hint as bytes", "a20b4174182141 74")]
    {
        assert!(IntrospectionRequest::decode(&hex(bytes)).is_err(), "{what}");
    }
}

/// R9200-5.8.1-01, R9200-5.8.5-01
#[test]
fn requests_of_rfc_9200_figures_4_5_6() {
    // Figure 4, in the order of RFC 8949 §4.2 and as printed.
    let canonical = hex("a2056e74656d7053656e736f72343731311818686d79636c69656e74");
    let printed = hex("a21818686d79636c69656e74056e74656d7053656e736f7234373131");
    for bytes in [&canonical, &printed] {
        let request = TokenRequest::decode(bytes).unwrap();
        assert_eq!((request.client_id, request.audience), (Some("myclient"), Some("tempSensor4711")));
        assert_eq!((request.grant_type, request.grant()), (None, GrantType::CLIENT_CREDENTIALS));
        assert_eq!(request.encode(&mut [0; 64]).unwrap(), canonical);
    }

    let bytes = hex(&format!("a204a101a501020241112001215820{X}225820{Y}1818686d79636c69656e74"));
    let request = TokenRequest::decode(&bytes).unwrap();
    let Some(Cnf::CoseKey(key)) = request.req_cnf else { panic!("{request:?}") };
    assert_eq!(key.kid, Some(&[0x11][..]));
    assert_eq!(key.as_p256().unwrap().0[..], hex(X));
    assert_eq!(request.encode(&mut [0; 128]).unwrap(), bytes);

    let bytes = hex("a404a10348ea483475724cd77505 6876616c766534323409647265616418 18686d79636c69656e74");
    let request = TokenRequest::decode(&bytes).unwrap();
    assert!(matches!(request.req_cnf, Some(Cnf::Kid(kid)) if kid == hex("ea483475724cd775")));
    assert_eq!(request.scope, Some(Scope::Text("read")));
    assert_eq!(request.encode(&mut [0; 128]).unwrap(), bytes);
}

/// Figure 7, but `ace_profile` is an integer, as Table 5 wants it (erratum 8232); its text form is refused.
/// R9200-5.8.2-04, R9200-5.8.4.3-01
#[test]
fn response_of_rfc_9200_figure_7() {
    let rest = "02190e10 08a101a3010402 44dfd1aa9720 4f849b5786457c1491be3a76dcea6c42";
    let bytes = hex(&format!("a401464a5015df6864 {rest} 182601"));
    let response = TokenResponse::decode(&bytes).unwrap();
    assert_eq!(response.access_token, hex("4a5015df6864"));
    assert_eq!((response.expires_in, response.ace_profile), (Some(3600), Some(Profile::COAP_DTLS)));
    assert_eq!((response.token_type, response.token_type()), (None, TokenType::POP));
    assert!(matches!(response.cnf, Some(Cnf::CoseKey(CoseKey { key: Key::Symmetric { k }, .. })) if k.len() == 15));
    assert_eq!(response.encode(&mut [0; 128]).unwrap(), bytes);

    let text = hex(&format!("a401464a5015df6864 {rest} 182669636f61705f64746c73"));
    TokenResponse::decode(&text).unwrap_err();
}

/// R9200-5.8.1-03, R9200-5.8.1-05, R9200-5.8.1-07, R9200-5.8.4.2-01, R9200-5.8.5-01, R9201-6-01
#[test]
fn every_parameter_both_ways() {
    let (x, y) = ([1; 32], [2; 32]);
    let request = TokenRequest {
        req_cnf: Some(Cnf::CoseKey(CoseKey::p256(&x, &y))),
        audience: Some("urn:latchwork:lock:front"),
        scope: Some(Scope::Bytes(&[0x80])),
        client_id: Some("phone"),
        client_secret: Some(b"secret"),
        redirect_uri: Some("https://app.example/cb"),
        code: Some(b"code"),
        grant_type: Some(GrantType::REFRESH_TOKEN),
        username: Some("ada"),
        password: Some("lovelace"),
        refresh_token: Some(b"refresh"),
        ace_profile: Some(AskedProfile::Tell),
        cnonce: Some(b"12345678"),
        edhoc_info: Some(EdhocInfo::series(b"1")),
    };
    let mut out = [0; 512];
    let bytes = request.encode(&mut out).unwrap();
    let again = TokenRequest::decode(bytes).unwrap();
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
    assert_eq!(again.encode(&mut [0; 512]).unwrap(), bytes);
    assert_eq!(again.client_secret.unwrap(), b"secret");
    let named = hex("a1182602");
    assert_eq!(TokenRequest::decode(&named).unwrap().ace_profile, Some(AskedProfile::Named(Profile::COAP_OSCORE)));

    let response = TokenResponse {
        expires_in: Some(600),
        cnf: Some(Cnf::Osc(OscMaterial {
            version: 2,
            hkdf: Alg::HMAC_512_512,
            alg: Alg::AES_CCM_16_128_128,
            salt: Some(b"salt"),
            context_id: Some(b"ctx"),
            ..OscMaterial::new(b"id", b"0123456789abcdef")
        })),
        scope: Some(Scope::Text("door:open")),
        token_type: Some(TokenType::BEARER),
        refresh_token: Some(b"next"),
        ace_profile: Some(Profile::COAP_EDHOC_OSCORE),
        rs_cnf: Some(Cnf::Kccs(&[0xa1, 0x08, 0xa0])),
        edhoc_info: Some(EdhocInfo { comb_req: Some(true), ..EdhocInfo::series(b"1") }),
        ..TokenResponse::new(b"token")
    };
    let mut out = [0; 512];
    let bytes = response.encode(&mut out).unwrap();
    let again = TokenResponse::decode(bytes).unwrap();
    assert_eq!(format!("{again:?}"), format!("{response:?}"));
    assert_eq!(again.encode(&mut [0; 512]).unwrap(), bytes);
    assert_eq!(again.token_type(), TokenType::BEARER);
}

/// Trap 20: whatever is printed, no secret is in it.
#[test]
fn debug_hides_what_nobody_may_read() {
    let secret = [0xA7; 24];
    let mut token = [0; 64];
    let token = cose::token(Kind::Sign1, &hex("46a20126044101"), &secret, Some(&secret), &mut token).unwrap().to_vec();
    let shown = [
        format!(
            "{:?}",
            TokenRequest {
                client_secret: Some(&secret),
                code: Some(&secret),
                refresh_token: Some(&secret),
                password: Some("a secret password"),
                ..Default::default()
            }
        ),
        format!(
            "{:?}",
            TokenResponse {
                refresh_token: Some(&secret),
                cnf: Some(Cnf::Osc(OscMaterial { salt: Some(&secret), ..OscMaterial::new(b"1", &secret) })),
                ..TokenResponse::new(&secret)
            }
        ),
        format!("{:?}", authz_info::Request { access_token: &secret, nonce1: None, client_recipient_id: None }),
        format!("{:?}", CoseKey { kid: None, alg: None, key: Key::Symmetric { k: &secret } }),
        format!("{:?}", Cnf::EncryptedCoseKey(&secret)),
        format!("{:?}", Token::parse(&token).unwrap()),
        format!("{:?}", Envelope::parse(&token).unwrap()),
    ];
    for text in shown {
        for bad in ["167", "a7", "A7", "password\"", "a secret"] {
            assert!(!text.contains(bad), "{bad} in {text}");
        }
    }
}

/// R9200-5.8.3-03
#[test]
fn errors_both_ways() {
    for (bytes, error, description) in [
        ("a1181e01", ErrorCode::INVALID_REQUEST, None),
        ("a2181e06181f626e6f", ErrorCode::INVALID_SCOPE, Some("no")),
        ("a1181e190fa0", ErrorCode(4000), None),
        ("a1181e3863", ErrorCode(-100), None),
    ] {
        let bytes = hex(bytes);
        let response = ErrorResponse { error, description, uri: None };
        assert_eq!(ErrorResponse::decode(&bytes).unwrap(), response);
        assert_eq!(response.encode(&mut [0; 32]).unwrap(), bytes);
    }
}

/// R9201-3.1-03, R9203-3.1-01
#[test]
fn osc_of_rfc_9203_figures_2_to_8() {
    // Figure 3: asking for other rights under the same context.
    let bytes = hex("a304a1034101 056e74656d7053656e736f7234373131 09657772697465");
    let request = TokenRequest::decode(&bytes).unwrap();
    assert!(matches!(request.req_cnf, Some(Cnf::Kid(&[1]))));
    assert_eq!(request.encode(&mut [0; 64]).unwrap(), bytes);

    // Figure 4.
    let bytes = hex(&format!("a401498343a1010aa2044c53 02190e10 08a104a20041010250{MS} 182602"));
    let response = TokenResponse::decode(&bytes).unwrap();
    let Some(Cnf::Osc(osc)) = response.cnf else { panic!("{response:?}") };
    assert_eq!((osc.id, osc.ms), (&[1][..], &hex(MS)[..]));
    assert_eq!((osc.version, osc.alg, osc.hkdf), (1, Alg::AES_CCM_16_64_128, Alg::HMAC_256_256));
    assert_eq!((osc.salt, osc.context_id, osc.unrecognized), (None, None, false));
    assert_eq!(response.ace_profile, Some(Profile::COAP_OSCORE));
    assert_eq!(response.encode(&mut [0; 128]).unwrap(), bytes);

    // Figure 6, whose map is not sorted.
    let bytes = hex(&format!(
        "a5037674656d7053656e736f72496e4c6976696e67526f6f6d 061a5112d728 041a51145dc8 0978 1874656d70657261747572655f6720 6669726d
         776172655f70 08a104a20041010250{MS}"
    ));
    let claims = Claims::decode(&bytes).unwrap();
    assert_eq!(claims.aud, Some(Audience::One("tempSensorInLivingRoom")));
    assert_eq!((claims.iat, claims.exp), (Some(1360189224), Some(1360289224)));
    assert_eq!(claims.scope, Some(Scope::Text("temperature_g firmware_p")));
    assert!(matches!(claims.cnf, Some(Cnf::Osc(osc)) if osc.ms == hex(MS)));
    let mut out = [0; 128];
    let sorted = claims.encode(&mut out).unwrap();
    assert_eq!(format!("{:?}", Claims::decode(sorted).unwrap()), format!("{claims:?}"));
}

/// R9203-4.1-03, R9203-4.1-05, R9203-4.2-04
#[test]
fn authz_info_of_rfc_9203_figures_11_and_12() {
    let bytes = hex("a301498343a1010aa2044c53182848018a278f7faab55a182b421645");
    let request = authz_info::Request::decode(&bytes).unwrap();
    assert_eq!(request.access_token, hex("8343a1010aa2044c53"));
    assert_eq!(request.nonce1.unwrap(), hex("018a278f7faab55a"));
    assert_eq!(request.client_recipient_id, Some(&[0x16, 0x45][..]));
    assert_eq!(request.encode(&mut [0; 64]).unwrap(), bytes);

    let update = hex("a101498343a1010aa2044c53");
    let request = authz_info::Request::decode(&update).unwrap();
    assert_eq!((request.nonce1, request.client_recipient_id), (None, None));
    assert_eq!(request.encode(&mut [0; 64]).unwrap(), update);

    let bytes = hex("a2182a4825a8991cd700ac01182c420000");
    let response = authz_info::Response { nonce2: &hex("25a8991cd700ac01"), server_recipient_id: &[0, 0] };
    assert_eq!(authz_info::Response::decode(&bytes).unwrap(), response);
    assert_eq!(response.encode(&mut [0; 64]).unwrap(), bytes);
}

/// The token of RFC 9770 Figure 3; the RFC prints no hash of it.
/// R9770-4.2.1-01, R9770-4.3.1-01, R9770-4.4-01, R9770-4.4-02
#[test]
fn token_hash_of_rfc_9770() {
    let token = hex("d83dd0835820a3010a044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0ba05858b918a11fd81e438b7f973d9e2e119b
        cb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6afcda1aae5f6495830c58627087fc5b497
        4f319a8707a635dd643b");
    let text = "2D3Qg1ggowEKBExTeW1tZXRyaWMxMjgFTZmg14RudixJ_-imPgugWFi5GKEf2B5Di3-XPZ4uEZvLIkJLoPOKgPJ1YvQA7h0NbA_bVZwCQh_ThPwuviLXBxN4\
        sOp0KP_xV0RNRffmr82hquX2SVgwxYYnCH_FtJdPMZqHB6Y13WQ7";
    let mut out = [0; 512];
    let input = token_hash::input(&token, &mut out).unwrap();
    assert_eq!(str::from_utf8(input).unwrap(), text);
    let hash = RustCrypto.sha256(&[input]).unwrap();
    assert_eq!(hash[..], hex("1a06427bcbe5d29385202b8255820b8370ae481065a1e94017c0185bfbd51707"));
    assert_eq!((token_hash::PREFIX, token_hash::LEN), (1, 1 + hash.len()));
}

/// RFC 4648 §10, without padding.
#[test]
fn token_hash_text_of_every_length() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ] {
        let mut out = [0; 8];
        assert_eq!(token_hash::input(bytes.as_bytes(), &mut out).unwrap(), text.as_bytes());
        let mut streamed = Vec::new();
        token_hash::stream(bytes.as_bytes(), |piece| streamed.extend_from_slice(piece));
        assert_eq!(streamed, text.as_bytes());
        if let Some(short) = text.len().checked_sub(1) {
            assert!(token_hash::input(bytes.as_bytes(), &mut out[..short]).is_err());
        }
    }
}
