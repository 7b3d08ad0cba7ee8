// The people of the building. Only salted scrypt hashes are kept here; the demo types the passwords, as a person would.
import { scryptSync, timingSafeEqual } from 'node:crypto';

const people = {
  emma: {
    name: 'Emma Employee',
    groups: ['staff'],
    salt: '3f0f6f5a9b1c4d2e',
    hash: 'f7bdce43e631a2b5e892d1f50588c900ad62f16952648dc84640722d609ce307',
  },
  victor: {
    name: 'Victor Visitor',
    groups: ['visitors'],
    salt: 'a1b2c3d4e5f60718',
    hash: '7a63129e07283d7f4814be942a6c27ee6ed2925e02631fd27b193e00e67daccb',
  },
  olivia: {
    name: 'Olivia Owner',
    groups: ['staff', 'facility'],
    salt: '9182736455463728',
    hash: '510c2d01c8ab9fede8bc05d59a1d8ab7599abca1b3d6a0e01a65a3907f7d3f13',
  },
  theo: {
    name: 'Theo Thief',
    groups: ['visitors'],
    salt: '0badc0de0badc0de',
    hash: '5840766b5345ee15234e0e41775c0c9624b2a335c65740036a2c46d0f3e249d2',
  },
};

// Someone who does not exist costs the same time as someone who does.
const nobody = { salt: '0000000000000000', hash: '00'.repeat(32) };

/** The login name if the password is that person's, else undefined. */
export function signIn(login, password) {
  const known = Object.hasOwn(people, login);
  const { salt, hash } = known ? people[login] : nobody;
  const typed = scryptSync(String(password), Buffer.from(salt, 'hex'), 32);
  return timingSafeEqual(typed, Buffer.from(hash, 'hex')) && known ? login : undefined;
}

/** The claims that the provider states of a person. */
export function claims(login) {
  if (!Object.hasOwn(people, login)) return undefined;
  const { name, groups } = people[login];
  return { sub: login, name, groups };
}
