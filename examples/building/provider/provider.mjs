// The company's OpenID provider: the certified `oidc-provider`, with a login page that checks real passwords.
//
//   node provider.mjs --client-id ID --client-secret-file FILE --redirect-uri URL [--issued-file FILE]
//
// What it issues is written to the issued file, for a test that looks for it where it must not be.
// Listens on a free port of 127.0.0.1 and prints `provider http://127.0.0.1:PORT` when it is ready.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import Provider from 'oidc-provider';
import { claims, signIn } from './accounts.mjs';
import { loginPage } from './login-page.mjs';

const { values: options } = parseArgs({
  options: {
    'client-id': { type: 'string' },
    'client-secret-file': { type: 'string' },
    'redirect-uri': { type: 'string' },
    'issued-file': { type: 'string' },
  },
});

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: options['client-id'],
      client_secret: readFileSync(options['client-secret-file'], 'utf8').trim(),
      redirect_uris: [options['redirect-uri']],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  claims: { openid: ['sub', 'name', 'groups'] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => claims(id) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: companyGrant,
  ttl: { Interaction: 600, Session: 3600, Grant: 3600, IdToken: 300, AccessToken: 300 },
});

if (options['issued-file']) {
  provider.on('grant.success', ({ body }) => {
    appendFileSync(options['issued-file'], `${JSON.stringify(body)}\n`, { mode: 0o600 });
  });
}

const oidc = provider.callback();
server.on('request', (request, response) => {
  const path = new URL(request.url, issuer).pathname;
  const step = path.startsWith('/interaction/') ? interaction(request, response) : oidc(request, response);
  Promise.resolve(step).catch(() => {
    if (!response.headersSent) response.writeHead(400, { 'content-type': 'text/plain' });
    response.end('This sign-in has expired. Go back to the app and start again.\n');
  });
});
console.log(`provider ${issuer}`);

/** Shows the login page; on POST checks the password and lets the sign-in go on. */
async function interaction(request, response) {
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name !== 'login') throw new Error(`no page for ${prompt.name}`);
  if (request.method === 'GET') return page(response, 200, loginPage({ failed: false }));
  const form = new URLSearchParams(await body(request));
  const accountId = signIn(form.get('login') ?? '', form.get('password') ?? '');
  if (!accountId) return page(response, 401, loginPage({ failed: true }));
  return provider.interactionFinished(request, response, { login: { accountId } });
}

/** The door server is the company's own: its people are not asked whether it may know their name. */
async function companyGrant(ctx) {
  const { client, session, params } = ctx.oidc;
  const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

function page(response, status, html) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  });
  response.end(html);
}

async function body(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 4096) throw new Error('form too large');
  }
  return text;
}

function signingKey() {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  return { ...key, use: 'sig', alg: 'ES256', kid: 'company-1' };
}
