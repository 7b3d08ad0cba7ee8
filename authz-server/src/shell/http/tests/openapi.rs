//! The OpenAPI document of the administration names what is there, and nothing else. What the answers say, Schemathesis checks
//! (`tests/interop/admin_api`).

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{ADMIN, World, admin};
use crate::shell::throttle::Rates;

fn document() -> Value {
    serde_json::from_str(crate::shell::http::admin::OPENAPI).unwrap()
}

fn operations() -> Vec<(Method, String)> {
    let mut found = Vec::new();
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            found.push((method.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    found
}

#[actix_web::test]
async fn it_is_served_to_administrators_only() {
    let world = World::new(Vec::new()).await;
    let ask = || TestRequest::get().uri("/admin/api/v1/openapi.json");
    assert_eq!(world.ask(ask()).await.status, 401);
    let got = world.ask(ask().insert_header(("authorization", format!("Bearer {ADMIN}")))).await;
    assert_eq!((got.status.as_u16(), got.json()), (200, document()));
    assert_eq!(got.header("content-type"), Some("application/json"));
}

/// What is in the document is there, and closed to everybody but administrators.
#[actix_web::test]
async fn every_operation_needs_an_administrator() {
    for (method, path) in operations() {
        // A new one each time: who guesses waits.
        let world = World::with_rates(Rates { per_address: 0, per_client: 0 }).await;
        let uri = format!("/admin/api/v1{}", path.replace("{id}", "x").replace("{name}", "x").replace("{kid}", "00"));
        for token in [None, Some("Bearer x"), Some("Basic eDp4")] {
            let mut request = TestRequest::default().method(method.clone()).uri(&uri).set_json(json!({}));
            if let Some(token) = token {
                request = request.insert_header(("authorization", token));
            }
            let got = world.ask(request).await;
            assert_eq!(got.status, 401, "{method} {path}");
            assert!(got.header("www-authenticate").is_some(), "{method} {path}");
        }
    }
}

/// Each route of the sources is in the document, with its methods.
#[test]
fn every_route_is_in_it() {
    let sources = [
        include_str!("../admin.rs"),
        include_str!("../admin/exchanges.rs"),
        include_str!("../admin/keys.rs"),
        include_str!("../admin/registration.rs"),
    ];
    let mut routes = BTreeSet::new();
    for resource in sources.iter().flat_map(|source| source.split("web::resource(\"").skip(1)) {
        let (path, rest) = resource.split_once('"').unwrap();
        for route in rest.split(".route(web::").skip(1) {
            routes.insert((route.split('(').next().unwrap().to_uppercase(), path.to_owned()));
        }
    }
    let documented: BTreeSet<_> = operations().into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    assert_eq!(routes, documented);
}

/// An array is no object, though its elements might fit the members. Found by Schemathesis.
#[actix_web::test]
async fn a_body_is_an_object() {
    let world = World::new(Vec::new()).await;
    for path in ["apply", "revoke", "locks/front/enroll", "registration-tokens", "keys/rotate", "clients/x/admit"] {
        for body in [json!([]), json!([1]), json!("x"), json!(null), json!({ "unheard_of": 1 })] {
            let got = world.ask(admin(path, &body)).await;
            assert_eq!((got.status.as_u16(), got.json()["error"].is_string()), (422, true), "{path} {body}");
        }
    }
}
