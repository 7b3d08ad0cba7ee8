"""CBOR values as JSON can say them."""


def plain(value):
    """JSON of a CBOR value: byte strings in hex, labels as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(label): plain(member) for label, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value
