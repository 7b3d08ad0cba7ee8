"""Asks /token over CoAP and OSCORE with aiocoap, and reads the answer with cbor2.

usage: token_over_oscore.py SERVER AUDIENCE SCOPE < context.json    with hex members secret, salt, sender_id, recipient_id

Prints one line of JSON: the code, and the answer's members (byte strings in hex) by their CBOR labels.
"""

import asyncio
import json
import sys

import aiocoap
import cbor2
from memory_context import MemoryContext
from plain import plain

ACE_CBOR = 19
AUDIENCE, SCOPE, GRANT_TYPE, ACE_PROFILE = 5, 9, 33, 38
CLIENT_CREDENTIALS = 2


async def main(server, audience, scope, context):
    coap = await aiocoap.Context.create_client_context()
    coap.client_credentials[f"{server}/*"] = MemoryContext(
        master_secret=bytes.fromhex(context["secret"]),
        master_salt=bytes.fromhex(context.get("salt", "")),
        sender_id=bytes.fromhex(context["sender_id"]),
        recipient_id=bytes.fromhex(context["recipient_id"]),
    )
    request = aiocoap.Message(
        code=aiocoap.POST,
        uri=f"{server}/token",
        content_format=ACE_CBOR,
        payload=cbor2.dumps({GRANT_TYPE: CLIENT_CREDENTIALS, AUDIENCE: audience, SCOPE: scope, ACE_PROFILE: None}),
    )
    response = await coap.request(request).response
    await coap.shutdown()
    answer = cbor2.loads(response.payload) if response.payload else {}
    print(json.dumps({"code": str(response.code), "format": response.opt.content_format, "answer": plain(answer)}))


asyncio.run(main(*sys.argv[1:4], json.load(sys.stdin)))
