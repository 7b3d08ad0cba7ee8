"""Asks /introspect over CoAP and OSCORE with aiocoap, as a lock does, and reads the answers with cbor2 (RFC 9200 section 5.9).

usage: introspect_over_oscore.py SERVER < context.json    with hex members secret, sender_id, recipient_id, own, foreign

Prints one line of JSON: the answers about a token of its own, one for another lock, noise, a question that is none; and in the clear.
"""

import asyncio
import json
import sys

import aiocoap
import cbor2
from memory_context import MemoryContext
from plain import plain

ACE_CBOR = 19
TOKEN, ACTIVE = 11, 10


async def main(server, given):
    question = lambda token: cbor2.dumps({TOKEN: token})

    async def ask(coap, payload):
        message = aiocoap.Message(
            code=aiocoap.POST, uri=f"{server}/introspect", content_format=ACE_CBOR, payload=payload
        )
        response = await asyncio.wait_for(coap.request(message).response, 20)
        assert response.opt.content_format == ACE_CBOR, response.opt
        answer = cbor2.loads(response.payload) if response.payload else {}
        return {"code": str(response.code), "answer": plain(answer)}

    coap = await aiocoap.Context.create_client_context()
    coap.client_credentials[f"{server}/*"] = MemoryContext(
        master_secret=bytes.fromhex(given["secret"]),
        master_salt=b"",
        sender_id=bytes.fromhex(given["sender_id"]),
        recipient_id=bytes.fromhex(given["recipient_id"]),
    )
    said = {
        "own": await ask(coap, question(bytes.fromhex(given["own"]))),
        "foreign": await ask(coap, question(bytes.fromhex(given["foreign"]))),
        "noise": await ask(coap, question(bytes(32))),
        "no question": await ask(coap, cbor2.dumps({33: 2})),
    }
    await coap.shutdown()
    stranger = await aiocoap.Context.create_client_context()
    said["in the clear"] = await ask(stranger, question(bytes.fromhex(given["own"])))
    await stranger.shutdown()
    print(json.dumps(said))


asyncio.run(main(sys.argv[1], json.load(sys.stdin)))
