// openid-client (over oauth4webapi) as a strict client of ours: metadata, pushed requests, PKCE, DPoP with our nonces, refresh, devices.
//
//   node openid_client.mjs ISSUER app|device
//
// Prints `open URL` for the person at a browser, and at the end one line of JSON. NODE_EXTRA_CA_CERTS names the server's certificate.
import http from 'node:http';
import * as client from 'openid-client';

const [issuer, flow] = process.argv.slice(2);
const audience = `${issuer}/api/v1`;
const front = 'urn:latchwork:lock:front';
const id = flow === 'app' ? 'phone' : 'panel';

const config = await client.discovery(new URL(issuer), id, undefined, client.None(), { algorithm: 'oauth2' });
const keys = await client.randomDPoPKeyPair('ES256');
const DPoP = client.getDPoPHandle(config, keys);
const metadata = config.serverMetadata();
const tokens = await { app, device }[flow]();

const doors = await listed(tokens.access_token);
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, { audience }, { DPoP });
const again = await listed(refreshed.access_token);
// An app shows its key wherever it authenticates, also to revoke; openid-client sends no proof there, so nothing ends.
const unproven = await client.tokenRevocation(config, refreshed.refresh_token).then(() => 'done', ({ error }) => error);
const last = await client.refreshTokenGrant(config, refreshed.refresh_token, { audience }, { DPoP });
const type = tokens.token_type;
const rotated = tokens.refresh_token !== last.refresh_token;
// With a proof the grant ends, and all that came of it (RFC 7009 §2.1).
config[client.customFetch] = proving;
const revoked = await client.tokenRevocation(config, last.refresh_token).then(() => 'done', ({ error }) => error);
config[client.customFetch] = undefined;
const refresh = client.refreshTokenGrant(config, last.refresh_token, { audience }, { DPoP });
const dead = [await refresh.then(() => 'lives', ({ error }) => error), await listed(last.access_token).catch(({ status }) => status)];
console.log(JSON.stringify({ issuer: metadata.issuer, type, doors, again, rotated, unproven, revoked, dead }));
process.exit(0);

/** RFC 9126, RFC 7636, RFC 9207, RFC 9449 §10. */
async function app() {
  const arrived = Promise.withResolvers();
  const listener = http.createServer((request, answer) => {
    answer.end('Back to the app.');
    arrived.resolve(request.url);
  });
  await new Promise((ready) => listener.listen(0, '127.0.0.1', ready));
  const redirect_uri = `http://127.0.0.1:${listener.address().port}/callback`;
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const parameters = {
    redirect_uri,
    audience: front,
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  };
  const url = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
  if ([...url.searchParams.keys()].sort().join() !== 'client_id,request_uri') throw new Error(`not pushed: ${url}`);
  console.log(`open ${url}`);
  const callback = new URL(await arrived.promise, redirect_uri);
  const checks = { pkceCodeVerifier, expectedState };
  return client.authorizationCodeGrant(config, callback, checks, { audience }, { DPoP });
}

/** RFC 8628. */
async function device() {
  const dpop_jkt = await DPoP.calculateThumbprint();
  const codes = await client.initiateDeviceAuthorization(config, { audience: front, dpop_jkt });
  console.log(`code ${codes.user_code}`);
  console.log(`open ${codes.verification_uri}`);
  return client.pollDeviceAuthorizationGrant(config, codes, { audience }, { DPoP });
}

/** A request with a proof of our key. */
async function proving(url, options) {
  const headers = new Headers(options.headers);
  await DPoP.addProof(new URL(url), headers, options.method);
  return fetch(url, { ...options, headers });
}

/** RFC 9449 §7. */
async function listed(token) {
  const answer = await client.fetchProtectedResource(
    config, token, new URL(`${audience}/doors`), 'GET', undefined, undefined, { DPoP },
  );
  return (await answer.json()).map(({ name, state }) => `${name} ${state}`);
}
