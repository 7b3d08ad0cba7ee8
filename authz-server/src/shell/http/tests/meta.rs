//! What the server says about itself is true.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::{ISSUER, World};

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

/// R8414-2-01, R8414-3.2-01, R8414-3.3-01: all of it is there, and names what answers; what answers is named.
#[actix_web::test]
async fn metadata_names_what_is_there_and_nothing_else() {
    let world = World::new(Vec::new()).await;
    let got = world.ask(TestRequest::get().uri(WELL_KNOWN)).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, Some("application/json")));
    let metadata = got.json();
    assert_eq!(metadata["issuer"], ISSUER);
    for (name, method, path) in [
        ("authorization", Method::GET, "/authorize"),
        ("token", Method::POST, "/token"),
        ("pushed_authorization_request", Method::POST, "/par"),
        ("device_authorization", Method::POST, "/device_authorization"),
        ("introspection", Method::POST, "/introspect"),
        ("revocation", Method::POST, "/revoke"),
        ("registration", Method::POST, "/register"),
    ] {
        let name = format!("{name}_endpoint");
        let answers = world.ask(TestRequest::with_uri(path).method(method)).await.status != 404;
        let named = metadata.get(&name).map(|url| url.as_str().unwrap().to_owned());
        assert_eq!(named, answers.then(|| format!("{ISSUER}{path}")), "{name}");
    }
    for (name, value) in metadata.as_object().unwrap() {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        assert!(!empty, "{name}: what is empty is left out (RFC 8414 §3.2)");
        let Some(url) = value.as_str().filter(|_| name.ends_with("_endpoint") || name.ends_with("_uri")) else {
            continue;
        };
        let path = url.strip_prefix(ISSUER).unwrap();
        let mut found = false;
        for method in [Method::GET, Method::POST] {
            found |= world.ask(TestRequest::with_uri(path).method(method)).await.status != 404;
        }
        assert!(found, "{name} {url}");
    }
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256"]));
}

/// R8414-3.1-01: the path of an issuer follows the well-known one.
#[actix_web::test]
async fn an_issuer_with_a_path_has_its_own_place() {
    let world = World::new(Vec::new()).await;
    for (path, status) in [("", 200), ("/", 200), ("/doors", 404), ("x", 404)] {
        let got = world.ask(TestRequest::get().uri(&format!("{WELL_KNOWN}{path}"))).await;
        assert_eq!(got.status, status, "{path}");
    }
}
