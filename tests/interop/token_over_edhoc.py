"""Asks /token under a context that EDHOC made, with nothing of ours: aiocoap speaks CoAP and OSCORE, edhoc_peer.py and lakers-python
speak EDHOC (draft-ietf-ace-edhoc-oscore-profile section 3.1).

usage: token_over_edhoc.py SERVER AUDIENCE SCOPE < given.json    with hex members key and cred (the client's private key and CCS), other
                                                                 (a private key that nobody registered) and server (its CCS)

Prints one line of JSON: for each way the code and the answer's members; then what became of handshakes that lead nowhere.
"""

import asyncio
import json
import sys

import aiocoap
import cbor2
import lakers
from edhoc_peer import Initiator, wire_id
from memory_context import MemoryContext
from plain import plain

EDHOC, CID_EDHOC, ACE_CBOR = 64, 65, 19
KID, HEADER_KCCS, CNF_KCCS = 4, 14, 11
REQ_CNF, AUDIENCE, SCOPE, GRANT_TYPE, ACE_PROFILE = 4, 5, 9, 33, 38
CLIENT_CREDENTIALS = 2


async def post(coap, server, payload):
    message = aiocoap.Message(
        code=aiocoap.POST, uri=f"{server}/.well-known/edhoc", content_format=CID_EDHOC, payload=payload
    )
    return await asyncio.wait_for(coap.request(message).response, 30)


async def by_our_reading(coap, server, given, method, by_value, key):
    """By edhoc_peer.py: the answer to message_3, and the context."""
    ccs, c_i = cbor2.loads(given["cred"]), b"\x41\x42"
    id_cred = {HEADER_KCCS: ccs} if by_value else {KID: ccs[8][1][2]}
    party = Initiator(method, c_i, key, given["cred"], cbor2.dumps(id_cred), given["server"])
    answer = await post(coap, server, b"\xf5" + party.message_1())
    assert (answer.code, answer.opt.content_format) == (aiocoap.CHANGED, EDHOC), answer
    message_3 = party.message_3(answer.payload)
    answer = await post(coap, server, wire_id(party.peer_c) + message_3)
    return answer, (party.export(0, b"", 16), party.export(1, b"", 8), party.peer_c, c_i)


async def by_lakers(coap, server, given, transfer):
    """Method 3."""
    party = lakers.EdhocInitiator()
    answer = await post(coap, server, b"\xf5" + bytes(party.prepare_message_1([0x05])))
    c_r, id_cred, _ = party.parse_message_2(answer.payload)
    peer = lakers.credential_check_or_fetch(id_cred, lakers.Credential(given["server"]))
    party.verify_message_2(given["key"], lakers.Credential(given["cred"]), peer)
    message_3, _ = party.prepare_message_3(transfer, [])
    answer = await post(coap, server, wire_id(bytes(c_r)) + bytes(message_3))
    party.completed_without_message_4()
    secret, salt = (bytes(party.edhoc_exporter(label, [], length)) for label, length in ((0, 16), (1, 8)))
    return answer, (secret, salt, bytes(c_r), b"\x05")


async def token(server, given, audience, scope, context):
    """A client of its own: the server keeps one session for each of its clients."""
    secret, salt, sender_id, recipient_id = context
    coap = await aiocoap.Context.create_client_context()
    coap.client_credentials[f"{server}/*"] = MemoryContext(secret, salt, sender_id, recipient_id)
    asked = {
        REQ_CNF: {CNF_KCCS: cbor2.loads(given["cred"])},
        AUDIENCE: audience,
        SCOPE: scope,
        GRANT_TYPE: CLIENT_CREDENTIALS,
        ACE_PROFILE: None,
    }
    request = aiocoap.Message(
        code=aiocoap.POST, uri=f"{server}/token", content_format=ACE_CBOR, payload=cbor2.dumps(asked)
    )
    response = await asyncio.wait_for(coap.request(request).response, 30)
    await coap.shutdown()
    return {"code": str(response.code), "answer": plain(cbor2.loads(response.payload)) if response.payload else {}}


async def main(server, audience, scope, given):
    """EDHOC-3.1-03"""
    coap = await aiocoap.Context.create_client_context()
    given = {name: bytes.fromhex(text) for name, text in given.items()}
    said = {}
    ways = [
        (f"method {method} {how}", by_our_reading(coap, server, given, method, by_value, given["key"]))
        for method in (1, 3)
        for how, by_value in (("named", False), ("by value", True))
    ]
    transfer = lakers.CredentialTransfer
    ways += [
        ("lakers named", by_lakers(coap, server, given, transfer.ByReference)),
        ("lakers by value", by_lakers(coap, server, given, transfer.ByValue)),
    ]
    for name, way in ways:
        answer, context = await way
        assert (answer.code, answer.payload) == (aiocoap.CHANGED, b""), (name, answer)
        said[name] = await token(server, given, audience, scope, context)
    for method in (1, 3):
        answer, _ = await by_our_reading(coap, server, given, method, False, given["other"])
        said[f"another key, method {method}"] = [str(answer.code), answer.opt.content_format, answer.payload.hex()]
    await coap.shutdown()
    print(json.dumps(said))


asyncio.run(main(*sys.argv[1:4], json.load(sys.stdin)))
