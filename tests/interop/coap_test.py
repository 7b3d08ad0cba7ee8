"""Other people's CoAP against ours: aiocoap 0.4.17 and libcoap's coap-client-notls.

    python coap_test.py PATH-TO-interop-server

The server is transport/examples/interop-server.rs. Exits 0 if everything held; prints one line for each check.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading

import aiocoap
from aiocoap import GET, NON, POST, Message, Unreliable
from aiocoap.numbers.codes import Code

from memory_context import MemoryContext

LARGE = bytes(ord("a") + n % 26 for n in range(5000))


def check(name, condition):
    print(("ok    " if condition else "FAILED ") + name, flush=True)
    assert condition, name


async def ask(context, uri, code=GET, **options):
    return await context.request(Message(code=code, uri=uri, **options)).response


async def plain(context, base):
    """R7252-5.3.1-01"""
    response = await ask(context, base + "/.well-known/core")
    check("aiocoap: discovery", b"</echo>," in response.payload and response.opt.content_format == 40)
    response = await ask(context, base + "/echo", POST, payload=LARGE, content_format=42)
    check("aiocoap: 5000 bytes there and back in blocks", response.payload == LARGE)
    check("aiocoap: the handler's format", response.opt.content_format == 42)
    response = await ask(context, base + "/echo", POST, payload=bytes(70000))
    check("aiocoap: a body too large is 4.13", response.code == Code.REQUEST_ENTITY_TOO_LARGE)
    response = await ask(context, base + "/large")
    check("aiocoap: 5000 bytes in blocks", response.payload == LARGE)
    response = await ask(context, base + "/nothing")
    check("aiocoap: 4.04", response.code == Code.NOT_FOUND)
    response = await ask(context, base + "/who/")
    check("aiocoap: a trailing slash is another path", response.code == Code.NOT_FOUND)
    response = await ask(context, base + "/slow")
    check("aiocoap: a separate response", response.payload == b"slow")
    response = await ask(context, base + "/who", transport_tuning=Unreliable)
    check("aiocoap: a NON request", response.payload == b"nobody" and response.mtype == NON)
    message = Message(code=GET, uri=base + "/who")
    message.opt.add_option(aiocoap.optiontypes.OpaqueOption(aiocoap.numbers.OptionNumber(65001), b""))
    response = await context.request(message).response
    check("aiocoap: an unknown critical option is 4.02", response.code == Code.BAD_OPTION)


async def observe(context, base, name):
    """R7641-4.2-01, R7641-4.4-01"""
    request = context.request(Message(code=GET, uri=base + "/counter", observe=0))
    first = int((await request.response).payload)
    notifications = aiter(request.observation)
    for n in range(1, 4):
        await ask(context, base + "/counter", POST)
        notification = await asyncio.wait_for(anext(notifications), 10)
        check(f"aiocoap: {name} {n}", int(notification.payload) == first + n)
    request.observation.cancel()


async def protected(context, base):
    context.client_credentials[base + "/*"] = MemoryContext(bytes(range(16)), b"salt", b"c", b"s")
    response = await ask(context, base + "/who")
    check("aiocoap: OSCORE, and the server knows whom it talks to", response.payload == b"client")
    response = await ask(context, base + "/echo", POST, payload=LARGE)
    check("aiocoap: OSCORE with inner blocks both ways", response.payload == LARGE)
    response = await ask(context, base + "/slow")
    check("aiocoap: OSCORE in a separate response", response.payload == b"slow")
    await observe(context, base, "OSCORE notification")


def duplicates(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(10)
        peer.connect(address)
        request = b"\x41\x02\x12\x34\xaa\xb4runs"
        answers = []
        for _ in range(3):
            peer.send(request)
            answers.append(peer.recv(1500))
        check("raw: three times the same request, three times the same bytes", len(set(answers)) == 1)
        peer.send(b"\x41\x02\x12\x35\xaa\xb4runs")
        runs = int(peer.recv(1500).split(b"\xff")[1])
        check("raw: its handler ran once", runs == int(answers[0].split(b"\xff")[1]) + 1)
        peer.send(b"\x40\x00\x12\x36")
        check("raw: a ping is reset", peer.recv(1500) == b"\x70\x00\x12\x36")
        peer.send(b"\x40\x01\x12\x37\xff")
        check("raw: a malformed CON is reset", peer.recv(1500) == b"\x70\x00\x12\x37")


@contextlib.contextmanager
def doubling(address):
    """A network that delivers every datagram twice, both ways; yields its address and what it counted."""
    outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outside.bind(("127.0.0.1", 0))
    inside.connect(address)
    peers, counted, over = [], {"requests": 0, "answers": 0}, threading.Event()

    def pass_on(here, name, send):
        here.settimeout(0.05)
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                datagram, peer = here.recvfrom(2048)
                if here is outside:
                    peers[:] = [peer]
                for _ in range(2):
                    send(datagram)
                    counted[name] += 1

    ways = [
        threading.Thread(target=pass_on, args=(outside, "requests", inside.send)),
        threading.Thread(target=pass_on, args=(inside, "answers", lambda datagram: outside.sendto(datagram, peers[0]))),
    ]
    for way in ways:
        way.start()
    try:
        yield "coap://127.0.0.1:%d" % outside.getsockname()[1], counted
    finally:
        over.set()
        for way in ways:
            way.join()
        outside.close()
        inside.close()


def everything_twice(base, address):
    """Their clients' own requests, and our answers to them, each delivered twice."""

    def runs():
        return int(libcoap_client("-m", "get", base + "/runs").stdout)

    async def by_aiocoap(uri):
        context = await aiocoap.Context.create_client_context()
        try:
            run = int((await ask(context, uri + "/runs", POST)).payload)
            large = (await ask(context, uri + "/echo", POST, payload=LARGE)).payload
            await observe(context, uri, "notification, and the request for it, twice:")
            return run, large == LARGE
        finally:
            await context.shutdown()

    def by_libcoap(uri):
        run = int(libcoap_client("-m", "post", uri + "/runs").stdout)
        got = libcoap_client("-b", "256", "-m", "post", "-f", "-", uri + "/echo", data=LARGE).stdout
        return run, got.strip() == LARGE

    for name, client in [("aiocoap", lambda uri: asyncio.run(by_aiocoap(uri))), ("libcoap", by_libcoap)]:
        before = runs()
        with doubling(address) as (uri, counted):
            run, whole = client(uri)
        check(f"{name}: its request came twice and was answered twice", counted["requests"] >= 4 <= counted["answers"])
        check(f"{name}: its handler ran once", (run, runs()) == (before + 1, before + 2))
        check(f"{name}: 5000 bytes in blocks, each of them twice", whole)


def libcoap_client(*arguments, data=b""):
    command = ["coap-client-notls", "-B", "15", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=30, check=False)


def libcoap(base):
    client = libcoap_client

    check("libcoap: GET in blocks", client("-m", "get", base + "/large").stdout.strip() == LARGE)
    check("libcoap: smaller blocks", client("-b", "64", "-m", "get", base + "/large").stdout.strip() == LARGE)
    got = client("-m", "post", "-f", "-", base + "/echo", data=LARGE).stdout
    check("libcoap: POST in blocks", got.strip() == LARGE)
    got = client("-b", "128", "-m", "post", "-f", "-", base + "/echo", data=LARGE).stdout
    check("libcoap: POST in smaller blocks", got.strip() == LARGE)
    check("libcoap: a separate response", client("-m", "get", base + "/slow").stdout.strip() == b"slow")
    check("libcoap: NON", client("-N", "-m", "get", base + "/who").stdout.strip() == b"nobody")
    got = client("-O", "65001,x", "-m", "get", base + "/who")
    check("libcoap: an unknown critical option is 4.02", b"4.02" in got.stdout + got.stderr)
    got = client("-m", "get", base + "/nothing")
    check("libcoap: 4.04", b"4.04" in got.stdout + got.stderr)
    got = client("-s", "2", "-m", "get", base + "/counter")
    check("libcoap: observe, and stop", got.returncode == 0 and got.stdout.strip() != b"")


async def with_aiocoap(base):
    context = await aiocoap.Context.create_client_context()
    try:
        await plain(context, base)
        await observe(context, base, "notification")
        await protected(context, base)
    finally:
        await context.shutdown()


def main(server):
    process = subprocess.Popen([server], stdout=subprocess.PIPE, text=True)
    try:
        base = process.stdout.readline().split()[-1]
        host, port = base.removeprefix("coap://").split(":")
        duplicates((host, int(port)))
        asyncio.run(with_aiocoap(base))
        libcoap(base)
        everything_twice(base, (host, int(port)))
        check("the server lived through it", process.poll() is None)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
