"""Updates its rights inside a session that EDHOC began, with nothing of ours: aiocoap speaks CoAP and OSCORE, edhoc_peer.py speaks EDHOC.

usage: update_rights.py LOCK < given.json    where LOCK is coap://HOST:PORT and given.json has token (to begin with), wide (the next of its
                                             series), other (of another series), key and lock as open_door_edhoc.py wants them, in hex

Prints one line of JSON: for each update the code of its answer, and that of the request to open afterwards.
"""

import asyncio
import json
import sys

import aiocoap
import cbor2
from memory_context import MemoryContext
from open_door_edhoc import CWT, TOKEN_ITEM, handshake, post

ACE_CBOR = 19
ACCESS_TOKEN = 1


async def main(lock, given):
    """EDHOC-4.6.1-01, EDHOC-4.6.2-01"""
    coap = await aiocoap.Context.create_client_context()
    given = {name: bytes.fromhex(text) for name, text in given.items()}
    item = cbor2.dumps(TOKEN_ITEM) + cbor2.dumps(given["token"])
    party, answer = await handshake(coap, lock, given, 1, b"\x33", item)
    assert answer.code == aiocoap.CHANGED, answer
    context = MemoryContext(
        master_secret=party.export(0, b"", 16),
        master_salt=party.export(1, b"", 8),
        sender_id=party.peer_c,
        recipient_id=b"\x33",
    )
    coap.client_credentials[f"{lock}/door"] = context
    coap.client_credentials[f"{lock}/authz-info"] = context
    wide = given["wide"]
    answers = {}
    for name, payload, content_format in (
        ("another series", given["other"], CWT),
        ("forged", wide[:-1] + bytes([wide[-1] ^ 1]), CWT),
        ("no token", b"no token", CWT),
        ("in a map", cbor2.dumps({ACCESS_TOKEN: wide}), ACE_CBOR),
        ("the next of its series", wide, CWT),
    ):
        answer = await post(coap, lock, payload, "authz-info", content_format)
        opened = await coap.request(aiocoap.Message(code=aiocoap.POST, uri=f"{lock}/door")).response
        answers[name] = [str(answer.code), str(opened.code)]
        answers["payload"] = answer.payload.hex()
    await coap.shutdown()
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.load(sys.stdin)))
