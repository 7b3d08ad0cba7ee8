"""A peer for EDHOC, written from RFC 9528 alone: every method in both roles with cipher suite 2, and method 0 with suite 0.
edhoc_traces.py holds it against RFC 9529.

    edhoc_peer.py ROLE NAME=HEX...           plays ROLE (initiator or responder) over standard input and output

Names: method, c (own connection identifier), key (own private key), cred, id_cred (the whole map), peer_cred, and as wanted
eads (own external authorization data, one CBOR sequence for all own messages) and peer_id_cred (what the peer must say).
A message is a line `message HEX`, both ways. At the end come `eads HEX` (all that the peer sent), `secret HEX`, `salt HEX`
and `exported HEX` (label 23, context h'0102', 40 bytes).
"""

import sys
from hashlib import sha256
from io import BytesIO

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.x509 import load_der_x509_certificate

dumps = cbor2.dumps
MAC_LENGTH, HASH_LENGTH, KEY_LENGTH, IV_LENGTH = 8, 32, 16, 13


class Refused(Exception):
    pass


class WrongSuite(Refused):
    """Section 6.3: what to answer, an error message that has the suites of this one."""

    def __init__(self, suite):
        self.error = dumps(2) + dumps(suite)


# Section 3.3.2: byte strings that are the encoding of -24..23 travel as that integer.


def is_one_byte_int(raw):
    return len(raw) == 1 and (raw[0] <= 0x17 or 0x20 <= raw[0] <= 0x37)


def wire_id(raw):
    return raw if is_one_byte_int(raw) else dumps(raw)


def raw_id(item):
    if isinstance(item, bytes):
        if is_one_byte_int(item):
            raise Refused("identifier in a byte string")
        return item
    if isinstance(item, int) and -24 <= item <= 23:
        return dumps(item)
    raise Refused("no identifier")


def sequence(raw):
    """The items of a CBOR sequence, each deterministic."""
    stream, items = BytesIO(raw), []
    while stream.tell() < len(raw):
        start = stream.tell()
        item = cbor2.CBORDecoder(stream).decode()
        if dumps(item) != raw[start : stream.tell()]:
            raise Refused("not deterministic")
        items.append(item)
    return items


def one_bytes(raw):
    items = sequence(raw)
    if len(items) != 1 or not isinstance(items[0], bytes):
        raise Refused("not one byte string")
    return items[0]


# Section 3.5.3.2: a lone kid stands for its map.


def compact_id_cred(id_cred):
    return wire_id(id_cred[4]) if list(id_cred) == [4] else dumps(id_cred)


def whole_id_cred(item):
    if isinstance(item, dict):
        if list(item) == [4]:
            raise Refused("kid in a map")
        return item
    return {4: raw_id(item)}


def check_eads(items):
    position = 0
    while position < len(items):
        if type(items[position]) is not int:
            raise Refused("no label")
        position += 1
        if position < len(items) and isinstance(items[position], bytes):
            position += 1


class P256:
    """What is of its own in cipher suite 2. One key can sign and agree."""

    number, curve = 2, ec.SECP256R1()

    @classmethod
    def private(cls, scalar):
        return ec.derive_private_key(int.from_bytes(scalar, "big"), cls.curve)

    signing = private

    @classmethod
    def fresh(cls):
        return ec.generate_private_key(cls.curve)

    @staticmethod
    def public(key):
        return key.public_key().public_numbers().x.to_bytes(32, "big")

    @classmethod
    def agree(cls, key, x):
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(cls.curve, b"\x02" + x)
        except ValueError:
            raise Refused("not on the curve") from None
        return key.exchange(ec.ECDH(), peer)

    @staticmethod
    def sign(key, message):
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @classmethod
    def verify(cls, cred, message, signature):
        x, y = (int.from_bytes(cose_key(cred)[label], "big") for label in (-2, -3))
        key = ec.EllipticCurvePublicNumbers(x, y, cls.curve).public_key()
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


class Curve25519:
    """What is of its own in cipher suite 0, where keys that sign cannot agree. Credentials are certificates."""

    number = 0
    private, signing = X25519PrivateKey.from_private_bytes, Ed25519PrivateKey.from_private_bytes
    fresh = X25519PrivateKey.generate

    @staticmethod
    def public(key):
        return key.public_key().public_bytes_raw()

    @staticmethod
    def agree(key, x):
        return key.exchange(X25519PublicKey.from_public_bytes(x))

    @staticmethod
    def sign(key, message):
        return key.sign(message)

    @staticmethod
    def verify(cred, message, signature):
        load_der_x509_certificate(cbor2.loads(cred)).public_key().verify(signature, message)


def cose_key(cred):
    return cbor2.loads(cred)[8][1]


# Section 4


def extract(salt, ikm):
    mac = hmac.HMAC(salt, hashes.SHA256())
    mac.update(ikm)
    return mac.finalize()


def kdf(prk, label, context, length):
    info = dumps(label) + dumps(context) + dumps(length)
    return HKDFExpand(hashes.SHA256(), length, info).derive(prk)


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def keystream_2(prk_2e, th_2, length):
    """Appendix G beyond 255 blocks."""
    longest, stream, label = 255 * HASH_LENGTH, b"", 0
    while len(stream) < length:
        part = min(longest, length - len(stream))
        stream, label = stream + kdf(prk_2e, label, th_2, part), label - 1
    return stream


class Party:
    """What both roles have and do."""

    def __init__(
        self, method, c, key, cred, id_cred, peer_cred, eads=b"", peer_id_cred=None, ephemeral=None, suite=P256
    ):
        self.method, self.suite, self.own_c, self.cred, self.eads = method, suite, c, cred, eads
        # Section 3.2: who signs. Whoever does not has a static Diffie-Hellman key.
        self.initiator_signs, self.responder_signs = method in (0, 1), method in (0, 2)
        self.key = suite.signing(key)
        self.id_cred, self.peer_cred = cbor2.loads(id_cred), peer_cred
        self.peer_id_cred = peer_id_cred and cbor2.loads(peer_id_cred)
        self.ephemeral = suite.private(ephemeral) if ephemeral else suite.fresh()
        self.peer_eads = b""

    def take_eads(self, items):
        check_eads(items)
        self.peer_eads += b"".join(map(dumps, items))

    def take_id_cred(self, item):
        id_cred = whole_id_cred(item)
        if self.peer_id_cred and id_cred != self.peer_id_cred:
            raise Refused("somebody else")
        return id_cred

    def after_message_1(self, message_1, g_y, peer_x):
        self.th_2 = sha256(dumps(g_y) + dumps(sha256(message_1).digest())).digest()
        self.prk_2e = extract(self.th_2, self.suite.agree(self.ephemeral, peer_x))

    def with_responder_key(self, key, x):
        """Without a signature: a private key, and how to find the public one that it agrees with."""
        if self.responder_signs:
            self.prk_3e2m = self.prk_2e
        else:
            salt = kdf(self.prk_2e, 1, self.th_2, HASH_LENGTH)
            self.prk_3e2m = extract(salt, self.suite.agree(key, x()))

    def with_initiator_key(self, key, x):
        if self.initiator_signs:
            self.prk_4e3m = self.prk_3e2m
        else:
            salt = kdf(self.prk_3e2m, 5, self.th_3, HASH_LENGTH)
            self.prk_4e3m = extract(salt, self.suite.agree(key, x()))

    def static_key_of_peer(self):
        return cose_key(self.peer_cred)[-2]

    def mac_2(self, c_r, id_cred, cred, eads):
        context = wire_id(c_r) + dumps(id_cred) + dumps(self.th_2) + cred + eads
        return kdf(self.prk_3e2m, 2, context, HASH_LENGTH if self.responder_signs else MAC_LENGTH)

    def mac_3(self, id_cred, cred, eads):
        context = dumps(id_cred) + dumps(self.th_3) + cred + eads
        return kdf(self.prk_4e3m, 6, context, HASH_LENGTH if self.initiator_signs else MAC_LENGTH)

    def proof(self, signs, th, mac, eads):
        """Signature_or_MAC of our own."""
        return self.suite.sign(self.key, to_be_signed(self.id_cred, th, self.cred, eads, mac)) if signs else mac

    def take_proof(self, signs, proof, id_cred, th, mac, eads):
        """Signature_or_MAC of the peer's."""
        if signs:
            try:
                self.suite.verify(self.peer_cred, to_be_signed(id_cred, th, self.peer_cred, eads, mac), proof)
            except InvalidSignature:
                raise Refused("signature") from None
        elif proof != mac:
            raise Refused("MAC")

    def aead(self, prk, labels, th):
        key, iv = kdf(prk, labels[0], th, KEY_LENGTH), kdf(prk, labels[1], th, IV_LENGTH)
        aad = dumps(["Encrypt0", b"", th])
        cipher = AESCCM(key, tag_length=8)

        def unseal(text):
            try:
                return cipher.decrypt(iv, text, aad)
            except InvalidTag:
                raise Refused("tag") from None

        return lambda text: cipher.encrypt(iv, text, aad), unseal

    def finish(self, th_4):
        self.th_4 = th_4
        self.prk_out = kdf(self.prk_4e3m, 7, th_4, HASH_LENGTH)
        self.prk_exporter = kdf(self.prk_out, 10, b"", HASH_LENGTH)

    def export(self, label, context, length):
        return kdf(self.prk_exporter, label, context, length)


def to_be_signed(id_cred, th, cred, eads, mac):
    """Sections 5.3.2 and 5.4.2: the Sig_structure of RFC 9052 section 4.4."""
    return dumps(["Signature1", dumps(id_cred), dumps(th) + cred + eads, mac])


class Initiator(Party):
    def message_1(self, suites=None):
        suites = dumps(self.suite.number if suites is None else suites)
        g_x = dumps(self.suite.public(self.ephemeral))
        self.first = dumps(self.method) + suites + g_x + wire_id(self.own_c) + self.eads
        return self.first

    def message_3(self, message_2):
        content = one_bytes(message_2)
        if len(content) < 32:
            raise Refused("short")
        g_y, ciphertext = content[:32], content[32:]
        self.after_message_1(self.first, g_y, g_y)
        plaintext_2 = xor(ciphertext, keystream_2(self.prk_2e, self.th_2, len(ciphertext)))
        c_r, id_cred, proof, *eads = sequence(plaintext_2)
        self.peer_c, id_cred = raw_id(c_r), self.take_id_cred(id_cred)
        if self.peer_c == self.own_c:
            raise Refused("C_R is C_I")
        self.take_eads(eads)
        eads = b"".join(map(dumps, eads))
        self.with_responder_key(self.ephemeral, self.static_key_of_peer)
        mac_2 = self.mac_2(self.peer_c, id_cred, self.peer_cred, eads)
        self.take_proof(self.responder_signs, proof, id_cred, self.th_2, mac_2, eads)
        self.th_3 = sha256(dumps(self.th_2) + plaintext_2 + self.peer_cred).digest()

        self.with_initiator_key(self.key, lambda: g_y)
        proof = self.proof(self.initiator_signs, self.th_3, self.mac_3(self.id_cred, self.cred, self.eads), self.eads)
        plaintext_3 = compact_id_cred(self.id_cred) + dumps(proof) + self.eads
        seal, _ = self.aead(self.prk_3e2m, (3, 4), self.th_3)
        self.finish(sha256(dumps(self.th_3) + plaintext_3 + self.cred).digest())
        return dumps(seal(plaintext_3))

    def take_message_4(self, message_4):
        _, unseal = self.aead(self.prk_4e3m, (8, 9), self.th_4)
        self.take_eads(sequence(unseal(one_bytes(message_4))))


class Responder(Party):
    def message_2(self, message_1):
        method, suites, g_x, c_i, *eads = sequence(message_1)
        suites = [suites] if isinstance(suites, int) else suites
        # The last one is selected, and we must not like one before it better: we know only ours.
        if suites[-1] != self.suite.number or self.suite.number in suites[:-1]:
            raise WrongSuite(self.suite.number)
        if method != self.method or len(g_x) != 32:
            raise Refused("message_1")
        self.peer_c = raw_id(c_i)
        self.take_eads(eads)
        g_y = self.suite.public(self.ephemeral)
        self.after_message_1(message_1, g_y, g_x)
        self.with_responder_key(self.key, lambda: g_x)
        mac_2 = self.mac_2(self.own_c, self.id_cred, self.cred, self.eads)
        proof = self.proof(self.responder_signs, self.th_2, mac_2, self.eads)
        plaintext_2 = wire_id(self.own_c) + compact_id_cred(self.id_cred) + dumps(proof) + self.eads
        self.th_3 = sha256(dumps(self.th_2) + plaintext_2 + self.cred).digest()
        return dumps(g_y + xor(plaintext_2, keystream_2(self.prk_2e, self.th_2, len(plaintext_2))))

    def message_4(self, message_3):
        _, unseal = self.aead(self.prk_3e2m, (3, 4), self.th_3)
        plaintext_3 = unseal(one_bytes(message_3))
        id_cred, proof, *eads = sequence(plaintext_3)
        id_cred = self.take_id_cred(id_cred)
        self.take_eads(eads)
        eads = b"".join(map(dumps, eads))
        self.with_initiator_key(self.ephemeral, self.static_key_of_peer)
        mac_3 = self.mac_3(id_cred, self.peer_cred, eads)
        self.take_proof(self.initiator_signs, proof, id_cred, self.th_3, mac_3, eads)
        self.finish(sha256(dumps(self.th_3) + plaintext_3 + self.peer_cred).digest())
        seal, _ = self.aead(self.prk_4e3m, (8, 9), self.th_4)
        return dumps(seal(self.eads))


def receive():
    word, text = sys.stdin.readline().split()
    assert word == "message", word
    return bytes.fromhex(text)


def send(word, raw):
    print(word, raw.hex(), flush=True)


def play(role, arguments):
    given = {name: bytes.fromhex(value) for name, value in (argument.split("=") for argument in arguments)}
    given["method"] = given["method"][0]
    party = {"initiator": Initiator, "responder": Responder}[role](**given)
    if role == "initiator":
        send("message", party.message_1())
        send("message", party.message_3(receive()))
        party.take_message_4(receive())
    else:
        send("message", party.message_2(receive()))
        send("message", party.message_4(receive()))
    send("eads", party.peer_eads)
    send("secret", party.export(0, b"", 16))
    send("salt", party.export(1, b"", 8))
    send("exported", party.export(23, bytes([1, 2]), 40))


if __name__ == "__main__":
    play(sys.argv[1], sys.argv[2:])
