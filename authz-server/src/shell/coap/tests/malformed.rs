//! CBOR that is none, at every resource that takes some: 4.00 with error 1, one audit line, nothing kept.

use super::*;
use crate::shell::tests::garbage;
use latchwork_ace::introspection::IntrospectionRequest;

const DOOR: &str = "101112131415161718191a1b1c1d1e1f";

/// R9200-5.8.3-02, R9200-5.9.3-01
#[tokio::test]
async fn cbor_that_is_none() {
    let world = World::new().await;
    let rs = json!({ "id": "rs", "kind": "resource_server", "oscore": true, "locks": ["front"] });
    world.declare(json!({ "client": [rs], "oscore": [context("rs", "0c", DOOR)] })).await;
    // With room for what is deep.
    let coap = Coap::bind(Arc::clone(&world.shell), ([127, 0, 0, 1], 0).into(), 16 << 10).await.unwrap();
    let life = Life { addr: coap.address().unwrap(), serving: tokio::spawn(coap.serve()) };
    let mut room = [0; 64];
    let question = IntrospectionRequest { token: b"a token", hint: None }.encode(&mut room).unwrap().to_vec();
    for (path, id, kid, secret, good) in
        [("/token", "robot", "0a", SECRET, asked()), ("/introspect", "rs", "0c", DOOR, question)]
    {
        let (mut client, before) = (life.client(Some(clients(kid, secret))).await, world.tokens().await);
        for (what, body) in garbage::cbor(&good) {
            let lines = world.entries().lines().count();
            let got = client.request(Code::POST, path, Some(ContentFormat::ACE_CBOR), None, &body).await.unwrap();
            assert_eq!((got.code, got.protected), (Code::BAD_REQUEST, true), "{path}, {what}: {}", world.entries());
            assert_eq!(
                (got.content_format(), error(&got.payload)),
                (Some(ContentFormat::ACE_CBOR), 1),
                "{path}, {what}"
            );
            assert_eq!(world.entries().lines().count(), lines + 1, "{path}, {what}");
            let entry = world.last_entry();
            let expected = (&json!("cbor_coap"), &json!("invalid_request"), &json!(id));
            assert_eq!((&entry["face"], &entry["error"], &entry["client"]), expected, "{path}, {what}");
        }
        assert_eq!(world.tokens().await, before, "{path}");
        let got = client.request(Code::POST, path, Some(ContentFormat::ACE_CBOR), None, &good).await.unwrap();
        assert_eq!(got.code, Code::CREATED, "{path}: what the rows begin with is a message");
    }
}
