"""Opens a door by EDHOC with nothing of ours: aiocoap speaks CoAP and OSCORE, edhoc_peer.py speaks EDHOC, and lakers-python knocks.

usage: open_door_edhoc.py LOCK < given.json    where LOCK is coap://HOST:PORT and given.json has token, key (the phone's private
                                               key) and lock (the lock's credential) in hex

Prints one line of JSON: the codes of the answers.
"""

import asyncio
import json
import sys

import aiocoap
import cbor2
import lakers
from edhoc_peer import Initiator, wire_id
from memory_context import MemoryContext

EDHOC, CID_EDHOC, CWT = 64, 65, 61
TOKEN_ITEM = -24
CNF, KCCS = 8, 11


async def post(coap, lock, payload, path=".well-known/edhoc", content_format=CID_EDHOC):
    """The answer; once the lock has time, of which strangers get half."""
    while True:
        message = aiocoap.Message(
            code=aiocoap.POST, uri=f"{lock}/{path}", content_format=content_format, payload=payload
        )
        answer = await coap.request(message).response
        if answer.code != aiocoap.TOO_MANY_REQUESTS:
            return answer
        await asyncio.sleep(0.5)


async def handshake(coap, lock, given, method, c_i, eads):
    """The party after message_3, and the answer to that."""
    claims = cbor2.loads(cbor2.loads(given["token"]).value.value[2])
    cred = cbor2.dumps(claims[CNF][KCCS])
    kid = claims[CNF][KCCS][8][1][2]
    party = Initiator(method, c_i, given["key"], cred, cbor2.dumps({4: kid}), given["lock"])
    answer = await post(coap, lock, b"\xf5" + party.message_1())
    assert (answer.code, answer.opt.content_format) == (aiocoap.CHANGED, EDHOC), answer
    party.eads = eads
    message_3 = party.message_3(answer.payload)
    return party, await post(coap, lock, wire_id(party.peer_c) + message_3)


async def by_lakers(coap, lock, given):
    """Method 3 without a token: message_2 is good, message_3 gets an error."""
    party = lakers.EdhocInitiator()
    answer = await post(coap, lock, b"\xf5" + bytes(party.prepare_message_1([0x05])))
    c_r, id_cred, _ = party.parse_message_2(answer.payload)
    peer = lakers.credential_check_or_fetch(id_cred, lakers.Credential(given["lock"]))
    claims = cbor2.loads(cbor2.loads(given["token"]).value.value[2])
    own = lakers.Credential(cbor2.dumps(claims[CNF][KCCS]))
    party.verify_message_2(given["key"], own, peer)
    message_3, _ = party.prepare_message_3(lakers.CredentialTransfer.ByReference, [])
    return await post(coap, lock, wire_id(bytes(c_r)) + bytes(message_3))


async def main(lock, given):
    """EDHOC-4.1-01, EDHOC-4.3.3-01"""
    coap = await aiocoap.Context.create_client_context()
    given = {name: bytes.fromhex(text) for name, text in given.items()}
    item = cbor2.dumps(TOKEN_ITEM) + cbor2.dumps(given["token"])
    answers = {}
    for method, c_i in ((1, b"\x31"), (3, b"\x41\x42")):
        party, answer = await handshake(coap, lock, given, method, c_i, item)
        answers[f"message_3 of method {method}"] = str(answer.code)
        coap.client_credentials[f"{lock}/door"] = MemoryContext(
            master_secret=party.export(0, b"", 16),
            master_salt=party.export(1, b"", 8),
            sender_id=party.peer_c,
            recipient_id=c_i,
        )
        response = await coap.request(aiocoap.Message(code=aiocoap.POST, uri=f"{lock}/door")).response
        answers[f"unlock by method {method}"] = str(response.code)
    for name, answer in (
        ("no token", (await handshake(coap, lock, given, 1, b"\x32", b""))[1]),
        ("no token, by lakers", await by_lakers(coap, lock, given)),
    ):
        answers[name] = [str(answer.code), answer.opt.content_format, answer.payload.hex()]
    answers["in the open"] = str((await post(coap, lock, given["token"], "authz-info", CWT)).code)
    await coap.shutdown()
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.load(sys.stdin)))
