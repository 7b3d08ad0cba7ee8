//! The floor under a token server on actix-web: reads Basic authentication and a form, signs a JWT with ES256, answers JSON. It
//! looks up nothing, decides nothing, writes nothing. One worker, on the address given.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;

struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    audience: String,
    scope: String,
}

async fn token(signer: web::Data<Signer>, request: HttpRequest, form: web::Form<TokenRequest>) -> HttpResponse {
    let Some(client) = client(&request) else { return HttpResponse::Unauthorized().finish() };
    if form.grant_type != "client_credentials" {
        return HttpResponse::BadRequest().finish();
    }
    let mut jti = [0; 16];
    rand::fill(&mut jti).expect("randomness");
    let claims = json!({
        "iss": "https://floor", "sub": client, "aud": form.audience, "scope": form.scope, "iat": 1_700_000_000,
        "exp": 1_700_000_600, "jti": URL_SAFE_NO_PAD.encode(jti),
    });
    let text = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", text(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "floor" })), text(claims));
    let signature = signer.key.sign(&signer.random, signed.as_bytes()).expect("a signature");
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({
        "access_token": format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)),
        "token_type": "Bearer", "expires_in": 600, "scope": form.scope,
    }))
}

fn client(request: &HttpRequest) -> Option<String> {
    let basic = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    let (client, secret) = pair.split_once(':')?;
    (!secret.is_empty()).then(|| client.to_owned())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let signer = web::Data::new(Signer { key, random });
    let app = move || App::new().app_data(signer.clone()).route("/token", web::post().to(token));
    let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}
