//! Pages of other sites: which of them may read what.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::*;

const PAGE: &str = "https://doors.example";
const ALLOWED: &str = "access-control-allow-origin";

async fn world() -> World {
    let world = World::new(Vec::new()).await;
    let spa = json!({ "client": [{ "id": "spa", "kind": "native", "redirect_uris": ["https://doors.example/cb"],
                                   "origins": [PAGE, "http://127.0.0.1:5173"] }] });
    assert_eq!(world.ask(admin("apply", &spa)).await.status, 200);
    world
}

fn preflight(uri: &str, origin: &str) -> TestRequest {
    TestRequest::default()
        .method(Method::OPTIONS)
        .uri(uri)
        .insert_header(("origin", origin))
        .insert_header(("access-control-request-method", "POST"))
        .insert_header(("access-control-request-headers", "dpop"))
}

#[actix_web::test]
async fn a_registered_origin_reads_what_its_client_needs() {
    let world = world().await;
    for (uri, methods) in [
        ("/token", "POST"),
        ("/par", "POST"),
        ("/revoke", "POST"),
        ("/jwks.json", "GET"),
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/api/v1/doors", "GET, POST, DELETE"),
        ("/api/v1/grants/x", "GET, POST, DELETE"),
    ] {
        for origin in [PAGE, "http://127.0.0.1:5173"] {
            let got = world.ask(preflight(uri, origin)).await;
            assert_eq!((got.status.as_u16(), got.header(ALLOWED)), (204, Some(origin)), "{uri}");
            assert_eq!(got.header("access-control-allow-methods"), Some(methods), "{uri}");
            assert_eq!(got.header("access-control-allow-headers"), Some("authorization, content-type, dpop"));
            assert_eq!(got.header("vary"), Some("Origin"), "{uri}");
            for request in [TestRequest::get(), TestRequest::post()] {
                let got = world.ask(request.uri(uri).insert_header(("origin", origin))).await;
                assert_eq!(got.header(ALLOWED), Some(origin), "{uri}: also an error: {}", got.status);
                assert_eq!(got.header("access-control-allow-credentials"), None, "{uri}");
            }
        }
    }
    let got = world.ask(form("/token", &[("x", &"x".repeat(64 << 10))]).insert_header(("origin", PAGE))).await;
    assert_eq!((got.status.as_u16(), got.header(ALLOWED)), (413, Some(PAGE)));
}

#[actix_web::test]
async fn nobody_else_reads_anything() {
    let world = world().await;
    for origin in [
        "https://evil.example",
        "https://doors.example.evil.example",
        "https://doors.example:8443",
        "http://doors.example",
        "https://DOORS.example",
        "https://doors.example/",
        "https://a.doors.example",
        "null",
        "*",
        "",
    ] {
        let got = world.ask(preflight("/token", origin)).await;
        assert_eq!((got.status.as_u16(), got.header(ALLOWED)), (403, None), "{origin}");
        let got = world.ask(TestRequest::get().uri("/jwks.json").insert_header(("origin", origin))).await;
        assert_eq!(
            (got.status.as_u16(), got.header(ALLOWED), got.header("vary")),
            (200, None, Some("Origin")),
            "{origin}"
        );
    }
    for uri in
        ["/authorize", "/register", "/register/x", "/approvals", "/introspect", "/trl", "/admin/api/v1/clients", "/"]
    {
        let got = world.ask(preflight(uri, PAGE)).await;
        assert_eq!(got.header(ALLOWED), None, "{uri}");
        let got = world.ask(TestRequest::get().uri(uri).insert_header(("origin", PAGE))).await;
        assert_eq!(got.header(ALLOWED), None, "{uri}");
    }
}

/// Asking whose an origin is costs a look into the store, so it is counted, also where nothing else is.
#[actix_web::test]
async fn who_asks_for_origins_too_often_waits() {
    for ask in [
        || preflight("/token", "https://evil.example"),
        || preflight("/token", PAGE),
        || TestRequest::get().uri("/jwks.json").insert_header(("origin", PAGE)),
        || TestRequest::get().uri("/token").insert_header(("origin", PAGE)),
    ] {
        let world = World::with_rates(Rates { per_address: 1, per_client: 0 }).await;
        let mut last = world.ask(ask()).await;
        assert_ne!(last.status, 429);
        for _ in 0..20 {
            last = world.ask(ask()).await;
        }
        assert_eq!((last.status.as_u16(), last.header("vary")), (429, Some("Origin")));
        assert!(last.header("retry-after").is_some());
    }
}

/// An origin goes with its client, and comes with a change of it.
#[actix_web::test]
async fn origins_follow_their_clients() {
    let world = world().await;
    let reads = async |origin| world.ask(preflight("/token", origin)).await.status == 204;
    assert!(reads(PAGE).await);
    let other = json!({ "client": [{ "id": "spa", "kind": "native", "redirect_uris": ["https://doors.example/cb"],
                                     "origins": ["https://new.example"] }] });
    assert_eq!(world.ask(admin("apply", &other)).await.status, 200);
    assert_eq!((reads(PAGE).await, reads("https://new.example").await), (false, true));
    let remove = TestRequest::delete()
        .uri("/admin/api/v1/clients/spa")
        .insert_header(("authorization", format!("Bearer {ADMIN}")));
    assert_eq!(world.ask(remove).await.status, 204);
    assert!(!reads("https://new.example").await);
    for bad in [
        "https://a.example/",
        "https://a.example/x",
        "http://a.example",
        "https://A.example",
        "*",
        "null",
        "https://a.example:443",
    ] {
        let spa = json!({ "client": [{ "id": "spa", "kind": "native", "origins": [bad] }] });
        let got = world.ask(admin("apply", &spa)).await;
        assert_eq!(got.status, 422, "{bad}");
    }
}
