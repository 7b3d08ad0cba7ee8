//! Whom an app talks to: the server whose certificate it trusts, by the name that it knows, and nobody else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use latchwork_client_sdk::Error;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::SignedIn;

const ANSWER: &str = "HTTP/1.1 400 X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 26\r\n\r\n\
    {\"error\":\"invalid_client\"}";

fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

/// A server that shows this certificate; its address, and how many requests reached it.
fn serve(shown: &CertifiedKey<KeyPair>) -> (String, Arc<AtomicUsize>) {
    let key = PrivateKeyDer::try_from(shown.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![shown.cert.der().clone()], key).unwrap();
    let (config, read) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let count = Arc::clone(&read);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            // A client that does not trust us ends the handshake here.
            if stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = stream.write_all(ANSWER.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (address, read)
}

/// EDHOC-3.1-01, R6749-10.9-01, R8414-6.2-01
#[tokio::test]
async fn only_the_server_that_it_trusts_by_its_name() {
    let (ours, other, elsewhere) = (certificate("127.0.0.1"), certificate("127.0.0.1"), certificate("as.example"));
    for (what, shown, trusted, reached) in [
        ("its certificate", &ours, &ours, true),
        ("another authority", &other, &ours, false),
        ("another name", &elsewhere, &elsewhere, false),
    ] {
        let (issuer, read) = serve(shown);
        let phone = SignedIn::new(&issuer, "127.0.0.1:1", None);
        let answer = phone.app_trusting(trusted.cert.pem()).update().await.unwrap_err();
        match reached {
            true => {
                assert!(matches!(&answer, Error::Refused(error) if error == "invalid_client"), "{what}: {answer:?}")
            }
            false => assert!(matches!(answer, Error::Unreachable(_)), "{what}: {answer:?}"),
        }
        assert_eq!(read.load(Ordering::Relaxed), usize::from(reached), "{what}: a token went out");
        assert!(phone.stored().contains("\"first\""), "{what}");
    }
}
