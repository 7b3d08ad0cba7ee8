"""Opens a door with nothing of ours: aiocoap speaks CoAP and OSCORE, and this file derives the context as RFC 9203 says.

usage: open_door.py LOCK < granted.json    where LOCK is coap://HOST:PORT and granted.json has access_token and osc members in hex

Prints one line of JSON: the codes of the three answers.
"""

import asyncio
import json
import secrets
import sys

import aiocoap
import cbor2
from memory_context import MemoryContext

ACE_CBOR = 19
ACCESS_TOKEN, NONCE1, NONCE2, CLIENT_RECIPIENT_ID, SERVER_RECIPIENT_ID = 1, 40, 42, 43, 44


async def main(lock, granted):
    """R9203-4.3-02"""
    coap = await aiocoap.Context.create_client_context()
    nonce1, id1 = secrets.token_bytes(8), b"\x41"
    upload = aiocoap.Message(
        code=aiocoap.POST,
        uri=f"{lock}/authz-info",
        content_format=ACE_CBOR,
        payload=cbor2.dumps(
            {ACCESS_TOKEN: bytes.fromhex(granted["access_token"]), NONCE1: nonce1, CLIENT_RECIPIENT_ID: id1}
        ),
    )
    uploaded = await coap.request(upload).response
    answers = {"authz-info": str(uploaded.code)}
    if uploaded.code == aiocoap.CREATED:
        assert uploaded.opt.content_format == ACE_CBOR
        answer = cbor2.loads(uploaded.payload)
        # RFC 9203 section 4.3: the salt of the token and both nonces, each as a CBOR byte string.
        salt = bytes.fromhex(granted.get("salt", ""))
        master_salt = b"".join(cbor2.dumps(part) for part in (salt, nonce1, answer[NONCE2]))
        coap.client_credentials[f"{lock}/*"] = MemoryContext(
            master_secret=bytes.fromhex(granted["ms"]),
            master_salt=master_salt,
            sender_id=answer[SERVER_RECIPIENT_ID],
            recipient_id=id1,
        )
        for name, code in (("unlock", aiocoap.POST), ("state", aiocoap.GET)):
            response = await coap.request(aiocoap.Message(code=code, uri=f"{lock}/door")).response
            answers[name] = str(response.code)
            answers[f"{name}-payload"] = response.payload.decode()
    await coap.shutdown()
    print(json.dumps(answers))


asyncio.run(main(sys.argv[1], json.load(sys.stdin)))
