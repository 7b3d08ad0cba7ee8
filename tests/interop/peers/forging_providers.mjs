// OpenID providers that lie, one for each lie: oauth2-mock-server with its hooks.
//
// Prints `provider NAME URL` for each, then `ready`. They run until they are killed.
import { OAuth2Server } from 'oauth2-mock-server';

/** What each does to the tokens that it signs, or to the answer that carries them. */
const lies = {
  honest: {},
  audience: { sign: ({ payload }) => void (payload.aud = 'somebody-else') },
  nonce: { sign: ({ payload }) => void (payload.nonce = 'of-another-sign-in') },
  issuer: { sign: ({ payload }) => void (payload.iss = 'http://localhost:1') },
  expired: { sign: ({ payload }) => void ((payload.iat -= 7200), (payload.exp = payload.iat + 60)) },
  unsigned: { answer: ({ body }) => void (body.id_token = unsigned(body.id_token)) },
  tampered: { answer: ({ body }) => void (body.id_token = tampered(body.id_token)) },
  missing: { answer: ({ body }) => void delete body.id_token },
  nonsense: { answer: (response) => void (response.body = 'no JSON object at all') },
  failing: { answer: (response) => void ((response.statusCode = 500), (response.body = { error: 'server_error' })) },
};

for (const [name, { sign, answer }] of Object.entries(lies)) {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('ES256');
  if (sign) server.service.on('beforeTokenSigning', sign);
  if (answer) server.service.on('beforeResponse', answer);
  await server.start(0, '127.0.0.1');
  console.log(`provider ${name} ${server.issuer.url}`);
}
console.log('ready');

/** The same claims under `alg: none`, without a signature (RFC 7515 appendix A.5). */
function unsigned(token) {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  return `${header}.${token.split('.')[1]}.`;
}

/** Other claims under the old signature. */
function tampered(token) {
  const [header, payload, signature] = token.split('.');
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url')), sub: 'olivia' };
  return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
}
