// Clients that we did not write, as strict as they come: openid-client revokes and introspects, and oauth4webapi, its ground, step by step.
//
//   node oauth_strict.mjs ISSUER < {"secret", "rs", "jwk", "kid"}
//
// `secret` is that of the clients `service` and `rs`, `jwk` the private key of `signer`, declared with private_key_jwt.
// Prints one line of JSON. NODE_EXTRA_CA_CERTS names the server's certificate.
import * as client from 'openid-client';
import * as oauth from 'oauth4webapi';

const issuer = process.argv[2];
const given = JSON.parse(await new Response(process.stdin).text());
const front = 'urn:latchwork:lock:front';
const shed = 'urn:latchwork:lock:shed';
const asked = { audience: front, scope: 'door:open' };

/** The members that are the same each time. */
const told = ({ active, aud, scope, token_type, iss }) => ({ active, aud, scope, token_type, iss });
/** The error that the server named; after a challenge it stands in a body that nobody read yet. */
const code = async (error) => {
  const cause = error.cause?.response ? error.cause : error;
  const unread = cause.code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' && cause.response && !cause.response.bodyUsed;
  return unread ? (await cause.response.json()).error : (error.error ?? error.code ?? `${error}`);
};

async function byOpenidClient() {
  const as = (id, secret) =>
    client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret), { algorithm: 'oauth2' });
  const service = await as('service', given.secret);
  const rs = await as('rs', given.rs);
  // openid-client cannot be told of token type PoP, its ground can.
  const take = async (parameters) => {
    const [metadata, id] = [service.serverMetadata(), { client_id: 'service' }];
    const answer = await oauth.clientCredentialsGrantRequest(metadata, id, oauth.ClientSecretBasic(given.secret), parameters);
    return oauth.processClientCredentialsResponse(metadata, id, answer, { recognizedTokenTypes: { pop: () => {} } });
  };
  const mine = await take(asked);
  const foreign = await take({ ...asked, audience: shed });
  const own = await client.tokenIntrospection(rs, mine.access_token, { token_type_hint: 'access_token' });
  const others = await client.tokenIntrospection(rs, foreign.access_token);
  const nobody = await client.tokenIntrospection(service, mine.access_token).then(told, code);
  // Somebody else's token: RFC 7009 §2.1, refused or unheard, and it lives.
  await client.tokenRevocation(rs, mine.access_token).catch(code);
  const still = await client.tokenIntrospection(rs, mine.access_token);
  await client.tokenRevocation(service, mine.access_token, { token_type_hint: 'access_token' });
  const dead = await client.tokenIntrospection(rs, mine.access_token);
  const again = await client.tokenRevocation(service, mine.access_token).then(() => 'done', code);
  const wrong = await as('service', 'no-secret').then((it) => client.tokenRevocation(it, foreign.access_token)).then(() => 'done', code);
  return { own: told(own), live: own.exp > own.iat, others, nobody, still: still.active, dead, again, wrong };
}

async function byOauth4webapi() {
  const url = new URL(issuer);
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2' }));

  // RFC 9126 and RFC 7636, with the key of RFC 9449.
  const phone = { client_id: 'phone' };
  const DPoP = oauth.DPoP(phone, await oauth.generateKeyPair('ES256'));
  const verifier = oauth.generateRandomCodeVerifier();
  const parameters = {
    response_type: 'code',
    redirect_uri: 'http://127.0.0.1/callback',
    audience: front,
    state: oauth.generateRandomState(),
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  const push = async (parameters) => {
    const send = () => oauth.pushedAuthorizationRequest(as, phone, oauth.None(), parameters, { DPoP });
    const read = async () => oauth.processPushedAuthorizationResponse(as, phone, await send());
    return read().catch((error) => (oauth.isDPoPNonceError(error) ? read() : Promise.reject(error)));
  };
  const pushed = await push(parameters);
  const plain = await push({ ...parameters, code_challenge_method: 'plain' }).catch(code);
  const elsewhere = await push({ ...parameters, redirect_uri: 'https://evil.example/' }).catch(code);

  // RFC 7523 §2.2.
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await crypto.subtle.importKey('jwk', given.jwk, algorithm, false, ['sign']);
  const other = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const signer = { client_id: 'signer' };
  const signed = oauth.PrivateKeyJwt({ key, kid: given.kid });
  const grant = async (authentication) => {
    const answer = await oauth.clientCredentialsGrantRequest(as, signer, authentication, asked);
    return oauth.processClientCredentialsResponse(as, signer, answer);
  };
  // A token for a lock is no bearer token: oauth4webapi has to be told that this type is meant.
  const recognizedTokenTypes = { pop: () => {} };
  const take = async (authentication) => {
    const answer = await oauth.clientCredentialsGrantRequest(as, signer, authentication, asked);
    return oauth.processClientCredentialsResponse(as, signer, answer, { recognizedTokenTypes });
  };
  const untold = await grant(signed).then(() => 'done', (error) => error.code);
  const token = await take(signed);
  const forged = await take(oauth.PrivateKeyJwt({ key: other.privateKey, kid: given.kid })).catch(code);

  const rs = { client_id: 'rs' };
  const look = async () => {
    const answer = await oauth.introspectionRequest(as, rs, oauth.ClientSecretBasic(given.rs), token.access_token);
    return oauth.processIntrospectionResponse(as, rs, answer);
  };
  const own = await look();
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, signer, signed, token.access_token));
  const dead = await look();
  return {
    issuer: as.issuer,
    pushed: [pushed.request_uri.startsWith('urn:ietf:params:oauth:request_uri:'), pushed.expires_in > 0],
    plain, elsewhere, untold, forged, type: token.token_type, own: told(own), dead,
  };
}

console.log(JSON.stringify({ client: await byOpenidClient(), ground: await byOauth4webapi() }));
