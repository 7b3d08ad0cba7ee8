//! A store that refuses, as on a full disk: a client hears that it is our fault and not where, and gets nothing.

use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::core::refusal::{Refusal, ServerFault};
use crate::store::{Batch, Key, Outcome, Store, StoreError, Stored};

/// Reads from another store, and has no room to write.
struct Full(Records);

#[async_trait]
impl Store for Full {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.0.store().get(key).await
    }

    async fn scan(&self, prefix: &[u8], after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.0.store().scan(prefix, after, limit).await
    }

    async fn commit(&self, _: Batch) -> Result<Outcome, StoreError> {
        Err(StoreError::Io { dir: "/srv/secret-place".into(), cause: "no space left on device".into() })
    }
}

#[actix_web::test]
async fn a_full_disk_grants_nothing() {
    let mut world = World::new(Vec::new()).await;
    let shell = std::mem::replace(&mut world.shell, web::Data::new(keys::hollow()));
    let mut shell = Arc::into_inner(shell.into_inner()).unwrap();
    let whole = std::mem::replace(&mut shell.records, keys::hollow().records);
    shell.records = Records::new(Arc::new(Full(whole)));
    world.shell = web::Data::new(shell);
    let asked = |accept: &'static str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("audience", "urn:latchwork:lock:front"),
            ("scope", "door:open"),
            ("client_id", "robot"),
            ("client_secret", SECRET),
        ];
        form("/token", &fields).insert_header(("accept", accept))
    };
    let fault = Refusal::from(ServerFault::Store).error();
    let got = world.ask(asked("application/json")).await;
    assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (fault.http, Some(fault.name)), "{}", got.text());
    for accept in ["application/json", "application/ace+cbor"] {
        let got = world.ask(asked(accept)).await;
        assert_eq!(got.status.as_u16(), fault.http, "{accept}");
        assert!(!got.text().contains("secret-place") && !got.text().contains("access_token"), "{}", got.text());
    }
    // Who administers it hears what the system said.
    let client = json!({ "client": [{ "id": "new", "kind": "confidential", "grants": ["client_credentials"], "secret": "x".repeat(32) }] });
    let got = world.ask(admin("apply", &client)).await;
    assert!(got.status.is_server_error() && got.text().contains("no space left on device"), "{}", got.text());
}
