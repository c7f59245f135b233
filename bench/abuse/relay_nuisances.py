"""Nuisances on the relay, over TCP and at /transit."""

import itertools
import os

from bench.abuse.nuisance import (
    CHUNK,
    Action,
    MakeSteps,
    Nuisance,
    Steps,
    in_pieces,
    once,
    repeated,
    upgrade,
)
from bench.rendezvous.wire import NO_MASK, text_frame
from wormhole_websocket.frames import Opcode, client_frame

_CREDIT = upgrade(b"/transit", b"Sec-WebSocket-Protocol: wormhole-transit-credit.v1")


def _binary(payload: bytes) -> bytes:
    return client_frame(Opcode.BINARY, payload, NO_MASK)


def _handshake(token: str, side: int) -> bytes:
    return f"please relay {token} for side {side:016x}\n".encode()


def _of_pair(number: int) -> bytes:
    return _handshake(f"{os.getpid():032x}{number // 2:032x}", number)


def _alone(_number: int) -> Steps:
    yield _handshake(os.urandom(32).hex(), 0)


def _waiting(number: int) -> Steps:
    yield from _alone(number)
    yield Action.STAY


def _slowly(_number: int) -> Steps:
    yield from in_pieces(_handshake(os.urandom(32).hex(), 0), Action.PAUSE)


def _pair_of_bytes(number: int) -> Steps:
    yield _of_pair(number)
    yield Action.WAIT
    yield from itertools.repeat(b"x")


def _pair(number: int) -> Steps:
    yield _of_pair(number)
    yield Action.WAIT
    yield from itertools.repeat(bytes(CHUNK))


def _deaf_pair(number: int) -> Steps:
    yield _of_pair(number)
    yield Action.WAIT
    yield Action.STOP_READING
    yield from itertools.repeat(bytes(CHUNK))


def _pair_over_websocket(frame: bytes, first: bytes = b"") -> MakeSteps:
    def steps(number: int) -> Steps:
        yield _binary(_of_pair(number))
        yield Action.WAIT
        yield first
        yield from itertools.repeat(frame * (CHUNK // len(frame)))

    return steps


def _credit(number: int) -> Steps:
    yield _CREDIT
    yield Action.WAIT
    yield _binary(_of_pair(number))
    yield Action.WAIT
    yield from itertools.repeat(text_frame(b"1") * (CHUNK // 7))


NUISANCES = {
    "relay-handshakes": Nuisance(
        "relay handshake, close", _alone, path=None, on_relay_port=True, churns=True
    ),
    "relay-waiting": Nuisance(
        "relay ends that wait", _waiting, path=None, on_relay_port=True, churns=True
    ),
    "relay-slowly": Nuisance(
        "relay handshakes, byte by byte", _slowly, path=None, on_relay_port=True, churns=True
    ),
    "relay-garbage": Nuisance(
        "PROXY headers and garbage at the relay",
        once(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" * 100, Action.WAIT),
        path=None,
        on_relay_port=True,
        churns=True,
    ),
    "relay-pair": Nuisance("relay pairs at full speed", _pair, path=None, on_relay_port=True),
    "relay-deaf-pair": Nuisance(
        "relay pairs that do not read", _deaf_pair, path=None, on_relay_port=True
    ),
    "relay-bytes": Nuisance(
        "relay pairs, byte by byte", _pair_of_bytes, path=None, on_relay_port=True
    ),
    "relay-pings": Nuisance(
        "WebSocket pings on /transit",
        repeated(client_frame(Opcode.PING, b"x", NO_MASK)),
        path=b"/transit",
    ),
    "relay-frames": Nuisance(
        "one-byte frames on /transit", _pair_over_websocket(_binary(b"x")), path=b"/transit"
    ),
    "relay-fragments": Nuisance(
        "empty fragments on /transit",
        _pair_over_websocket(
            client_frame(Opcode.CONTINUATION, b"", NO_MASK, final=False),
            client_frame(Opcode.BINARY, b"x", NO_MASK, final=False),
        ),
        path=b"/transit",
    ),
    "relay-credit": Nuisance("credit of one byte on /transit", _credit, path=None),
    "relay-text": Nuisance(
        "text on /transit", repeated(text_frame(b"x")), path=b"/transit", churns=True
    ),
}
