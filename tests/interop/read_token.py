"""Reads our tokens with libraries that know nothing of us.

usage: read_token.py sign1 < {"token": hex, "x": hex, "y": hex, "kid": hex}      with `cwt`
       read_token.py encrypt0|mac0 < {"token": hex, "key": hex}                  with `pycose`

Prints the claims as one line of JSON, byte strings in hex.
"""

import json
import sys

import cbor2
from plain import plain


def sign1(given):
    """R8392-7.1-01"""
    import cwt

    key = cwt.COSEKey.new(
        {
            1: 2,  # kty: EC2
            2: bytes.fromhex(given["kid"]),
            3: -7,  # alg: ES256
            -1: 1,  # crv: P-256
            -2: bytes.fromhex(given["x"]),
            -3: bytes.fromhex(given["y"]),
        }
    )
    return cwt.decode(bytes.fromhex(given["token"]), key)


def encrypt0(given):
    """R8392-7.1-01, R9770-3-02"""
    from pycose.messages import Enc0Message

    return cbor2.loads(canonical(given, 16, Enc0Message).decrypt())


def mac0(given):
    """R8392-7.1-01, R9770-3-02; `refused` in the place of the claims where the tag is not of this key."""
    from pycose.messages import Mac0Message

    message = canonical(given, 17, Mac0Message)
    return cbor2.loads(message.payload) if message.verify_tag() else {"refused": True}


def canonical(given, tag, kind):
    """The token as a message of `kind` with its key; RFC 9770 section 3 says how its bytes must be."""
    from pycose.keys import SymmetricKey

    token = bytes.fromhex(given["token"])
    tagged = cbor2.loads(token)
    assert tagged.tag == 61 and tagged.value.tag == tag, f"61({tag}(...))"
    assert tagged.value.value[1] == {}, "an empty unprotected header"
    assert token[:3] == bytes([0xD8, 61, 0xC0 | tag]), "tags in their shortest form"
    message = kind.decode(token[2:])
    message.key = SymmetricKey(k=bytes.fromhex(given["key"]))
    return message


READERS = {"sign1": sign1, "encrypt0": encrypt0, "mac0": mac0}
print(json.dumps(plain(READERS[sys.argv[1]](json.load(sys.stdin)))))
