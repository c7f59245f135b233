"""
Vectors for the tests of the browser client: what PyPI's `spake2` and the command-line client compute.

    python -m tools.web_vectors

Owns the file's form. `make docs` writes it; a test compares what is committed with what it would write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nacl.secret import SecretBox
from spake2 import SPAKE2_Symmetric  # type: ignore[import-untyped]  # it has no annotations

from wormhole_client.keys import TransitKeys, derive_for, normalised, phase_key, verifier
from wormhole_client.transfers import messages
from wormhole_client.transit.records import RecordSealer

PATH = Path(__file__).parents[1] / "web" / "tests" / "core" / "vectors.json"

# The last has its accent as a letter of its own.
_CODES = ("4-bravado-waffle", "0-", "123-a-code-with-ümlaut", "7-e\u0301lan-vital")
_SCALAR_BYTES = 64  # what the browser client draws; the remainder is the scalar
_TEXTS = (b"", b"\x00", b"a text", bytes(range(256)) * 3)
_OFFERS = (
    messages.TextOffer("grüße\n"),
    messages.FileOffer("a file.txt", 5 * 2**40),
    messages.DirectoryOffer("a directory", 1234, 1000, 3),
)


def vectors() -> str:
    """Make the file."""
    keys = TransitKeys(derive_for(_key(), messages.TRANSIT_PURPOSE))
    sealer = RecordSealer(_key())
    found: dict[str, Any] = {
        "exchanges": [_exchange(code) for code in _CODES],
        "key": _key().hex(),
        "phases": [
            {"side": side, "phase": phase, "key": phase_key(_key(), side, phase).hex()}
            for side, phase in (("0123456789", "version"), ("side", "0"), ("", ""))
        ],
        "verifier": verifier(_key()).hex(),
        "transit": {
            "token": keys.relay_token(),
            "handshakes": [keys.handshake(sender).decode("ascii") for sender in (True, False)],
            "records": [keys.records(sender).hex() for sender in (True, False)],
        },
        "boxes": [
            {"plaintext": text.hex(), "box": bytes(SecretBox(_key()).encrypt(text, _nonce())).hex()}
            for text in _TEXTS
        ],
        "records": [
            {"plaintext": text.hex(), "record": sealer.seal(text).hex()} for text in _TEXTS
        ],
        "offers": [json.loads(messages.encode_offer(offer)) for offer in _OFFERS],
        "answers": [json.loads(messages.encode_answer(offer)) for offer in _OFFERS],
        "abort": json.loads(messages.encode_abort("no")),
        "acknowledgement": json.loads(messages.encode_acknowledgement("00ff")),
    }
    return json.dumps(found, indent=2) + "\n"


def _key() -> bytes:
    return hashlib.sha256(b"a key").digest()


def _nonce() -> bytes:
    return bytes(range(SecretBox.NONCE_SIZE))


def _exchange(code: str) -> dict[str, Any]:
    ends = [_end(code, seed) for seed in (b"one", b"other")]
    outbound = [end.start() for end in ends]
    key, same = (end.finish(inbound) for end, inbound in zip(ends, reversed(outbound), strict=True))
    if key != same:
        raise AssertionError("the two ends have different keys")
    return {
        "code": code,
        "secrets": [end.xy_scalar.to_bytes(_SCALAR_BYTES, "big").hex() for end in ends],
        "messages": [message.hex() for message in outbound],
        "key": key.hex(),
    }


def _end(code: str, seed: bytes) -> Any:
    stream = _stream(seed + normalised(code))
    return SPAKE2_Symmetric(
        normalised(code),
        idSymmetric=normalised(messages.APPID),
        entropy_f=lambda size: bytes(next(stream) for _ in range(size)),
    )


def _stream(seed: bytes) -> Iterator[int]:
    """The same bytes in every run."""
    while True:
        seed = hashlib.sha256(seed).digest()
        yield from seed


if __name__ == "__main__":
    PATH.write_text(vectors(), "utf-8")
