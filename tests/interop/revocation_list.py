"""Reads the revocation list of our server with aiocoap and cbor2 (RFC 9770): in full, by diff and cursor, observed, and wrongly.

usage: revocation_list.py SERVER < context.json     with hex members secret, sender_id, recipient_id, one line

Prints lines of JSON: what the list has; "observing", when somebody may revoke another token; what was told then.
"""

import asyncio
import hashlib
import json
import sys

import aiocoap
import cbor2
from memory_context import MemoryContext

TRL_CBOR, PROBLEM_DETAILS = 262, 257
FULL_SET, DIFF_SET, CURSOR, MORE = 0, 1, 2, 3
ACE_TRL_ERROR, ERROR_ID, ERROR_CURSOR, DETAIL = 1, 0, 1, -2


def say(value):
    print(json.dumps(value), flush=True)


async def main(server, context):
    coap = await aiocoap.Context.create_client_context()
    coap.client_credentials[f"{server}/*"] = MemoryContext(
        master_secret=bytes.fromhex(context["secret"]),
        master_salt=b"",
        sender_id=bytes.fromhex(context["sender_id"]),
        recipient_id=bytes.fromhex(context["recipient_id"]),
    )

    async def get(query="", **options):
        message = aiocoap.Message(code=aiocoap.GET, uri=f"{server}/trl{query}", **options)
        return await coap.request(message).response

    def listed(response):
        assert response.code == aiocoap.CONTENT, response.code
        assert response.opt.content_format == TRL_CBOR
        return cbor2.loads(response.payload)

    whole = await get()
    answer = listed(whole)
    hashes = answer[FULL_SET]
    assert all(len(entry) == 33 and entry[0] == 1 for entry in hashes)
    assert len(set(hashes)) == len(hashes)
    digest = hashlib.sha256(b"".join(sorted(hashes))).hexdigest()
    say({"hashes": len(hashes), "digest": digest, "cursor": answer[CURSOR], "bytes": len(whole.payload)})

    # Everything that is still remembered, batch after batch, adds nothing that the whole list does not have.
    batches, query, added = 0, "?diff=0", set()
    while True:
        answer = listed(await get(query))
        batches += 1
        for removed, more in answer[DIFF_SET]:
            assert not removed
            added.update(more)
        query = f"?diff=0&cursor={answer[CURSOR]}"
        if not answer[MORE]:
            break
    assert added <= set(hashes) and added
    say({"batches": batches, "added": len(added), "cursor": answer[CURSOR]})

    lost = listed(await get("?diff=0&cursor=0"))
    assert (lost[DIFF_SET], lost[CURSOR], lost[MORE]) == ([], None, True), lost

    for query, error, cursor in [
        ("?diff=x", 0, "absent"),
        ("?cursor=1", 1, "absent"),
        ("?diff=1&cursor=-1", 0, answer[CURSOR]),
        ("?diff=1&cursor=4294967296", 0, answer[CURSOR]),
        (f"?diff=1&cursor={answer[CURSOR] + 1}", 2, "absent"),
    ]:
        refused = await get(query)
        assert refused.code == aiocoap.BAD_REQUEST, query
        assert refused.opt.content_format == PROBLEM_DETAILS, query
        problem = cbor2.loads(refused.payload)
        trouble = problem[ACE_TRL_ERROR]
        assert trouble[ERROR_ID] == error and trouble.get(ERROR_CURSOR, "absent") == cursor, (query, problem)
        assert problem[DETAIL], query

    # The newest update alone, and the whole list: both are observed, the second in some hundred blocks each time.
    watching = [
        coap.request(aiocoap.Message(code=aiocoap.GET, uri=f"{server}/trl{query}", observe=0)) for query in ["?diff=1", ""]
    ]
    told = [aiter(request.observation) for request in watching]
    for request in watching:
        first = await request.response
        assert first.opt.observe is not None
        listed(first)
    say("observing")
    latest = listed(await asyncio.wait_for(anext(told[0]), 30))
    complete = listed(await asyncio.wait_for(anext(told[1]), 60))
    assert len(complete[FULL_SET]) == len(hashes) + 1
    (added_now,) = set(complete[FULL_SET]) - set(hashes)
    assert latest[DIFF_SET] == [[[], [added_now]]], latest
    say({"told": added_now.hex(), "cursor": latest[CURSOR], "of": complete[CURSOR]})
    for request in watching:
        request.observation.cancel()
    await coap.shutdown()


asyncio.run(main(sys.argv[1], json.loads(sys.stdin.readline())))
