"""Prints what aiocoap makes of some messages, for protocol/oscore/tests/aiocoap.rs to make and read the same.

    python3 tests/interop/oscore_vectors.py > protocol/oscore/tests/aiocoap.txt

A line `context` gives Master Secret, Master Salt, the client's and the server's id and the ID Context; a line `request`
the client's sequence number, the plain and the protected datagram; a line `response`, to the last request, both
datagrams again. The first response to a request has no Partial IV, later ones count from 0. `-` is the empty string,
`none` no ID Context.
"""

from aiocoap import CON, ACK, Message
from aiocoap.message import Direction
from aiocoap.numbers import codes
from memory_context import MemoryContext

CONTEXTS = [
    # Master Secret, Master Salt, client, server, ID Context
    (bytes(range(16)), b"", b"", b"\x01", None),
    (bytes(range(32)), b"salt of any length " * 4, b"\x00", b"\x00\x00", None),
    (b"\xff" * 16, b"\x9e\x7c\xa9\x22", b"client7", b"server7", None),
    (bytes(range(16)), b"\x9e\x7c\xa9\x22", b"c", b"", b""),
    (bytes(range(16)), b"\x9e\x7c\xa9\x22", b"c", b"s", b"\x37\xcb\xf3\x21\x00\x17\xa2\xd3"),
    (bytes(range(16)), b"", b"client7", b"s", bytes(range(32))),
]
NUMBERS = [0, 1, 0xFF, 0x100, 0xFFFF, 0x10000, 0x1000000, 0xFFFFFFFF, 0x100000000, (1 << 40) - 2]  # aiocoap never uses the last
REQUESTS = [
    (codes.GET, dict(uri_path=("door",)), b""),
    (codes.POST, dict(uri_path=("door",), uri_host="lock.example"), b"now"),
    (codes.PUT, dict(uri_path=("a", "b"), uri_query=("c=d",), content_format=60, accept=50, block1=(1, True, 2)), b"\xa0" * 64),
    (codes.FETCH, dict(observe=0, uri_path=("door",), block2=(0, False, 6)), b"\x80"),
    (codes.GET, dict(observe=1, uri_path=("door",), echo=b"12345678", request_tag=(b"t",)), b""),
    (codes.iPATCH, dict(if_match=(b"\x01",), size1=300, no_response=26), b"x" * 300),
]
RESPONSES = [
    (codes.CONTENT, dict(content_format=0, etag=b"\x01", max_age=7), b"locked"),
    (codes.CHANGED, dict(), b""),
    (codes.UNAUTHORIZED, dict(echo=b"12345678"), b""),
]


def message(code, options, payload):
    made = Message(code=code, payload=payload, _mtype=ACK if code.is_response() else CON, _mid=0x1234, _token=b"tok")
    for name, value in options.items():
        setattr(made.opt, name, value)
    made.direction = Direction.OUTGOING
    return made


def outgoing(made, protected):
    protected.mtype, protected.mid, protected.token = made.mtype, made.mid, made.token
    return protected.encode()


def incoming(datagram):
    read = Message.decode(datagram)
    read.direction = Direction.INCOMING
    return read


def text(value):
    return "none" if value is None else value.hex() or "-"


for secret, salt, client_id, server_id, id_context in CONTEXTS:
    print("context", *map(text, (secret, salt, client_id, server_id, id_context)))
    client = MemoryContext(secret, salt, client_id, server_id, id_context)
    server = MemoryContext(secret, salt, server_id, client_id, id_context)
    for i, number in enumerate(NUMBERS):
        plain = message(*REQUESTS[i % len(REQUESTS)])
        client.sender_sequence_number = number
        protected, sent = client.protect(plain)
        datagram = outgoing(plain, protected)
        print("request", number, plain.encode().hex(), datagram.hex())
        read, received = server.unprotect(incoming(datagram))
        assert (read.code, read.payload) == (plain.code, plain.payload)
        for response in RESPONSES[: 1 + i % 3]:
            plain = message(*response)
            protected, _ = server.protect(plain, received)
            datagram = outgoing(plain, protected)
            print("response", plain.encode().hex(), datagram.hex())
            read, _ = client.unprotect(incoming(datagram), sent)
            assert (read.code, read.payload) == (plain.code, plain.payload)
