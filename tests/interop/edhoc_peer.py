"""A peer for EDHOC, written from RFC 9528 alone: methods 1 and 3, cipher suite 2, both roles.

    edhoc_peer.py check                      makes and reads the trace of RFC 9529 section 3
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
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

dumps = cbor2.dumps
CURVE = ec.SECP256R1()
SUITE, MAC_LENGTH, HASH_LENGTH, KEY_LENGTH, IV_LENGTH = 2, 8, 32, 16, 13


class Refused(Exception):
    pass


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


# Keys


def private(scalar):
    return ec.derive_private_key(int.from_bytes(scalar, "big"), CURVE)


def x_of(key):
    return key.public_key().public_numbers().x.to_bytes(32, "big")


def agree(key, x):
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, b"\x02" + x)
    except ValueError:
        raise Refused("not on the curve") from None
    return key.exchange(ec.ECDH(), peer)


def cose_key(cred):
    return cbor2.loads(cred)[8][1]


def sign(key, message):
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(cred, message, signature):
    key = cose_key(cred)
    numbers = ec.EllipticCurvePublicNumbers(*(int.from_bytes(key[label], "big") for label in (-2, -3)), CURVE)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        numbers.public_key().verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused("signature") from None


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

    def __init__(self, method, c, key, cred, id_cred, peer_cred, eads=b"", peer_id_cred=None, ephemeral=None):
        self.method, self.own_c, self.key, self.cred, self.eads = method, c, private(key), cred, eads
        self.id_cred, self.peer_cred = cbor2.loads(id_cred), peer_cred
        self.peer_id_cred = peer_id_cred and cbor2.loads(peer_id_cred)
        self.ephemeral = private(ephemeral) if ephemeral else ec.generate_private_key(CURVE)
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
        self.prk_2e = extract(self.th_2, agree(self.ephemeral, peer_x))

    def with_responder_key(self, key, x):
        self.prk_3e2m = extract(kdf(self.prk_2e, 1, self.th_2, HASH_LENGTH), agree(key, x))

    def with_initiator_key(self, key, x):
        """Method 3."""
        self.prk_4e3m = extract(kdf(self.prk_3e2m, 5, self.th_3, HASH_LENGTH), agree(key, x))

    def mac_2(self, c_r, id_cred, cred, eads):
        context = wire_id(c_r) + dumps(id_cred) + dumps(self.th_2) + cred + eads
        return kdf(self.prk_3e2m, 2, context, MAC_LENGTH)

    def mac_3(self, id_cred, cred, eads):
        context = dumps(id_cred) + dumps(self.th_3) + cred + eads
        return kdf(self.prk_4e3m, 6, context, HASH_LENGTH if self.method == 1 else MAC_LENGTH)

    def to_be_signed(self, id_cred, cred, eads, mac_3):
        return dumps(["Signature1", dumps(id_cred), dumps(self.th_3) + cred + eads, mac_3])

    def aead(self, prk, labels, th):
        key, iv = kdf(prk, labels[0], th, KEY_LENGTH), kdf(prk, labels[1], th, IV_LENGTH)
        aad = dumps(["Encrypt0", b"", th])
        cipher = AESCCM(key, tag_length=8)
        return lambda text: cipher.encrypt(iv, text, aad), lambda text: cipher.decrypt(iv, text, aad)

    def finish(self, th_4):
        self.th_4 = th_4
        prk_out = kdf(self.prk_4e3m, 7, th_4, HASH_LENGTH)
        self.prk_exporter = kdf(prk_out, 10, b"", HASH_LENGTH)

    def export(self, label, context, length):
        return kdf(self.prk_exporter, label, context, length)


class Initiator(Party):
    def message_1(self, suites=SUITE):
        parts = [dumps(self.method), dumps(suites), dumps(x_of(self.ephemeral)), wire_id(self.own_c), self.eads]
        self.first = b"".join(parts)
        return self.first

    def message_3(self, message_2):
        content = one_bytes(message_2)
        if len(content) < 32:
            raise Refused("short")
        g_y, ciphertext = content[:32], content[32:]
        self.after_message_1(self.first, g_y, g_y)
        plaintext_2 = xor(ciphertext, keystream_2(self.prk_2e, self.th_2, len(ciphertext)))
        c_r, id_cred, mac, *eads = sequence(plaintext_2)
        self.peer_c, id_cred = raw_id(c_r), self.take_id_cred(id_cred)
        if self.peer_c == self.own_c:
            raise Refused("C_R is C_I")
        self.take_eads(eads)
        self.with_responder_key(self.ephemeral, cose_key(self.peer_cred)[-2])
        if mac != self.mac_2(self.peer_c, id_cred, self.peer_cred, b"".join(map(dumps, eads))):
            raise Refused("MAC_2")
        self.th_3 = sha256(dumps(self.th_2) + plaintext_2 + self.peer_cred).digest()

        if self.method == 3:
            self.with_initiator_key(self.key, g_y)
        else:
            self.prk_4e3m = self.prk_3e2m
        proof = self.mac_3(self.id_cred, self.cred, self.eads)
        if self.method == 1:
            proof = sign(self.key, self.to_be_signed(self.id_cred, self.cred, self.eads, proof))
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
        if suites.index(SUITE) != len(suites) - 1:
            raise Refused("suite")
        if method != self.method or len(g_x) != 32:
            raise Refused("message_1")
        self.peer_c = raw_id(c_i)
        self.take_eads(eads)
        g_y = x_of(self.ephemeral)
        self.after_message_1(message_1, g_y, g_x)
        self.with_responder_key(self.key, g_x)
        mac_2 = self.mac_2(self.own_c, self.id_cred, self.cred, self.eads)
        plaintext_2 = wire_id(self.own_c) + compact_id_cred(self.id_cred) + dumps(mac_2) + self.eads
        self.th_3 = sha256(dumps(self.th_2) + plaintext_2 + self.cred).digest()
        return dumps(g_y + xor(plaintext_2, keystream_2(self.prk_2e, self.th_2, len(plaintext_2))))

    def message_4(self, message_3):
        _, unseal = self.aead(self.prk_3e2m, (3, 4), self.th_3)
        plaintext_3 = unseal(one_bytes(message_3))
        id_cred, proof, *eads = sequence(plaintext_3)
        id_cred = self.take_id_cred(id_cred)
        self.take_eads(eads)
        eads = b"".join(map(dumps, eads))
        if self.method == 3:
            self.with_initiator_key(self.ephemeral, cose_key(self.peer_cred)[-2])
        else:
            self.prk_4e3m = self.prk_3e2m
        mac_3 = self.mac_3(id_cred, self.peer_cred, eads)
        if self.method == 1:
            verify(self.peer_cred, self.to_be_signed(id_cred, self.peer_cred, eads, mac_3), proof)
        elif proof != mac_3:
            raise Refused("MAC_3")
        self.finish(sha256(dumps(self.th_3) + plaintext_3 + self.peer_cred).digest())
        seal, _ = self.aead(self.prk_4e3m, (8, 9), self.th_4)
        return dumps(seal(self.eads))


# RFC 9529 section 3

CRED_I = """a2027734322d35302d33312d46462d45462d33372d33322d333908a101a501020241
    2b2001215820ac75e9ece3e50bfc8ed60399889522405c47bf16df96660a41298cb4307f7eb62258206e5de611388a4b8a8211334ac7d37e
    cb52a387d257e6db3c2a93df21ff3affc8"""
CRED_R = """a2026b6578616d706c652e65647508a101a501020241322001215820bbc34960526ea4d32e940cad2a234148ddc21791a12afbcbac93
    622046dd44f02258204519e257236b2a0ce2023f0931f1f386ca7afda64fcde0108c224c51eabf6072"""
TRACE = [
    "0382060258208af6f430ebe18d34184017a9a11bf511c8dff8f834730b96c1b7c8dbca2fc3b637",
    "582b419701d7f00a26c2dc587a36dd752549f33763c893422c8ea0f955a13a4ff5d59862a1eef9e0e7e1886fcd",
    "52e562097bc417dd5919485ac7891ffd90a9fc",
    "4828c966b7ca304f83",
]
X = "368ec1f69aeb659ba37d5a8d45b21bdc0299dceaa8ef235f3ca42ce3530f9525"
Y = "e2f4126777205e853b437d6eaca1e1f753cdcc3e2c69fa884b0a1a640977e418"
SK_I = "fb13adeb6518cee5f88417660841142e830a81fe334380a953406a1305e8706b"
SK_R = "72cc4761dbd4c78f758931aa589d348d1ef874a7e303ede2f140dcf3e6aa4aac"


def parties(method, **more):
    cred_i, cred_r, id_i, id_r = map(bytes.fromhex, (CRED_I, CRED_R, "a104412b", "a1044132"))
    x, y, sk_i, sk_r = map(bytes.fromhex, (X, Y, SK_I, SK_R))
    initiator = Initiator(method, b"\x37", sk_i, cred_i, id_i, cred_r, peer_id_cred=id_r, ephemeral=x, **more)
    responder = Responder(method, b"\x27", sk_r, cred_r, id_r, cred_i, peer_id_cred=id_i, ephemeral=y, **more)
    return initiator, responder


def check():
    initiator, responder = parties(3)
    made = [initiator.message_1([6, 2])]
    made.append(responder.message_2(made[0]))
    made.append(initiator.message_3(made[1]))
    made.append(responder.message_4(made[2]))
    assert [message.hex() for message in made] == TRACE, made
    initiator.take_message_4(made[3])
    for party in initiator, responder:
        assert party.export(0, b"", 16).hex() == "f9868f6a3aca78a05d1485b35030b162"
        assert party.export(1, b"", 8).hex() == "ada24c7dbfc85eeb"
    # No trace has method 1 with this suite: the two must at least agree, and a wrong signature must not.
    for tampered in False, True:
        initiator, responder = parties(1, eads=dumps(1) + dumps(b"ead"))
        message_3 = initiator.message_3(responder.message_2(initiator.message_1()))
        if tampered:
            responder.peer_cred = responder.peer_cred.replace(b"42-50", b"42-51")
        try:
            initiator.take_message_4(responder.message_4(message_3))
            assert not tampered and initiator.export(0, b"", 16) == responder.export(0, b"", 16)
        except Refused:
            assert tampered
    print("edhoc_peer: as RFC 9529 section 3 has it")


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
    if sys.argv[1:] == ["check"]:
        check()
    else:
        play(sys.argv[1], sys.argv[2:])
