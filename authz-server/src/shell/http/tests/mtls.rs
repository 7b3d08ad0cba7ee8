//! Clients with certificates (RFC 8705), over real sockets; what they must not get by is beside what they get.

use std::net::TcpListener;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::core::refusal::{Refusal, ServerFault};
use crate::shell::http::{self, Listeners};
use crate::shell::tls::{AnyCertificate, Authorities};

/// An authority of clients.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    fn issue(&self, name: &str, until: i32) -> Shown {
        let (params, key) = asked(name, until);
        Shown { chain: vec![params.signed_by(&key, &self.0).unwrap().der().clone()], key }
    }
}

/// What a client shows in its handshake.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

fn asked(name: &str, until: i32) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
    (params, KeyPair::generate().unwrap())
}

fn self_signed(name: &str, until: i32) -> Shown {
    let (params, key) = asked(name, until);
    Shown { chain: vec![params.self_signed(&key).unwrap().der().clone()], key }
}

fn fingerprint(shown: &Shown) -> String {
    crate::core::bytes::hex(&Hash32::of(&[&shown.chain[0]]).0)
}

/// A server with a listener for certificates beside the one without.
struct Running {
    world: World,
    server: KeyPair,
    certificate: CertificateDer<'static>,
    mtls: String,
    https: String,
    handle: actix_web::dev::ServerHandle,
}

impl Running {
    async fn start(clients: Value, authority: &Authority) -> Self {
        let mut world = World::new(Vec::new()).await;
        let got = world.ask(admin("apply", &json!({ "client": clients }))).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let server = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&server).unwrap().der().clone();
        let key = || PrivateKeyDer::try_from(server.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder();
        let asking = tls
            .clone()
            .with_client_cert_verifier(AnyCertificate::new().unwrap())
            .with_single_cert(vec![certificate.clone()], key())
            .unwrap();
        let plain = tls.with_no_client_auth().with_single_cert(vec![certificate.clone()], key()).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), &authority.1).unwrap();
        let socket = || {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let port = socket.local_addr().unwrap().port();
            (socket, format!("https://localhost:{port}"))
        };
        let ((asking_socket, mtls), (socket, https)) = (socket(), socket());
        let shell = Arc::into_inner(std::mem::replace(&mut world.shell, web::Data::new(keys::hollow())).into_inner());
        world.shell = web::Data::new(Shell { mtls_url: Some(mtls.clone()), ..shell.unwrap() });
        let listeners = Listeners {
            https: Some((socket, plain)),
            mtls: Some((asking_socket, asking, Authorities::load(ca.path()).unwrap())),
            plain: None,
            workers: 1,
            body: 16 << 10,
            connections: 100,
            times: http::Times::default(),
        };
        let running = http::serve(Arc::clone(&world.shell), listeners).unwrap();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        Self { world, server, certificate, mtls, https, handle }
    }

    /// A client that trusts this server and shows this.
    fn client(&self, shown: Option<&Shown>) -> reqwest::Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
        let tls = match shown {
            Some(shown) => {
                let key = PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap();
                tls.with_client_auth_cert(shown.chain.clone(), key).unwrap()
            }
            None => tls.with_no_client_auth(),
        };
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }

    async fn token(&self, base: &str, shown: Option<&Shown>, id: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("audience", "urn:latchwork:lock:front"),
            ("scope", "door:open"),
            ("client_id", id),
        ];
        form.extend(more);
        let asked = self.client(shown).post(format!("{base}/token")).form(&form);
        // What a proxy would say on behalf of a client is only text to us.
        let pem = shown.map_or(String::new(), |shown| crate::core::bytes::base64url(&shown.chain[0]));
        let asked =
            asked.header("x-client-cert", &pem).header("x-ssl-client-verify", "SUCCESS").header("client-cert", pem);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }
}

/// R8705-2-01, R8705-2-02, R8705-2-03, R8705-2.1-01, R8705-2.1.2-01, R8705-2.2-01, R8705-5-01
#[actix_web::test]
async fn who_a_certificate_shows_and_who_not() {
    let (ours, other) = (Authority::new("Our clients"), Authority::new("Our clients"));
    let cleaner = ours.issue("cleaner.example", 2100);
    let selfie = self_signed("selfie.example", 2100);
    let stale = self_signed("stale.example", 2021);
    let role = json!({ "role": "cleaning" });
    let clients = json!([
        { "id": "cleaner", "kind": "confidential", "attributes": role, "tls_client_auth": { "san_dns": "cleaner.example" } },
        { "id": "named", "kind": "confidential", "attributes": role,
          "tls_client_auth": { "subject_dn": "CN=cleaner.example,O=Example" } },
        { "id": "selfie", "kind": "confidential", "attributes": role,
          "certificates": [fingerprint(&selfie), fingerprint(&stale)] },
    ]);
    let server = Running::start(clients, &ours).await;
    let neighbour = ours.issue("neighbour.example", 2100);
    let expired = ours.issue("cleaner.example", 2021);
    let foreign = other.issue("cleaner.example", 2100);
    let forged = self_signed("cleaner.example", 2100);
    let lookalike = self_signed("selfie.example", 2100);
    for (what, shown, id, reason) in [
        ("the name that was registered", Some(&cleaner), "cleaner", None),
        ("the subject that was registered", Some(&cleaner), "named", None),
        ("the certificate that was registered", Some(&selfie), "selfie", None),
        ("no certificate", None, "cleaner", Some("registered for another way")),
        ("no certificate", None, "selfie", Some("registered for another way")),
        ("the certificate of another client", Some(&neighbour), "cleaner", Some("it has another name")),
        ("the certificate of another client", Some(&cleaner), "selfie", Some("not registered")),
        ("a self-signed one for an authority's", Some(&selfie), "cleaner", Some("no authority vouches")),
        ("one that is over", Some(&expired), "cleaner", Some("expired or not yet valid")),
        ("a registered one that is over", Some(&stale), "selfie", Some("expired or not yet valid")),
        ("one of another authority of the same name", Some(&foreign), "cleaner", Some("no authority vouches")),
        ("a self-signed one with the name", Some(&forged), "cleaner", Some("no authority vouches")),
        ("another self-signed one with the name", Some(&lookalike), "selfie", Some("not registered")),
        ("a certificate for a secret", Some(&cleaner), "robot", Some("registered for another way")),
        ("a client that there is not", Some(&cleaner), "nobody", Some("unknown client")),
    ] {
        // Each refusal is one guess more; here they are counted elsewhere.
        *server.world.shell.throttle.lock().unwrap() = Throttle::new(Rates { per_address: 0, per_client: 0 });
        let (status, body) = server.token(&server.mtls, shown, id, &[]).await;
        let entry = server.world.last_entry();
        match reason {
            None => assert_eq!(status, 200, "{what}: {body} {entry}"),
            Some(reason) => {
                assert_eq!((status, &body), (401, &json!({ "error": "invalid_client" })), "{what}: {entry}");
                assert!(entry["reason"].as_str().unwrap().contains(reason), "{what}: {entry}");
            }
        }
    }
    *server.world.shell.throttle.lock().unwrap() = Throttle::new(Rates { per_address: 0, per_client: 0 });
    // The listener without certificates knows none, whatever headers say.
    let (status, _) = server.token(&server.https, Some(&cleaner), "cleaner", &[]).await;
    assert_eq!(status, 401);
    // A secret works on either; a certificate beside it is no second credential.
    for base in [&server.mtls, &server.https] {
        let (status, body) = server.token(base, Some(&neighbour), "robot", &[("client_secret", SECRET)]).await;
        assert_eq!(status, 200, "{body}");
    }
    let metadata = server.world.ask(TestRequest::get().uri("/.well-known/oauth-authorization-server")).await.json();
    assert_eq!(metadata["mtls_endpoint_aliases"]["token_endpoint"], format!("{}/token", server.mtls));
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&"tls_client_auth".into()) && methods.contains(&"self_signed_tls_client_auth".into()));
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], false);
    server.handle.stop(false).await;
}

/// The handshake shows possession of the certificate's key, and of no other: a token may be bound to it.
#[actix_web::test]
async fn a_token_for_the_key_of_the_certificate() {
    let ours = Authority::new("Our clients");
    let selfie = self_signed("selfie.example", 2100);
    let clients = json!([
        { "id": "selfie", "kind": "confidential", "attributes": { "role": "cleaning" }, "certificates": [fingerprint(&selfie)] },
    ]);
    let server = Running::start(clients, &ours).await;
    let jwk = |key: &KeyPair| {
        let (x, y) = key.public_key_raw()[1..].split_at(32);
        let text = crate::core::bytes::base64url;
        json!({ "jwk": { "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) } }).to_string()
    };
    for (key, possessed) in [(&selfie.key, true), (&server.server, false)] {
        let (_, body) = server.token(&server.mtls, Some(&selfie), "selfie", &[("req_cnf", &jwk(key))]).await;
        let reason = server.world.last_entry()["reason"].as_str().unwrap_or_default().to_owned();
        // The lock has no credential for signed tokens: that is asked after possession.
        let expected = if possessed { "no credential for signed tokens" } else { "possession not shown" };
        assert!(reason.contains(expected), "{reason} {body}");
    }
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn what_no_client_can_be_registered_with() {
    let world = World::new(Vec::new()).await;
    for (kind, more, problem) in [
        ("confidential", json!({ "tls_client_auth": { "san_dns": "*.example" } }), "no pattern"),
        ("confidential", json!({ "tls_client_auth": { "san_dns": "a", "san_uri": "b:c" } }), ""),
        ("confidential", json!({ "tls_client_auth": { "san_dns": "a" }, "secret": SECRET }), "not several"),
        ("confidential", json!({ "certificates": ["ab"] }), "fingerprints"),
        ("native", json!({ "certificates": ["ab".repeat(32)] }), "installation key"),
    ] {
        let mut client = json!({ "id": "new", "kind": kind });
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let got = world.ask(admin("apply", &json!({ "client": [client] }))).await;
        assert_eq!(got.status, 422, "{more}");
        assert!(got.text().contains(problem), "{more}: {}", got.text());
    }
}

/// A log that cannot be written stops tokens, unless the configuration says otherwise.
#[actix_web::test]
async fn no_token_without_its_line_in_the_log() {
    let stopped = Refusal::from(ServerFault::Audit).error().http;
    for (required, status) in [(true, stopped), (false, 200)] {
        let mut world = World::new(Vec::new()).await;
        let shell = Arc::into_inner(std::mem::replace(&mut world.shell, web::Data::new(keys::hollow())).into_inner());
        let audit = Audit::open(Some(std::path::Path::new("/dev/full"))).unwrap().required(required);
        world.shell = web::Data::new(Shell { audit, ..shell.unwrap() });
        let asked = form(
            "/token",
            &[
                ("grant_type", "client_credentials"),
                ("audience", "urn:latchwork:lock:front"),
                ("scope", "door:open"),
                ("client_id", "robot"),
                ("client_secret", SECRET),
            ],
        );
        let got = world.ask(asked).await;
        assert_eq!(got.status, status, "{}", got.text());
        assert_eq!(got.json().get("access_token").is_some(), status == 200);
    }
}
