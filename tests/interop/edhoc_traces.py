"""Makes and reads the traces of RFC 9529 with edhoc_peer.py, byte for byte, so that a peer of ours has been looked at by others.

Section 2 has signatures on both sides (method 0) with cipher suite 0, section 3 static Diffie-Hellman keys (method 3) with
suite 2, after an attempt with suite 6. No trace has method 1, where the initiator's side is that of method 0 and the
responder's that of method 3; of that and of method 2 we can only say that the two sides agree, and that forgeries fail.
"""

from edhoc_peer import Curve25519, Initiator, P256, Refused, Responder, WrongSuite, dumps

# Section 2
SIGNATURES = {
    "x": "892ec28e5cb6669108470539500b705e60d008d347c5817ee9f3327c8a87bb03",
    "y": "e69c23fbf81bc435942446837fe827bf206c8fa10a39db47449e5a813421e1e8",
    "sk_i": "4c5b25878f507c6b9dae68fbd4fd3ff997533db0af00b25d324ea28e6c213bc8",
    "sk_r": "ef140ff900b0ab03f0c08d879cbbd4b31ea71e6e7ee7ffcb7e7955777a332799",
    "c_i": "2d",
    "c_r": "18",
    "cred_i": (
        "58f13081ee3081a1a003020102020462319ea0300506032b6570301d311b301906035504030c124544484f4320526f6f74204564"
        "3235353139301e170d3232303331363038323430305a170d3239313233313233303030305a30223120301e06035504030c174544"
        "484f4320496e69746961746f722045643235353139302a300506032b6570032100ed06a8ae61a829ba5fa54525c9d07f48dd44a3"
        "02f43e0f23d8cc20b73085141e300506032b6570034100521241d8b3a770996bcfc9b9ead4e7e0a1c0db353a3bdf2910b39275ae"
        "48b756015981850d27db6734e37f67212267dd05eeff27b9e7a813fa574b72a00b430b"
    ),
    "cred_r": (
        "58f13081ee3081a1a003020102020462319ec4300506032b6570301d311b301906035504030c124544484f4320526f6f74204564"
        "3235353139301e170d3232303331363038323433365a170d3239313233313233303030305a30223120301e06035504030c174544"
        "484f4320526573706f6e6465722045643235353139302a300506032b6570032100a1db47b95184854ad12a0c1a354e418aace33a"
        "a0f2c662c00b3ac55de92f9359300506032b6570034100b723bc01eab0928e8b2b6c98de19cc3823d46e7d6987b032478fecfaf1"
        "4537a1af14cc8be829c6b73044101837eb4abc949565d86dce51cfae52ab82c152cb02"
    ),
    "id_cred_i": "a11822822e48c24ab2fd7643c79f",
    "id_cred_r": "a11822822e4879f2a41b510c1f9b",
    "message_1": "0000582031f82c7b5b9cbbf0f194d913cc12ef1532d328ef32632a4881a1c0701e237f042d",
    "th_2": "c6405c154c567466ab1df20369500e540e9f14bd3a796a0652cae66c9061688d",
    "mac_2": "862a7e5ef147f9a5f4c512e1b6623cd66cd17a7272072bfe5b602ffe307ee0e9",
    "proof_2": (
        "c3b5bd44d1e44a085c03d3aede4e1e6c11c572a1968cc3629b505f98c681608d3d1de793d1c40eb5dd5d89acf1966aea07022b48"
        "cdc99870ebc40374e8fa6e09"
    ),
    "message_2": (
        "5872dc88d2d51da5ed67fc4616356bc8ca74ef9ebe8b387e623a360ba480b9b29d1cbc26dd270fe9c02c44ce3934794b1cc62ba2"
        "2f05459f8d358c8d12275ac42c5f96ded5f13cc9084e5b201889a45e5a60a5562dc118619c3daa2fd9f4c9f4d6edad109dd4edf9"
        "5962aafbaf9ab3f4a1f6b98f"
    ),
    "th_3": "5b7df9b4f58f240ce0418e48191b5fff3a22b5ca57f669b16777996592e928bc",
    "mac_3": "39b127c130129afa30618c751329e637cc3734270d4b01258445a8ee02daa3bd",
    "proof_3": (
        "96e1cd5fceadfac1b5af819443f70924f5719955957fd02655beb4775e1a73186a0d1d3ea683f08f8d03dcecb9cf154e1c6f555a"
        "1e12ca118ce42bdba6878907"
    ),
    "message_3": (
        "585825c345884aaaeb22c527f9b1d2b6787207e0163c69b62a0d43928150427203c31674e4514ea6e383b566eb29763efeb0afa5"
        "18776ae1c65f856d84bf32af3a7836970466dcb71f76745d39d3025e7703e0c032ebad51947c"
    ),
    "th_4": "0eb868f263cf3555dccd396dd8dec29d3750d599be42d5a41a5a37c896f294ac",
    "message_4": "484f0edee366e5c883",
    "prk_2e": "d584ac2e5dad5a77d14b53ebe72ef1d5daa8860d399373bf2c240afa7ba804da",
    "prk_3e2m": "d584ac2e5dad5a77d14b53ebe72ef1d5daa8860d399373bf2c240afa7ba804da",
    "prk_4e3m": "d584ac2e5dad5a77d14b53ebe72ef1d5daa8860d399373bf2c240afa7ba804da",
    "prk_out": "b744cb7d8a87cc0447c3350e165b250dab12ec453325abb922b30307e5c368f0",
    "prk_exporter": "2aaec8fc4ab3bc3295def6b551051a2fa561424db301fa84f642f5578a6df51a",
    "secret": "1e1c6beac3a8a1cac435de7e2f9ae7ff",
    "salt": "ce7ab844c0106d73",
}

# Section 3.1 and 3.2
REFUSED = {
    "x": "5c4172aca8b82b5a62e66f722216f5a10f72aa69f42c1d1cd3ccd7bfd29ca4e9",
    "c_i": "0e",
    "message_1": "03065820741a13d7ba048fbb615e94386aa3b61bea5b3d8f65f32620b749bee8d278efa90e",
    "error": "0202",
}

# Section 3.3 and on
STATIC_DH = {
    "x": "368ec1f69aeb659ba37d5a8d45b21bdc0299dceaa8ef235f3ca42ce3530f9525",
    "y": "e2f4126777205e853b437d6eaca1e1f753cdcc3e2c69fa884b0a1a640977e418",
    "sk_i": "fb13adeb6518cee5f88417660841142e830a81fe334380a953406a1305e8706b",
    "sk_r": "72cc4761dbd4c78f758931aa589d348d1ef874a7e303ede2f140dcf3e6aa4aac",
    "c_i": "37",
    "c_r": "27",
    "cred_i": (
        "a2027734322d35302d33312d46462d45462d33372d33322d333908a101a5010202412b2001215820ac75e9ece3e50bfc8ed60399"
        "889522405c47bf16df96660a41298cb4307f7eb62258206e5de611388a4b8a8211334ac7d37ecb52a387d257e6db3c2a93df21ff"
        "3affc8"
    ),
    "cred_r": (
        "a2026b6578616d706c652e65647508a101a501020241322001215820bbc34960526ea4d32e940cad2a234148ddc21791a12afbcb"
        "ac93622046dd44f02258204519e257236b2a0ce2023f0931f1f386ca7afda64fcde0108c224c51eabf6072"
    ),
    "id_cred_i": "a104412b",
    "id_cred_r": "a1044132",
    "message_1": "0382060258208af6f430ebe18d34184017a9a11bf511c8dff8f834730b96c1b7c8dbca2fc3b637",
    "th_2": "356efd53771425e008f3fe3a86c83ff4c6b16e57028ff39d5236c182b202084b",
    "mac_2": "0943305c899f5c54",
    "proof_2": "0943305c899f5c54",
    "message_2": "582b419701d7f00a26c2dc587a36dd752549f33763c893422c8ea0f955a13a4ff5d59862a1eef9e0e7e1886fcd",
    "th_3": "adaf67a78a4bcc91e018f8882762a722000b2507039df0bc1bbf0c161bb3155c",
    "mac_3": "623c91df41e34c2f",
    "proof_3": "623c91df41e34c2f",
    "message_3": "52e562097bc417dd5919485ac7891ffd90a9fc",
    "th_4": "c902b1e3a4326c93c5551f5f3aa6c5ecc0246806765612e52b5d99e6059d6b6e",
    "message_4": "4828c966b7ca304f83",
    "prk_2e": "5aa0d69f3e3d1e0c479f0b8a486690c9802630c3466b1dc92371c982563170b5",
    "prk_3e2m": "0ca3d3398296b3c03900987620c11f6fce70781c1d1219720f9ec08c122d8434",
    "prk_4e3m": "81cc8a298e357044e3c466bb5c0a1e507e01d49238aeba138df94635407c0ff7",
    "prk_out": "2c71afc1a9338a940bb3529ca734b886f30d1aba0b4dc51beeaeabdfea9ecbf8",
    "prk_exporter": "e14d06699cee248c5a04bf9227bbcd4ce394de7dcb56db43555474171e6446db",
    "secret": "f9868f6a3aca78a05d1485b35030b162",
    "salt": "ada24c7dbfc85eeb",
}


def parties(trace, method, suite, **more):
    given = {name: bytes.fromhex(text) for name, text in trace.items()}
    i, r = (tuple(given[name + end] for name in ("c", "sk", "cred", "id_cred")) for end in ("_i", "_r"))
    initiator = Initiator(method, *i, r[2], peer_id_cred=r[3], ephemeral=given["x"], suite=suite, **more)
    responder = Responder(method, *r, i[2], peer_id_cred=i[3], ephemeral=given["y"], suite=suite, **more)
    return initiator, responder


def handshake(initiator, responder, suites=None):
    message_1 = initiator.message_1(suites)
    message_2 = responder.message_2(message_1)
    message_3 = initiator.message_3(message_2)
    message_4 = responder.message_4(message_3)
    initiator.take_message_4(message_4)
    return {"message_1": message_1, "message_2": message_2, "message_3": message_3, "message_4": message_4}


def as_in(trace, method, suite, suites):
    both = initiator, responder = parties(trace, method, suite)
    found = list(handshake(initiator, responder, suites).items())
    for party in both:
        found += [(name, getattr(party, name)) for name in trace if name.startswith(("th_", "prk_"))]
        mac_2 = party.mac_2(responder.own_c, responder.id_cred, responder.cred, b"")
        mac_3 = party.mac_3(initiator.id_cred, initiator.cred, b"")
        found += [("mac_2", mac_2), ("mac_3", mac_3), ("secret", party.export(0, b"", 16)), ("salt", party.export(1, b"", 8))]
    found.append(("proof_2", responder.proof(responder.responder_signs, responder.th_2, mac_2, b"")))
    found.append(("proof_3", initiator.proof(initiator.initiator_signs, initiator.th_3, mac_3, b"")))
    for name, value in found:
        assert value.hex() == trace[name], (name, value.hex())
    assert len(dict(found)) == 18, "something of the trace was not looked at"


def refused_by_suite():
    initiator, responder = parties(STATIC_DH | REFUSED, 3, P256)
    message_1 = initiator.message_1(6)
    assert message_1.hex() == REFUSED["message_1"]
    try:
        responder.message_2(message_1)
        raise AssertionError("suite 6 was taken")
    except WrongSuite as wrong:
        assert wrong.error.hex() == REFUSED["error"]


def without_a_trace(method):
    """The two sides agree; a key that is not the credential's, and a credential that is not the peer's, are noticed."""
    eads = dumps(1) + dumps(b"ead")
    initiator, responder = parties(STATIC_DH, method, P256, eads=eads)
    handshake(initiator, responder)
    assert initiator.export(0, b"", 16) == responder.export(0, b"", 16)
    assert initiator.peer_eads == responder.peer_eads == eads + eads
    for who in 0, 1:
        for forge in "key", "peer_cred":
            party = parties(STATIC_DH, method, P256, eads=eads)
            if forge == "key":
                party[who].key = P256.fresh()
            else:
                party[who].peer_cred = party[who].cred
            try:
                handshake(*party)
                raise AssertionError(f"method {method}: a wrong {forge} was taken")
            except Refused:
                pass


if __name__ == "__main__":
    as_in(SIGNATURES, 0, Curve25519, None)
    as_in(STATIC_DH, 3, P256, [6, 2])
    refused_by_suite()
    for method in range(4):
        without_a_trace(method)
    print("edhoc_traces: as RFC 9529 has them")
