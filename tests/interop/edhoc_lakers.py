"""lakers-python at the other end of EDHOC: method 3. Arguments and lines as in edhoc_peer.py, of which it knows fewer.

Its exporter writes labels from 24 on in one byte, which is no CBOR: we ask for 23."""

import sys

import lakers


def receive():
    word, text = sys.stdin.readline().split()
    assert word == "message", word
    return bytes.fromhex(text)


def send(word, raw):
    print(word, raw.hex(), flush=True)


role = sys.argv[1]
given = {name: bytes.fromhex(value) for name, value in (argument.split("=") for argument in sys.argv[2:])}
assert given["method"] == b"\x03"
# A lone kid is a reference, anything else the credential itself.
by_reference = given["id_cred"][:2] == b"\xa1\x04"
transfer = lakers.CredentialTransfer.ByReference if by_reference else lakers.CredentialTransfer.ByValue
own, peer = lakers.Credential(given["cred"]), lakers.Credential(given["peer_cred"])
ead = [lakers.EADItem(1, False, given["ead"])] if "ead" in given else []
heard = []

if role == "initiator":
    party = lakers.EdhocInitiator()
    send("message", bytes(party.prepare_message_1(list(given["c"]))))
    _, id_cred, ead_2 = party.parse_message_2(receive())
    heard.extend(ead_2)
    party.verify_message_2(given["key"], own, lakers.credential_check_or_fetch(id_cred, peer))
    message_3, _ = party.prepare_message_3(transfer, ead)
    send("message", bytes(message_3))
    heard.extend(party.process_message_4(receive()))
else:
    party = lakers.EdhocResponder(given["key"], own)
    _, ead_1 = party.process_message_1(receive())
    heard.extend(ead_1)
    send("message", bytes(party.prepare_message_2(transfer, list(given["c"]), ead)))
    id_cred, ead_3 = party.parse_message_3(receive())
    heard.extend(ead_3)
    party.verify_message_3(lakers.credential_check_or_fetch(id_cred, peer))
    send("message", bytes(party.prepare_message_4()))

for item in heard:
    send("ead", bytes(item.value()))
send("secret", bytes(party.edhoc_exporter(0, [], 16)))
send("salt", bytes(party.edhoc_exporter(1, [], 8)))
send("exported", bytes(party.edhoc_exporter(23, [1, 2], 40)))
