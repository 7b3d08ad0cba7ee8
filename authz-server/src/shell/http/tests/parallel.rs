//! One code redeemed many times at the same moment, over sockets, by threads.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};

use actix_web::web;
use serde_json::{Value, json};

use super::authorize::VERIFIER;
use super::doors::{code, proof};
use super::keys::hollow;
use super::provider::Idp;
use super::{ISSUER, World, encoded, plain};
use crate::core::records::{Grant, TokenRecord};
use crate::core::testing::Pair;
use crate::shell::http::{Times, serve};

const FRONT: &str = "urn:latchwork:lock:front";
const AT_ONCE: usize = 16;

fn post(to: SocketAddr, fields: &[(&str, &str)], proof: &str) -> (u16, Value) {
    let body = encoded(fields);
    let mut socket = TcpStream::connect(to).unwrap();
    write!(
        socket,
        "POST /token HTTP/1.1\r\nhost: as.example\r\nconnection: close\r\ndpop: {proof}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

/// R6749-4.1.2-01: one family of tokens, and no longer than until the second use is seen.
#[actix_web::test]
async fn a_code_redeemed_by_many_at_once_makes_one_family_and_ends_it() {
    let idp = Idp::start();
    let mut world = World::new(vec![idp.provider()]).await;
    let (code, key) = (code(&world, &idp).await, Pair::new(5));
    let shell = std::mem::replace(&mut world.shell, web::Data::new(hollow())).into_inner();
    let (address, listeners) = plain(4, Times::default());
    let server = serve(Arc::clone(&shell), listeners).unwrap();
    let (handle, serving) = (server.handle(), actix_web::rt::spawn(server));

    let start = Arc::new(Barrier::new(AT_ONCE));
    let askers: Vec<_> = (0..AT_ONCE)
        .map(|n| {
            let (start, code) = (Arc::clone(&start), code.clone());
            let proof = proof(&key, &format!("at once {n}"), "POST", &format!("{ISSUER}/token"), None);
            std::thread::spawn(move || {
                let fields = [
                    ("grant_type", "authorization_code"),
                    ("client_id", "app"),
                    ("code", &*code),
                    ("redirect_uri", "http://127.0.0.1:7777/cb"),
                    ("code_verifier", VERIFIER),
                    ("audience", FRONT),
                ];
                start.wait();
                post(address, &fields, &proof)
            })
        })
        .collect();
    let answers = web::block(|| askers.into_iter().map(|asker| asker.join().unwrap()).collect::<Vec<_>>()).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.unwrap().into_iter().partition(|(status, _)| *status == 200);
    assert_eq!(won.len(), 1, "{won:?}");
    for (status, body) in lost {
        // Whoever lost every race is told to come again; nobody else gets in.
        let refused = status == 400 && body == json!({ "error": "invalid_grant" });
        assert!(refused || (status == 503 && body["error"] == "temporarily_unavailable"), "{status} {body}");
    }
    let grants = shell.records.all::<Grant>().await.unwrap();
    assert!(grants.len() == 1 && grants[0].0.revoked.is_some(), "{grants:?}");
    let tokens = shell.records.all::<TokenRecord>().await.unwrap();
    assert!(tokens.len() == 1 && tokens[0].0.revoked.is_some(), "{tokens:?}");

    let refresh = won[0].1["refresh_token"].as_str().unwrap().to_owned();
    let late = proof(&key, "late", "POST", &format!("{ISSUER}/token"), None);
    let fields = move || {
        let fields = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", &*refresh)];
        post(address, &fields, &late)
    };
    assert_eq!(web::block(fields).await.unwrap(), (400, json!({ "error": "invalid_grant" })), "the family is over");
    handle.stop(false).await;
    serving.await.unwrap().unwrap();
}
